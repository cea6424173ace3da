"""The book of a stream: every admitted frame ends in exactly one outcome. Pure.

What is stored of it is known in `store`; who enters what and when, in `recorder`.
"""
