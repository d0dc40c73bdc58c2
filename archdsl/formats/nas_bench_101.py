"""NAS-Bench-101's cells: a matrix of edges and the operations of its vertices.

    ([[0, 1, 0], [0, 0, 1], [0, 0, 0]], ['input', 'conv3x3-bn-relu', 'output'])
    ModelSpec(matrix=[[0, 1, 0], [0, 0, 1], [0, 0, 0]], ops=['input', 'conv3x3-bn-relu', 'output'])

Every vertex but the input takes something here: a vertex without, which the benchmark prunes, is
refused. Ours names the first source of a vertex, then the others.

Ying et al., "NAS-Bench-101: Towards Reproducible Neural Architecture Search", section 2.1.
"""

from __future__ import annotations

from archdsl.formats.base import Ours, sized
from archdsl.formats.literal import Checked, Fields, Items, Scalar, Value, read_python

CELL = "module"
VERTICES = 7
"""What the space has where the string does not say otherwise."""
OPERATIONS = {
    "conv3x3-bn-relu": "conv3x3",
    "conv1x1-bn-relu": "conv1x1",
    "maxpool3x3": "maxpool3x3",
}
INPUT, OUTPUT = "input", "output"
SPEC = "ModelSpec"


def read(text: str, space: str) -> str:
    """Our string for a matrix and operations.

    Raises:
        ArchError: E0640 where it is none, E0641 for an unknown operation, E0642 for an edge back
            or a vertex that takes nothing.
    """
    check = Checked("a matrix of edges and a list of operations")
    rows, names = _parts(check, read_python(text, "<nb101>", check.what))
    operations = check.items(names)
    count = len(operations)
    if not 2 <= count <= VERTICES:
        check.refuse(names, f"2 to {VERTICES} operations")
    matrix = [check.items(row, count) for row in check.items(rows, count)]
    taken = [[check.integer(cell, 0, 1) for cell in row] for row in matrix]
    entries = []
    for vertex in range(count):
        for source in range(vertex, count):
            if taken[source][vertex]:
                check.refuse(matrix[source][vertex], "edges to later vertices", code="E0642")
        sources = [source for source in range(vertex) if taken[source][vertex]]
        wanted = INPUT if vertex == 0 else OUTPUT if vertex == count - 1 else ""
        name = check.text(operations[vertex], *([wanted] if wanted else OPERATIONS))
        if vertex == 0:
            continue
        if not sources:
            check.refuse(operations[vertex], f"an edge to vertex {vertex}", code="E0642")
        first, *others = sources
        word = "" if wanted else f" {OPERATIONS[name]}"
        entries.append(f"{first}({'+'.join(map(str, others)) or '-'}){word}")
    return f"{sized(space, 'vertices', count, VERTICES)}/{CELL}[{'; '.join(entries)}]"


def _parts(check: Checked, value: Value) -> list[Value]:
    """The matrix and the operations: a pair, or the arguments of the benchmark's ModelSpec."""
    if isinstance(value, Fields) and value.name in (SPEC, ""):
        return check.fields(value, "matrix", "ops", name=value.name)
    if isinstance(value, Items) and value.items and all(map(_row, value.items)):
        check.refuse(value, "the operations of its vertices as well", found="a matrix alone")
    return check.items(value, 2, "a matrix and a list of operations")


def _row(value: Value) -> bool:
    """Whether a value is a list of numbers, as the rows of a matrix are."""
    return isinstance(value, Items) and all(
        isinstance(item, Scalar) and isinstance(item.value, int) for item in value.items
    )


def write(ours: Ours) -> str:
    """The matrix and the operations for one of ours."""
    entries = ours.entries(CELL)
    count = len(entries) + 1
    matrix = [[0] * count for _ in range(count)]
    names = {word: name for name, word in OPERATIONS.items()}
    operations = [INPUT]
    for vertex, (source, *operation) in enumerate(entries, 1):
        first = ours.one(source)
        others = [pick.label for picks in first.inner for pick in picks.picks]
        for label in (first.label, *others):
            matrix[int(label)][vertex] = 1
        operations.append(names[ours.one(operation[0]).label] if operation else OUTPUT)
    return str((matrix, operations))
