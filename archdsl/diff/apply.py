"""Edits applied: a script turns the program it was made for into the other one.

A script may come from a file, so nothing in it is believed: whatever does not fit the program
is an `ArchError` with the edit's place in the script, never another exception.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import TypeVar

from archdsl.diff.edits import Edit, Insert, Move, Remove, Rewire, Update
from archdsl.diff.script import MODULE_FIELDS, NODE_FIELDS, PROGRAM_FIELDS, translate
from archdsl.ir.graph import Graph, Invoke, Kind, Node, Program
from archdsl.ir.verifier import verify_program
from archdsl.syntax.errors import ArchError, fault

Record = TypeVar("Record", Program, Graph, Node)


def apply(edits: Iterable[Edit], program: Program) -> Program:
    """The program after the edits.

    Raises:
        ArchError: E0740 where an edit does not find what it says was there, E0741 where the
            result would be no program.
    """
    script = tuple(edits)
    keys = _keys(script, program)
    by_module: dict[str, list[Edit]] = {}
    header: list[Update] = []
    whole: list[Insert | Remove] = []
    for edit in script:
        if edit.module is None:
            header.append(edit)
        elif isinstance(edit, Insert | Remove) and edit.node is None:
            whole.append(edit)
        else:
            by_module.setdefault(edit.module, []).append(edit)
    modules = _whole_modules(whole, program)
    for key in by_module:
        if key not in modules:
            raise _misfit(f"there is no module {key!r}")
    edited = {
        keys.get(key, key): _edit_module(graph, by_module.get(key, []), keys)
        for key, graph in modules.items()
    }
    if len(edited) < len(modules):
        raise _broken("two modules under one key")
    for insert in whole:
        if isinstance(insert, Insert) and isinstance(insert.value, Graph):
            if insert.module in edited:
                raise _misfit(f"module {insert.module!r} is there already")
            edited[insert.module] = insert.value
    root = keys.get(program.root, program.root)
    result = _set(program, header, PROGRAM_FIELDS)
    return _verified(replace(result, modules=_ordered(edited, root), root=root))


def _verified(program: Program) -> Program:
    """The program, if shapes fit and weights have one shape each, as in every other one."""
    try:
        return verify_program(program, "the script")
    except ArchError as error:
        raise _broken(error.diagnostics[0].message) from None


def _keys(edits: Sequence[Edit], program: Program) -> dict[str, str]:
    """The new keys of modules that are called differently afterwards."""
    keys: dict[str, str] = {}
    for edit in edits:
        if isinstance(edit, Update) and edit.module and edit.node is None and edit.field == "key":
            if edit.before != edit.module or edit.module not in program.modules:
                raise _misfit(f"there is no module {edit.before!r}")
            keys[edit.module] = str(edit.after)
    return keys


def _whole_modules(edits: Sequence[Insert | Remove], program: Program) -> dict[str, Graph]:
    """The modules that stay."""
    modules = dict(program.modules)
    for edit in edits:
        if not isinstance(edit.value, Graph):
            raise _broken(f"module {edit.module!r} is not a graph")
        if isinstance(edit, Remove) and modules.pop(edit.module, None) != edit.value:
            raise _misfit(f"module {edit.module!r} is not as the script expects")
    return modules


def _edit_module(graph: Graph, edits: Sequence[Edit], keys: Mapping[str, str]) -> Graph:
    """One module after its edits; all modules pass, since their uses may be called anew."""
    if not edits and not keys:
        return graph
    removed = {
        _position(edit.node, graph): edit.value for edit in edits if isinstance(edit, Remove)
    }
    for i, value in removed.items():
        if graph.nodes[i] != value:
            raise _misfit(f"node {i} of {graph.definition} is not as the script expects")
    places = _places(graph, edits, removed)
    own = _by_node(edits)
    nodes: dict[int, Node] = {
        j: _edit_node(graph.nodes[i], own.get(i, ()), keys, places) for i, j in places.items()
    }
    for edit in edits:
        if isinstance(edit, Insert) and edit.node is not None and isinstance(edit.value, Node):
            nodes[edit.node] = edit.value
    whole = own.get(None, ())
    updates = [edit for edit in whole if isinstance(edit, Update) and edit.field != "key"]
    outputs = _rewired(graph.outputs, whole, places)
    edited = replace(
        _set(graph, updates, MODULE_FIELDS),
        nodes=tuple(nodes[j] for j in range(len(nodes))),
        outputs=outputs,
    )
    return _checked(edited)


def _by_node(edits: Sequence[Edit]) -> dict[int | None, list[Update | Rewire]]:
    """What happens to each node that stays, and (None) to the module as a whole."""
    found: dict[int | None, list[Update | Rewire]] = {}
    for edit in edits:
        if isinstance(edit, Update | Rewire):
            found.setdefault(edit.node, []).append(edit)
    return found


def _places(graph: Graph, edits: Sequence[Edit], removed: Mapping[int, object]) -> dict[int, int]:
    """Where the nodes that stay stand in the result: what is free, in their old order."""
    inserted = [edit.node for edit in edits if isinstance(edit, Insert)]
    moved = {_position(edit.node, graph): edit.to for edit in edits if isinstance(edit, Move)}
    fixed = {*inserted, *moved.values()}
    total = len(graph.nodes) - len(removed) + len(inserted)
    if len(fixed) < len(inserted) + len(moved) or not fixed <= set(range(total)):
        raise _broken(f"two nodes of {graph.definition} at one position, or one beyond the end")
    stay = [i for i in range(len(graph.nodes)) if i not in removed and i not in moved]
    free = [j for j in range(total) if j not in fixed]
    if len(stay) != len(free):
        raise _broken(f"a node of {graph.definition} is both moved and removed")
    return {**dict(zip(stay, free, strict=True)), **moved}


def _edit_node(
    node: Node,
    edits: Sequence[Update | Rewire],
    keys: Mapping[str, str],
    places: Mapping[int, int],
) -> Node:
    args = _rewired(node.args, edits, places)
    updates = [edit for edit in edits if isinstance(edit, Update)]
    known = _set(node, updates, ("kind", *NODE_FIELDS))
    kind: Kind = known.kind if known.kind != node.kind else translate(node.kind, keys)
    return replace(known, kind=kind, args=args)


def _rewired(
    args: tuple[int, ...], edits: Sequence[Update | Rewire], places: Mapping[int, int]
) -> tuple[int, ...]:
    """Arguments at their new positions."""
    for edit in edits:
        if isinstance(edit, Rewire):
            if edit.before != args:
                raise _misfit("a node has other inputs than the script expects")
            return edit.after
    if any(arg not in places for arg in args):
        raise _broken("a node keeps an input that is removed")
    return tuple(places[arg] for arg in args)


def _set(record: Record, updates: Sequence[Update], allowed: tuple[str, ...]) -> Record:
    """A record with fields replaced, if they hold what the script expects."""
    changes: dict[str, object] = {}
    for update in updates:
        if update.field not in allowed:
            raise _broken(f"{type(record).__name__.lower()}s have no field {update.field!r}")
        if getattr(record, update.field) != update.before:
            raise _misfit(f"{update.field} is not as the script expects")
        changes[update.field] = update.after
    values = {field.name: getattr(record, field.name) for field in fields(record)}
    return type(record)(**{**values, **changes})


def _position(node: int | None, graph: Graph) -> int:
    if node is None or not 0 <= node < len(graph.nodes):
        raise _misfit(f"{graph.definition} has no node {node}")
    return node


def _checked(graph: Graph) -> Graph:
    """The graph, if every argument and result is there and stands before its use."""
    for i, node in enumerate(graph.nodes):
        if not all(0 <= arg < i for arg in node.args):
            raise _broken(f"node {i} of {graph.definition} takes an input that comes later")
    if not all(0 <= i < len(graph.nodes) for i in graph.outputs):
        raise _broken(f"{graph.definition} returns a node that is not there")
    return graph


def _ordered(modules: Mapping[str, Graph], root: str) -> dict[str, Graph]:
    """Modules parts before the whole, in the order of first use; cycles and gaps are refused.

    Nothing recurses: a script may nest modules as deeply as it likes.
    """
    result: dict[str, Graph] = {}
    open_: dict[str, None] = {}
    stack = [root]
    while stack:
        key = stack[-1]
        if key in result:
            stack.pop()
            continue
        if key not in modules:
            raise _broken(f"no module {key!r}")
        open_[key] = None
        waiting = [use for use in _uses(modules[key]) if use not in result]
        if any(use in open_ for use in waiting):
            raise _broken(f"module {key!r} uses itself")
        stack += reversed(waiting)
        if not waiting:
            open_.pop(key)
            result[key] = modules[stack.pop()]
    if len(result) < len(modules):
        raise _broken("a module that nothing uses")
    return result


def _uses(graph: Graph) -> list[str]:
    found = (node.kind.module for node in graph.nodes if isinstance(node.kind, Invoke))
    return list(dict.fromkeys(found))


def _misfit(message: str) -> ArchError:
    return fault(
        "E0740",
        f"the edits are not for this architecture: {message}",
        hint="apply them to the one that `archdsl diff` was given first",
    )


def _broken(message: str) -> ArchError:
    return fault("E0741", f"the edits do not give an architecture: {message}")
