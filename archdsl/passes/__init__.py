"""Passes: a network rewritten into one that computes the same, and how its weights move.

Read `driver.py` first: the tuple of passes, in order, and what runs them. Each pass is one
file, a pure function of one graph. `weights.py` says where the weights went, `identity.py`
when two networks are the same.
"""
