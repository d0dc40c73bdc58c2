"""Runs: folders in which a search or a retraining goes on until it is done."""
