"""The last gate: generated source parses, and can do nothing but define and run a network."""

from __future__ import annotations

import ast
from collections.abc import Iterator

IMPORTS = frozenset({"torch", "math", "typing"})
FROM_TORCH = frozenset({"torch", "torch.nn", "torch.utils.checkpoint"})
DUNDERS = frozenset({"__init__", "__call__", "__name__", "__main__"})
FORBIDDEN = frozenset(
    [
        "__import__",
        "breakpoint",
        "compile",
        "delattr",
        "dir",
        "eval",
        "exec",
        "exit",
        "getattr",
        "globals",
        "help",
        "input",
        "locals",
        "memoryview",
        "open",
        "quit",
        "setattr",
        "vars",
        "load",
        "hub",
        "jit",
        "save",
        "cpp_extension",
    ]
)
ALLOWED_CALLS = frozenset({"eval"})  # as a method: model.eval()


def check_source(source: str) -> None:
    """Raise ValueError where source does more than a network needs to."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        for problem in _problems(node):
            line = getattr(node, "lineno", 0)
            raise ValueError(f"generated line {line}: {problem}")


def _problems(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Import(names=names):
            yield from (f"imports {n.name}" for n in names if n.name not in IMPORTS)
        case ast.ImportFrom(module=module, level=level):
            if level or module not in FROM_TORCH | {"typing"}:
                yield f"imports from {module}"
        case ast.Name(id=name) if name in FORBIDDEN or _is_dunder(name):
            yield f"uses {name}"
        case ast.Attribute(attr=name) if name not in ALLOWED_CALLS:
            if name in FORBIDDEN or _is_dunder(name):
                yield f"uses .{name}"
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name) if _is_dunder(name):
            yield f"defines {name}"
        case ast.Try(handlers=[]):
            return  # what is put back after an error; none is hidden
        case ast.AsyncFunctionDef() | ast.Await() | ast.Global() | ast.Try():
            yield f"has {type(node).__name__}"
        case _:
            return


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name not in DUNDERS
