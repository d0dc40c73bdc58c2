"""All benchmarks, one after the other: `make bench`."""

from benchmarks import startup, supernet, text

for benchmark in (startup, text, supernet):
    benchmark.main()
