"""All benchmarks, one after the other: `make bench`."""

from benchmarks import (
    costs,
    darts_step,
    deploy,
    graphs,
    growth,
    levels,
    metaformer,
    networks,
    partial_channels,
    partial_tokens,
    startup,
    strings,
    supernet,
    text,
    together,
)

EVERY = (
    startup,
    strings,
    text,
    growth,
    supernet,
    levels,
    networks,
    metaformer,
    deploy,
    costs,
    darts_step,
    partial_channels,
    partial_tokens,
    together,
    graphs,
)

for benchmark in EVERY:
    benchmark.main()
