"""All benchmarks, one after the other: `make bench`."""

from benchmarks import graphs, startup, supernet, text

for benchmark in (startup, text, supernet, graphs):
    benchmark.main()
