"""All benchmarks, one after the other: `make bench`."""

from benchmarks import (
    autocast_gates,
    costs,
    darts_step,
    deploy,
    graphs,
    growth,
    latency,
    levels,
    metaformer,
    networks,
    partial_channels,
    partial_tokens,
    runs,
    several,
    startup,
    strings,
    supernet,
    text,
    together,
    training_layout,
    workers,
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
    training_layout,
    graphs,
    workers,
    latency,
    autocast_gates,
    several,
    runs,
)

for benchmark in EVERY:
    benchmark.main()
