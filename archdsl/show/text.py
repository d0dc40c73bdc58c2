"""A program as a table: what each operation gives and costs, module by module."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from archdsl.ir.cost import cost
from archdsl.ir.graph import Apply, Graph, Input, Invoke, Node, Path, Program
from archdsl.ir.scopes import group_name
from archdsl.ir.types import Cost
from archdsl.show.view import described, printable

HEADINGS = ("value", "operation", "inputs", "output", "parameters", "MACs")
UNITS = ((10**9, "G"), (10**6, "M"), (10**3, "k"))


def as_text(program: Program, module: str | None = None) -> str:
    """The tables of all modules, parts before the whole, or of one by its name in the text."""
    prices = {key: cost(replace(program, root=key)) for key in program.modules}
    lines = [] if module else [program.genotype, figures(prices[program.root]), ""]
    for key, graph in program.modules.items():
        if module is None or module in (key, graph.definition, group_name(graph)):
            lines += [*_module(program, key, prices), ""]
    return "\n".join(printable(line).rstrip() for line in lines).rstrip("\n") + "\n"


def figures(price: Cost) -> str:
    """`16,238,062 parameters · 419.6 M MACs · 19.7 MB activations`."""
    return (
        f"{price.params:,} parameters · {quantity(price.macs)} MACs"
        f" · {quantity(price.activation_bytes)}B activations"
    )


def quantity(value: int) -> str:
    """`419.6 M`."""
    for unit, letter in UNITS:
        if value >= unit:
            return f"{value / unit:.1f} {letter}"
    return f"{value} "


def _module(program: Program, key: str, prices: dict[str, Cost]) -> Iterator[str]:
    graph, price = program.modules[key], prices[key]
    sizes = ", ".join(str(graph.nodes[i].type) for i in graph.inputs)
    yield f"{graph.kind.value} {group_name(graph)} ({sizes})"
    names = _names(graph)
    rows = [HEADINGS]
    seen: set[Path] = set()
    for i, node in enumerate(graph.nodes):
        if not isinstance(node.kind, Input):
            rows.append(_row(program, graph, i, names, prices, seen))
    returned = ", ".join(names[i] for i in graph.outputs)
    rows.append(("", "total", returned, "", f"{price.params:,}", f"{price.macs:,}"))
    yield from _aligned(rows)


def _row(
    program: Program,
    graph: Graph,
    i: int,
    names: Sequence[str],
    prices: dict[str, Cost],
    seen: set[Path],
) -> tuple[str, str, str, str, str, str]:
    node = graph.nodes[i]
    title, _ = described(program, graph, node)
    params, macs = _price(graph, node, prices)
    shared = bool(node.path) and node.path in seen
    seen.add(node.path)
    inputs = ", ".join(names[arg] for arg in node.args)
    output = ", ".join(str(type_) for type_ in node.types)
    owned = "shared" if shared and params else f"{params:,}" if params else ""
    return names[i], title, inputs, output, owned, f"{macs:,}" if macs else ""


def _price(graph: Graph, node: Node, prices: dict[str, Cost]) -> tuple[int, int]:
    match node.kind:
        case Apply(operation):
            inputs = tuple(graph.nodes[arg].type for arg in node.args)
            owned = operation.weights(inputs)
            return sum(w.elements for w in owned if not w.buffer), operation.macs(inputs)
        case Invoke(module, steps):
            return prices[module].params, prices[module].macs * (steps or 1)
        case _:
            return 0, 0


def _names(graph: Graph) -> list[str]:
    """What a reader calls each value: its own name, else where its weights live."""
    names = []
    for i, node in enumerate(graph.nodes):
        own = node.kind.name if isinstance(node.kind, Input) else node.label
        names.append(own or ".".join(node.path) or f"%{i}")
    return names


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    for number, row in enumerate(rows):
        cells = [cell.ljust(width) for cell, width in zip(row[:4], widths, strict=False)]
        cells += [cell.rjust(width) for cell, width in zip(row[4:], widths[4:], strict=True)]
        yield "  " + "  ".join(cells)
        if number in (0, len(rows) - 2):
            yield "  " + "  ".join("-" * width for width in widths)
