"""The parts of the documentation that are made from the code.

Pages are written by hand; what stands between two markers in them is generated, and `make check`
refuses a page that no longer says what the code says.
"""
