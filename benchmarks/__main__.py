"""All benchmarks, one after the other: `make bench`."""

from benchmarks import (
    darts_step,
    graphs,
    growth,
    levels,
    networks,
    startup,
    strings,
    supernet,
    text,
)

for benchmark in (startup, strings, text, growth, supernet, levels, networks, graphs, darts_step):
    benchmark.main()
