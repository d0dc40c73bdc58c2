"""Operations by their text, as an edit takes them: `conv(8, k=3) -> bn -> relu`."""

from __future__ import annotations

from archdsl.ir.graph import Apply, Input
from archdsl.ir.types import TensorType
from archdsl.library import Library
from archdsl.ops.base import Operation
from archdsl.syntax.errors import fault


def operations_of(text: str, type_: TensorType) -> tuple[Operation, ...]:
    """The operations that a text applies to a value of a type, one behind the other.

    Raises ArchError E0841 where it is more than that, and those of the language.
    """
    whole = f"archdsl 1\nspace edit {{ net network(x: {type_}) {{ return x -> {text} }} }}"
    graph = Library().text(whole, "<operations>").network().net
    found = []
    for position, node in enumerate(graph.nodes):
        if isinstance(node.kind, Input):
            continue
        if not isinstance(node.kind, Apply) or node.args != (position - 1,):
            raise _no_chain(text)
        found.append(node.kind.operation)
    if graph.outputs != (len(graph.nodes) - 1,) or not found:
        raise _no_chain(text)
    return tuple(found)


def _no_chain(text: str) -> Exception:
    return fault(
        "E0841",
        "an edit takes operations one behind the other",
        found=text,
        expected="conv(8, k=3) -> bn -> relu",
    )
