"""archdsl: a compiler for neural architectures.

What it does from Python stands in `archdsl.api` and is reached as `archdsl.NAME`: parse, load,
compile, cost, costs, identity, ids, diff, Space, Architecture, ArchError. `import archdsl` alone
costs nothing: each name is imported when it is first used.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from archdsl.api import (
        ArchError,
        Architecture,
        Diagnostic,
        Space,
        compile,
        cost,
        costs,
        diff,
        identity,
        ids,
        load,
        parse,
    )

__all__ = [
    "ArchError",
    "Architecture",
    "Diagnostic",
    "Space",
    "__version__",
    "compile",
    "cost",
    "costs",
    "diff",
    "identity",
    "ids",
    "load",
    "parse",
]


class _Package(ModuleType):
    """This package: its public names are those of `archdsl.api`.

    Two of them, `diff` and `load`, are names of modules as well, which the import system sets
    on their package when they are loaded. The public function wins; `from archdsl.diff import
    ...` finds the module all the same.
    """

    def __getattribute__(self, name: str) -> Any:
        if name in _PUBLIC:
            from archdsl import api

            return getattr(api, name)
        return super().__getattribute__(name)


_PUBLIC = frozenset(__all__) - {"__version__"}

sys.modules[__name__].__class__ = _Package
