"""IR -> Python: standalone PyTorch files that read as if they had been written by hand."""

from archdsl.codegen.source import (
    mixture_source,
    network_source,
    paths_source,
    supernet_source,
)

__all__ = ["mixture_source", "network_source", "paths_source", "supernet_source"]
