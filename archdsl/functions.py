"""Functions of the user, by name."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from archdsl.syntax.errors import ArchError, fault


def function_of(named: str) -> Callable[..., Any]:
    """The function `module:name`, found from the working directory on. Raises ArchError E0825."""
    module, _, name = named.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        function: Callable[..., Any] = getattr(import_module(module), name)
    except Exception as problem:  # whatever the module does when it is imported
        raise _unknown(named, f"{type(problem).__name__}: {problem}") from problem
    if not callable(function):
        raise _unknown(named, f"{name} is no function")
    return function


def _unknown(named: str, why: str) -> ArchError:
    return fault(
        "E0825",
        f"there is no function {named!r}",
        found=why,
        expected="module:name",
        hint="a module in the working directory, or one that is installed",
    )
