"""The search-space view: count, sample, rank, read and change architectures, without torch."""

from archdsl.space.architecture import Architecture
from archdsl.space.parameters import parameters_of
from archdsl.space.view import SearchSpace

__all__ = ["Architecture", "SearchSpace", "parameters_of"]
