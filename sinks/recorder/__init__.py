"""The record sink: gives every frame its outcome, stores it, then has it acknowledged.

The rules of a book are in `ledger`, how rows are written in `store`.
"""
