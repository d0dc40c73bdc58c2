"""A bound on the depth of a tree, so that everything after the parser may recurse."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from archdsl.syntax.errors import fault
from archdsl.syntax.tree import Document, Genotype, Node

MAX_DEPTH = 128
"""Nodes from the root to a leaf. Three Python frames a node stay under the limit of 1,000."""

OUTER = ("span", "comments")
_INNER: dict[str, list[str]] = {}


def check_depth(root: Document | Genotype) -> None:
    """Refuse trees deeper than MAX_DEPTH; works through them without recursion."""
    level: list[Node] = [root]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in _children(node)]
        if not level:
            return
    raise fault(
        "E0109",
        "an expression is too long or too deep",
        level[0].span,
        found=f"more than {MAX_DEPTH} steps, one inside the other",
        expected=f"at most {MAX_DEPTH}, counting each link of a chain `a -> b -> c`",
        hint="give a part of it a name, and go on from there",
    )


def _children(node: Node) -> Iterator[Node]:
    kind = type(node)
    if kind.__name__ not in _INNER:
        _INNER[kind.__name__] = [f.name for f in fields(kind) if f.name not in OUTER]
    for name in _INNER[kind.__name__]:
        value = getattr(node, name)
        if isinstance(value, Node):
            yield value
        elif isinstance(value, tuple):
            yield from (child for child in value if isinstance(child, Node))
