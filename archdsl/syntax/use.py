"""`use NAME`: a space with the definitions of others in it, as one text.

What is elaborated, hashed and written to disk is the joined space: it needs no other text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, replace

from archdsl.syntax import tree


def joined(space: tree.Space, used: Sequence[tree.Space]) -> tree.Space:
    """A space with what it uses before its own; what it defines itself stays.

    Definitions, constants and rules come along, and the parameters that they speak of. The net
    does where the space has none. Titles and constraints are each space's own. A constant of its
    own stands where the one stood that it replaces, before those that speak of it.
    """
    items, parameters = list(space.items), list(space.parameters)
    brought: list[tree.Item] = []
    for other in used:
        own = set(_names((*brought, *items))) | {parameter.name for parameter in parameters}
        net = not any(_is_net(item) for item in (*brought, *items))
        new = [item for item in other.items if _comes(item, own, net)]
        given = [parameter for parameter in other.parameters if parameter.name not in own]
        parameters += _mentioned(new, given)
        brought += _placed(other, new, items)
    if not brought:
        return space
    return replace(space, parameters=tuple(parameters), items=(*brought, *items))


def _placed(
    other: tree.Space, new: Sequence[tree.Item], items: list[tree.Item]
) -> Iterator[tree.Item]:
    """What comes from a space, with the constants of `items` that replace its own taken from there.

    Whatever these speak of among the constants of `items` goes before them.
    """
    for item in other.items:
        if item in new:
            yield item
        elif isinstance(item, tree.Constant):
            yield from _taken(item.name, items)


def _taken(name: str, items: list[tree.Item]) -> Iterator[tree.Item]:
    for item in items:
        if isinstance(item, tree.Constant) and item.name == name:
            items.remove(item)
            for word in _words(item.value):
                yield from _taken(word, items)
            yield item
            return


def _comes(item: tree.Item, own: set[str], net: bool) -> bool:
    match item:
        case tree.Title() | tree.Where():
            return False
        case tree.Vary():
            return True
        case tree.Module():
            return item.name not in own and (net or not _is_net(item))
        case tree.Operation() | tree.Constant():
            return item.name not in own


def _is_net(item: tree.Item) -> bool:
    return isinstance(item, tree.Module) and item.kind is tree.ModuleKind.NET


def _names(items: Iterable[tree.Item]) -> Iterator[str]:
    for item in items:
        if isinstance(item, tree.Operation | tree.Module | tree.Constant):
            yield item.name


def _mentioned(
    items: Sequence[tree.Item], parameters: Sequence[tree.Parameter]
) -> list[tree.Parameter]:
    """The parameters that items speak of, themselves or through defaults of others."""
    known = {name for item in items for name in _words(item)}
    for parameter in reversed(parameters):  # a default speaks of earlier ones only
        if parameter.name in known:
            known.update(_words(parameter))
    return [parameter for parameter in parameters if parameter.name in known]


def _words(root: tree.Node) -> Iterator[str]:
    """Every name that something in a tree stands for by reference."""
    todo: list[object] = [root]
    while todo:
        node = todo.pop()
        if isinstance(node, tuple):
            todo += node
        elif isinstance(node, tree.Node):
            if isinstance(node, tree.Ref | tree.Call):
                yield node.name
            todo += [getattr(node, field.name) for field in fields(node) if field.name != "span"]
