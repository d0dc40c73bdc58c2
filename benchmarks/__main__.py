"""All benchmarks, one after the other: `make bench`."""

from benchmarks import darts_step, graphs, growth, startup, strings, supernet, text

for benchmark in (startup, strings, text, growth, supernet, graphs, darts_step):
    benchmark.main()
