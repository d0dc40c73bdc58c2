"""The spaces that ship, as `.arch` files."""
