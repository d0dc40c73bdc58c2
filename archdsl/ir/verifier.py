"""What must hold of every program, whoever made it: checked after elaboration and each pass.

A finding here is an error of the compiler, never of the text; it names the stage that broke
the program, the graph and the node.
"""

from __future__ import annotations

from collections.abc import Iterator

from archdsl.ir.cases import ends
from archdsl.ir.formula import Formula, atoms
from archdsl.ir.graph import Apply, Choose, FrameKind, Graph, Invoke, Item, Node, Program
from archdsl.ir.scan import scan_types
from archdsl.ir.types import TensorType
from archdsl.ops.base import OperationError
from archdsl.syntax.errors import fault

Types = tuple[TensorType, ...]


def verify_program(program: Program, stage: str = "elaborate") -> Program:
    """The program itself, or E0910 with everything that is wrong with it.

    `stage` is who made the program: `elaborate`, `resolve` or the name of a pass.
    """
    findings = list(_findings(program))
    if findings:
        shown = "; ".join(findings[:5])
        raise fault(
            "E0910",
            f"{stage} left a broken program: {shown}",
            found=f"{len(findings)} findings",
            hint="this is a mistake in the compiler, not in the text",
        )
    return program


def _findings(program: Program) -> Iterator[str]:
    if program.root not in program.modules:
        yield f"no graph for the net {program.root!r}"
        return
    seen: set[str] = set()
    for key, graph in program.modules.items():
        for finding in _graph(graph, program, seen):
            yield f"{key}: {finding}"
        seen.add(key)


def _graph(graph: Graph, program: Program, earlier: set[str]) -> Iterator[str]:
    holes = {hole.name for hole in graph.holes}
    if len(holes) != len(graph.holes):
        yield "two holes share a name"
    for position, node in enumerate(graph.nodes):
        if any(not 0 <= argument < position for argument in node.args):
            yield f"%{position} takes a value that is not before it"
            continue
        for finding in _node(node, graph, program, earlier, holes):
            yield f"%{position}: {finding}"
    if not graph.outputs or any(not 0 <= output < len(graph.nodes) for output in graph.outputs):
        yield "an output is no node"
    elif any(len(graph.nodes[output].types) != 1 for output in graph.outputs):
        yield "an output has several values"
    yield from _paths(graph)


def _node(
    node: Node, graph: Graph, program: Program, earlier: set[str], holes: set[str]
) -> Iterator[str]:
    for formula in _formulas(node):
        if any(atom.hole not in holes for atom in atoms(formula)):
            yield "a formula names a hole that the module has not"
    if isinstance(node.kind, Item):
        yield from _item(node, graph, node.kind.index)
        return
    arguments = [graph.nodes[argument] for argument in node.args]
    if any(len(argument.types) != 1 for argument in arguments):
        yield "takes several values as one"
        return
    inputs = tuple(argument.type for argument in arguments)
    match node.kind:
        case Apply():
            yield from _sizes(node) if node.sizes else _apply(node, node.kind, inputs)
        case Invoke(module) if module not in earlier:
            yield f"uses {module!r}, which is not before it"
        case Invoke(module, steps):
            yield from _invoke(node, program.modules[module], inputs, steps)
        case Choose(hole):
            yield from _choose(node, hole in holes, inputs if node.sizes is None else node.types)
        case _:
            if node.args or len(node.types) != 1:
                yield "an input takes nothing and is one value"


def _sizes(node: Node) -> Iterator[str]:
    """Every size of an operation has the types that its own rule gives."""
    if not node.path:
        yield "an operation has no path"
    for size in ends(node.sizes.variants) if node.sizes else ():
        if size.operation is None:
            yield "a size without an operation"
            continue
        try:
            result = size.operation.infer(size.inputs)
        except OperationError as problem:
            yield f"{size.operation.keyword}: {problem}"
            continue
        types = (result,) if isinstance(result, TensorType) else result
        if types != size.types:
            yield f"{size.operation.keyword} gives {_show(types)}, not {_show(size.types)}"


def _choose(node: Node, known: bool, inputs: Types) -> Iterator[str]:
    if not known:
        yield "chooses by a hole that the module has not"
    if not inputs or any(type_ != node.types[0] for type_ in inputs):
        yield "alternatives differ in type"


def _formulas(node: Node) -> tuple[Formula, ...]:
    when = node.kind.when if isinstance(node.kind, Apply) else ()
    return (node.under, *when)


def _item(node: Node, graph: Graph, index: int) -> Iterator[str]:
    if len(node.args) != 1:
        yield "an item is of one value"
        return
    types = graph.nodes[node.args[0]].types
    if not 0 <= index < len(types):
        yield f"item {index} of {len(types)}"
    elif node.types != (types[index],):
        yield "an item has another type than its value"


def _apply(node: Node, kind: Apply, inputs: Types) -> Iterator[str]:
    operation = kind.operation
    if not node.path:
        yield f"{operation.keyword} has no path"
    if operation.arity is not None and operation.arity != len(inputs):
        yield f"{operation.keyword} takes {operation.arity} values, not {len(inputs)}"
        return
    if kind.when and len(kind.when) != len(inputs):
        yield "as many formulas as arguments are needed"
    try:
        types = operation.results(inputs)
    except OperationError as problem:
        yield f"{operation.keyword}: {problem}"
        return
    if types != node.types:
        yield f"{operation.keyword} gives {_show(types)}, the node says {_show(node.types)}"


def _invoke(node: Node, used: Graph, inputs: Types, steps: int) -> Iterator[str]:
    if not node.path:
        yield f"{used.definition} has no path"
    expected = tuple(used.nodes[i].type for i in used.inputs)
    given, results = inputs, used.result_types
    if steps:
        states = len(expected) - 1
        if given[:1] != (TensorType((steps, *expected[0].shape)),):
            yield f"{used.definition} goes over {steps} elements of {expected[0]}"
        given, results = (expected[0], *given[1:]), scan_types(steps, states, results)
    if given != expected:
        yield f"{used.definition} takes {_show(expected)}, given {_show(inputs)}"
    if results != node.types:
        yield f"{used.definition} gives {_show(results)}, not {_show(node.types)}"


def _paths(graph: Graph) -> Iterator[str]:
    """No path leads through another, and frames hold something."""
    paths = {node.path for node in graph.nodes if node.path}
    for path in sorted(paths):
        if any(path[:depth] in paths for depth in range(1, len(path))):
            yield f"the path {'.'.join(path)} leads through an operation"
    below: dict[tuple[str, ...], set[str]] = {}
    for path in paths:
        for depth in range(1, len(path)):
            below.setdefault(path[:depth], set()).add(path[depth])
    for prefix, frame in graph.frames.items():
        inside = below.get(prefix)
        if not inside:
            yield f"nothing is in the frame {'.'.join(prefix)}"
        elif frame.kind is FrameKind.SEQUENCE and not all(name.isdigit() for name in inside):
            yield f"the sequence {'.'.join(prefix)} has a member without a number"


def _show(types: Types) -> str:
    return ", ".join(map(str, types)) or "nothing"
