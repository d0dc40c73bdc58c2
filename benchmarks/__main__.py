"""All benchmarks, one after the other: `make bench`."""

from benchmarks import graphs, growth, startup, strings, supernet, text

for benchmark in (startup, strings, text, growth, supernet, graphs):
    benchmark.main()
