"""Random numbers by purpose, where controllers and runs look for them (see `archdsl.seeds`)."""

from archdsl.seeds import seed_for, stream

__all__ = ["seed_for", "stream"]
