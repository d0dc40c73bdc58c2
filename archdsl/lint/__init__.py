"""What is legal in a space, and yet hardly meant."""

from archdsl.lint.lint import lint

__all__ = ["lint"]
