"""The search-space view: count, sample, rank, read and change architectures, without torch."""
