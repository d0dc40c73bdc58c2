"""Equality by execution: the same function, whichever way a network was made.

`plain.py` is a second, independent way from a program to PyTorch: no classes, no layout, one
line a node. `equal.py` holds the rule; `networks.py` applies it to architectures.
"""
