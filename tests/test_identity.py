"""Identity: what it merges, what it keeps apart, and the classes of NAS-Bench-201."""

from __future__ import annotations

import itertools
import random
import time
from dataclasses import replace

import pytest

from archdsl.ir.elaborate import elaborate
from archdsl.ir.graph import Graph, Item, Node, Path, Program
from archdsl.passes.canonical import Vertex, certificate
from archdsl.passes.driver import PIPELINE, Pass, optimise
from archdsl.passes.identity import identity
from archdsl.space.architecture import Architecture
from archdsl.syntax.parse import parse
from tests.shipped import shipped, written


def network(body: str) -> Program:
    return elaborate(parse(f"archdsl 1\nspace example {{ {body} }}", "test").spaces[0])


def one(expression: str, definitions: str = "") -> str:
    return identity(network(f"{definitions} net network(x: 4 x 8 x 8) = {expression}"))


# Pairs of expressions on x, a map of 4 channels.
SAME = (
    ("x -> id -> conv(4)", "x -> conv(4)"),
    ("(x -> relu) + (x -> pool)", "(x -> pool) + (x -> relu)"),
    ("((x -> relu) + (x -> pool)) + x", "x + ((x -> pool) + (x -> relu))"),
    ("(x -> relu) + (x -> none)", "x -> relu"),
    ("(x -> none -> avg_pool(3) -> relu) + x", "x"),
    ("mean(x -> relu, x -> pool)", "mean(x -> pool, x -> relu)"),
    ("mean(x + (x -> relu), x -> pool)", "mean(x, (x -> relu) + (x -> pool))"),
    ("x -> conv(4)@a -> relu -> conv(4)@a", "x -> conv(4)@b -> relu -> conv(4)@b"),
    ("x -> conv(4, k=3)", "x -> conv(4, k=3, p=1)"),
    ("x -> dwconv(3)", "x -> conv(4, k=3, groups=4)"),
    ("(x -> conv(4)@a -> relu) + (x -> conv(4)@a)", "(x -> conv(4)@b) + (x -> conv(4)@b -> relu)"),
    ("(x -> relu) * (x -> pool)", "(x -> pool) * (x -> relu)"),
    ("(x -> conv(4)) * (x -> none) + x", "x"),
)
DIFFERENT = (
    ("x -> conv(4)", "x -> conv(4, k=3)"),
    ("(x -> conv(4)) + (x -> conv(4))", "x -> conv(4)"),
    ("x -> conv(4) -> relu -> conv(4)", "x -> conv(4)@a -> relu -> conv(4)@a"),
    ("(x -> conv(4)@a) + (x -> relu -> conv(4)@a)", "(x -> conv(4)) + (x -> relu -> conv(4))"),
    ("mean(x, x -> relu, x -> none)", "mean(x, x -> relu)"),
    ("(x -> relu) + (x -> relu)", "x -> relu"),
    ("(x -> none -> bn) + x", "x"),
    ("(x -> none -> conv(4)) + x", "(x -> none -> conv(4, k=3)) + x"),
    ("x -> relu -> pool", "x -> pool -> relu"),
    ("concat(x -> relu, x)", "concat(x, x -> relu)"),
    ("x -> bn", "x -> bn(momentum=0.2)"),
    ("x -> max_pool(3)", "x -> avg_pool(3)"),
    ("x -> avg_pool(3)", "x -> avg_pool(3, count_pad=yes)"),
)


@pytest.mark.parametrize(("first", "second"), SAME)
def test_same(first: str, second: str) -> None:
    assert one(first) == one(second)


@pytest.mark.parametrize(("first", "second"), DIFFERENT)
def test_different(first: str, second: str) -> None:
    assert one(first) != one(second)


def test_sharing_a_value_differs_from_computing_it_twice() -> None:
    shared = network("net network(x: 4 x 8 x 8) { a = x -> conv(4) return (a -> relu) + a }")
    twice = network("net network(x: 4 x 8 x 8) = (x -> conv(4) -> relu) + (x -> conv(4))")
    assert identity(shared) != identity(twice)


def test_cells_are_seen_through_where_they_do_nothing() -> None:
    same = "cell same(x) = x -> id"
    nothing = "cell nothing(x) = x -> conv(4) -> none"
    assert one("x -> same -> relu", same) == one("x -> relu")
    assert one("(x -> nothing) + (x -> relu)", nothing) == one("x -> relu")


def test_cells_are_named_by_what_they_are() -> None:
    first = "cell a(x) = (x -> relu) + (x -> conv(4))"
    second = "cell b(y) = (y -> conv(4)) + (y -> id -> relu)"
    assert one("x -> a -> a", first) == one("x -> b -> b", second)
    assert one("x -> a@w -> a@w", first) != one("x -> a -> a", first)
    assert one("x -> a@w -> a@w", first) == one("x -> b@v -> b@v", second)


def test_an_input_that_a_cell_ignores_keeps_nothing_alive() -> None:
    first = "cell f(x, y) { z = y -> conv(4) return x -> relu }"
    body = "net network(x: 4 x 8 x 8) = f({0}, {1})"
    assert identity(network(f"{first} {body.format('x', 'x -> conv(4)')}")) == identity(
        network(f"{first} {body.format('x', 'x')}")
    )


def test_a_space_has_no_identity() -> None:
    with pytest.raises(ValueError, match="a space has no identity"):
        identity(shipped("nas_bench_201", cells=1, width=4).program)


def shuffled(program: Program, rng: random.Random) -> Program:
    """The same program with other names of weights, orders of nodes and orders of sums."""
    modules = {key: _shuffled(graph, rng) for key, graph in program.modules.items()}
    return replace(program, modules=modules)


def _shuffled(graph: Graph, rng: random.Random) -> Graph:
    names: dict[Path, Path] = {}
    for node in graph.nodes:
        if node.path:
            names.setdefault(node.path, (f"w{rng.randrange(10**9)}",))
    inputs = list(graph.inputs)
    order, rest = inputs, [i for i in range(len(graph.nodes)) if i not in inputs]
    while rest:
        ready = [i for i in rest if all(a in order for a in graph.nodes[i].args)]
        chosen = rng.choice(ready)
        order.append(chosen)
        rest.remove(chosen)
    number = {old: new for new, old in enumerate(order)}
    nodes: list[Node] = []
    for old in order:
        node = graph.nodes[old]
        args = [number[a] for a in node.args]
        commutes = not isinstance(node.kind, Item) and node.path[-1:] and "sum" in node.path[-1]
        if commutes:
            rng.shuffle(args)
        nodes.append(replace(node, args=tuple(args), path=names.get(node.path, ())))
    outputs = tuple(number[o] for o in graph.outputs)
    return replace(graph, nodes=tuple(nodes), outputs=outputs, frames={})


@pytest.mark.parametrize("name", ["nas_bench_201", "metaformer_nas"])
def test_identity_survives_renaming_and_reordering(name: str) -> None:
    rng = random.Random(3)
    space = shipped(name)
    for _ in range(15):
        program = space.resolve(space.sample(rng))
        assert identity(shuffled(program, rng)) == identity(program)


def test_optimised_without_fusion_keeps_identity() -> None:
    """Prune and dedupe are laws of identity too, where zero meets no weights."""
    space = shipped("metaformer_nas", nodes=5)
    rng = random.Random(8)
    for _ in range(10):
        program = space.resolve(space.sample(rng))
        pruned = optimise(program, passes=passes("prune", "dedupe")).program
        assert identity(pruned) == identity(program)


def passes(*names: str) -> tuple[Pass, ...]:
    return tuple(step for step in PIPELINE if step.name in names)


# ---- canonical labelling -------------------------------------------------------------------------


PARTS = "op a = conv(4, k=3) op b = conv(4)"


def test_parts_of_a_value_are_ordered_by_the_shared_values_they_take() -> None:
    """Two branches that look alike until it is seen which of them reads what is read elsewhere."""
    forms = [
        f"""{PARTS} net network(x: 4 x 8 x 8) {{
            u = x -> a
            v = x -> a
            return (u -> b) + (v -> b) + {shared}
        }}"""
        for shared in ("u", "v")
    ]
    assert identity(network(forms[0])) == identity(network(forms[1]))


def test_symmetric_graphs_are_labelled_fast() -> None:
    """Ten equal branches have ten factorial orders; automorphisms cut all but one."""
    started = time.perf_counter()
    branches = [Vertex(2, (0,)) for _ in range(10)]
    total = Vertex(3, tuple(range(1, 11)), ordered=False)
    assert certificate([Vertex(1), *branches, total], [11])
    assert time.perf_counter() - started < 20


def test_many_equal_branches_of_several_steps_take_no_minutes() -> None:
    """Automorphisms found deep in the search count above as well: a minute without that."""
    started = time.perf_counter()
    vertices = [Vertex(1)]
    for _ in range(40):
        vertices += [Vertex(2, (0,)), Vertex(4, (len(vertices),)), Vertex(2, (len(vertices) + 1,))]
    ends = tuple(range(3, len(vertices), 3))
    assert certificate([*vertices, Vertex(3, ends, ordered=False)], [len(vertices)])
    assert time.perf_counter() - started < 30  # below 1 s on an idle machine


def test_ties_are_found_among_symmetric_branches() -> None:
    """Four branches of two steps: which steps share weights is the only difference."""

    def graph(ties: tuple[int, ...]) -> object:
        vertices = [Vertex(1)]
        for branch in range(4):
            vertices.append(Vertex(2, (0,), tie=ties[2 * branch]))
            vertices.append(Vertex(2, (len(vertices) - 1,), tie=ties[2 * branch + 1]))
        vertices.append(Vertex(3, (2, 4, 6, 8), ordered=False))
        return certificate(vertices, [9])

    crossed, straight = (0, 1, 1, 0, 2, 3, 3, 2), (0, 1, 0, 1, 2, 3, 2, 3)
    renamed = (7, 4, 9, 5, 4, 7, 5, 9)
    assert graph(crossed) == graph(renamed)
    assert graph(crossed) != graph(straight)
    ring = (0, 1, 1, 2, 2, 3, 3, 0)
    assert graph(ring) != graph(crossed)


# ---- NAS-Bench-201 -------------------------------------------------------------------------------

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
CELLS = list(itertools.product(OPERATIONS, repeat=6))


def as_tree(
    cell: tuple[str, ...], *, flat: bool = False, no_zeros: bool = False, bias: bool = False
) -> str:
    """A cell as an expression, its terms sorted: equal strings are one architecture.

    Without options this is the benchmark's own rule (`Structure.to_unique_str` of its code,
    zeros considered; '#' is zero). `flat`: a sum in a sum is one sum. `no_zeros`: a + 0 is a.
    `bias`: ReLU, convolution and batch norm of zero are not zero.
    """
    nodes: list[list[str]] = [["0"]]
    edges = iter(cell)
    for node in (1, 2, 3):
        terms: list[str] = []
        for source in nodes[:node]:
            operation = next(edges)
            value = "+".join(source) or "#"
            if operation == "none" or (value == "#" and not (bias and "conv" in operation)):
                terms.append("#")
            elif operation == "skip_connect":
                terms += source if flat else [value]
            else:
                terms.append(f"({value})@{operation}")
        nodes.append(sorted(term for term in terms if term != "#" or not no_zeros))
    return "+".join(nodes[3])


CELL = """archdsl 1
space cell_alone {
  op relu_conv_bn(k) = relu -> conv(4, k=k, bias=no) -> bn
  cell infer(x) {
    n[0] = x
    for i in 1..3 {
      n[i] = sum(n[j] -> {
          none | skip_connect = id | nor_conv_1x1 = relu_conv_bn(1)
        | nor_conv_3x3 = relu_conv_bn(3) | avg_pool_3x3 = avg_pool(3)
      } for j in 0..i-1)
    }
    return n[3]
  }
  net network(image: 4 x 4 x 4) = image -> infer
}
"""


def taken(architecture: Architecture) -> tuple[str, ...]:
    return tuple(OPERATIONS[choice[0]] for choice in architecture.choices if choice)


@pytest.fixture(scope="module")
def identities() -> dict[tuple[str, ...], str]:
    """The identity of every cell of the benchmark."""
    space = written(CELL)
    found = {}
    for number in range(space.size):
        architecture = space.unrank(number)
        found[taken(architecture)] = identity(space.resolve(architecture))
    return found


def test_nas_bench_201_has_5875_classes(identities: dict[tuple[str, ...], str]) -> None:
    assert set(identities) == set(CELLS)
    assert len(set(identities.values())) == 5875


def test_networks_are_equal_where_their_cells_are(identities: dict[tuple[str, ...], str]) -> None:
    space, rng = shipped("nas_bench_201", cells=2), random.Random(4)
    network_of: dict[str, str] = {}
    for _ in range(400):
        architecture = space.sample(rng)
        name = identity(space.resolve(architecture))
        assert network_of.setdefault(identities[taken(architecture)], name) == name
    assert len(set(network_of.values())) == len(network_of)


def test_identity_of_a_cell_takes_a_millisecond() -> None:
    space, rng = written(CELL), random.Random(6)
    programs = [space.resolve(space.sample(rng)) for _ in range(300)]
    started = time.process_time()
    for program in programs:
        identity(program)
    assert (time.process_time() - started) / len(programs) < 1e-2  # below 1e-3 s on an idle machine


def test_why_the_benchmark_counts_6466(identities: dict[tuple[str, ...], str]) -> None:
    """Step by step from the benchmark's rule to ours.

    It splits what is equal: a + 0 is not a, and a sum inside a sum is not that of all terms.
    It merges what differs: ReLU, convolution and batch norm of zero count as zero, though the
    norm's bias remains; and since its expressions are trees, a value read twice is the same as
    two values computed alike, each with weights of its own.
    """
    assert len({as_tree(cell) for cell in CELLS}) == 6466
    assert len({as_tree(cell, flat=True, no_zeros=True) for cell in CELLS}) == 4930
    trees = {cell: as_tree(cell, flat=True, no_zeros=True, bias=True) for cell in CELLS}
    assert len(set(trees.values())) == 5545
    # What is left is sharing: equal identity implies equal trees, and not the other way.
    tree_of: dict[str, str] = {}
    for cell in CELLS:
        assert tree_of.setdefault(identities[cell], trees[cell]) == trees[cell]
    assert len(tree_of) == 5875


def cell(text: str) -> tuple[str, ...]:
    """Edges in the order 0-1, 0-2 1-2, 0-3 1-3 2-3, a letter each."""
    letters = {"-": "none", "s": "skip_connect", "1": "nor_conv_1x1", "3": "nor_conv_3x3"}
    return tuple(letters.get(letter, "avg_pool_3x3") for letter in text if letter != " ")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("3 -- -s-", "- 3- --s"),  # 3x3(x) by way of node 1 or of node 2
        ("3 -- ss-", "3 s- -ss"),  # 3x3(x) + x, with node 2 read by nobody or a part of it
    ],
)
def test_split_by_the_benchmark(
    identities: dict[tuple[str, ...], str], first: str, second: str
) -> None:
    assert identities[cell(first)] == identities[cell(second)]


def test_merged_by_the_benchmark(identities: dict[tuple[str, ...], str]) -> None:
    once, twice = cell("3 -s -p1"), cell("3 3- -p1")
    assert as_tree(once) == as_tree(twice)
    assert identities[once] != identities[twice]
