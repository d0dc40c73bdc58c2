"""The latencies of all operations of a space, measured: what `archdsl tune --operations` writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch

from archdsl.evaluate.latency import row_of
from archdsl.evaluate.timing import seconds
from archdsl.ir.cases import ends
from archdsl.ir.graph import Apply, Graph, Input, Item, Node, Program
from archdsl.load import batch_of, load_network
from archdsl.ops.base import Operation, Types
from archdsl.ops.constants import Identity
from archdsl.run.progress import Advance
from archdsl.syntax.tree import ModuleKind


def operations(program: Program) -> Mapping[str, tuple[Operation, Types]]:
    """All operations of a space with what they take, each once, by their rows."""
    found: dict[str, tuple[Operation, Types]] = {}
    for graph in program.modules.values():
        for node in graph.nodes:
            for operation, inputs in _forms(graph, node):
                if not isinstance(operation, Identity):
                    found.setdefault(row_of(operation, inputs), (operation, inputs))
    return found


def _forms(graph: Graph, node: Node) -> Iterator[tuple[Operation, Types]]:
    """What an operation may be: in all its sizes, a join of any number of what it joins."""
    if not isinstance(node.kind, Apply):
        return
    operation = node.kind.operation
    if node.sizes is not None:
        for variant in ends(node.sizes.variants):
            yield variant.operation or operation, variant.inputs
        return
    inputs = graph.types_in(node)
    if node.kind.when and len(set(inputs)) == 1:
        for count in range(1, len(inputs)):
            yield operation, inputs[:count]
    yield operation, inputs


def latencies(
    program: Program, *, batch: int = 1, device: torch.device, advance: Advance
) -> dict[str, float]:
    """Milliseconds of every operation of a space, forward, on `batch` inputs: rows of a table.

    `advance` is told how many are measured.
    """
    found: dict[str, float] = {}
    with torch.inference_mode():
        for number, (name, (operation, inputs)) in enumerate(operations(program).items(), 1):
            one = alone(operation, inputs)
            given = batch_of(one, batch, torch.Generator().manual_seed(0))
            network = load_network(one).eval().to(device)
            moved = tuple(tensor.to(device) for tensor in given)
            found[name] = 1e3 * seconds(lambda: network(*moved), device)  # noqa: B023
            advance(number)
    return found


def alone(operation: Operation, inputs: Types) -> Program:
    """A network of one operation."""
    nodes = [
        Node(kind=Input(f"x{i}"), types=(type_,), label=f"x{i}") for i, type_ in enumerate(inputs)
    ]
    place, results = len(nodes), operation.results(inputs)
    nodes.append(
        Node(
            kind=Apply(operation),
            args=tuple(range(place)),
            types=results,
            path=(operation.keyword,),
        )
    )
    outputs = [place]
    if len(results) > 1:
        nodes += [
            Node(kind=Item(i), args=(place,), types=(type_,)) for i, type_ in enumerate(results)
        ]
        outputs = list(range(place + 1, len(nodes)))
    graph = Graph(
        definition="network", kind=ModuleKind.NET, nodes=tuple(nodes), outputs=tuple(outputs)
    )
    return Program(
        space="alone",
        title="alone",
        parameters={},
        changed={},
        modules={"network": graph},
        root="network",
        text="",
        hash="",
        genotype="alone",
    )
