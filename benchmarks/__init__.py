"""Benchmarks: each file measures one thing and writes a table and a JSON file to results/."""
