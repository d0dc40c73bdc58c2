"""What is legal in a space, and yet hardly meant."""

from archdsl.lint.lint import lint, lint_all

__all__ = ["lint", "lint_all"]
