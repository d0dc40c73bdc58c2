"""Diffs: applied they give the other program, read they say what a person would say."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from archdsl.diff import (
    Diff,
    Insert,
    Move,
    Remove,
    Rewire,
    Update,
    apply,
    as_json,
    as_text,
    from_json,
)
from archdsl.diff import diff as compare
from archdsl.diff.text import as_line
from archdsl.ir.graph import Apply, Graph, Input, Node, Program
from archdsl.ir.types import TensorType
from archdsl.ops import lookup
from archdsl.space.view import SearchSpace
from archdsl.syntax.errors import ArchError
from archdsl.syntax.tree import ModuleKind
from tests.shipped import shipped, written

CASES = Path(__file__).parent / "cases" / "diff"
FOUND = "metaformer_nas/mixer[id; 1 pool; 1 id; 3 pool]"
TINY = """
archdsl 1
space tiny(width=8, depth=2) {
  cell mixer(x) {
    n[1] = x -> conv(8, k=3)
    n[2] = n[1] -> {id | relu}
    n[3] = {n[1..2]} -> {id | pool = avg_pool(3)}
    return n[3]
  }
  net network(image: 3 x 8 x 8) {
    stem = image -> conv(width, k=3)
    stage[1] = stem -> mixer^depth
    return stage[1] -> global_pool -> linear(10)
  }
}
"""


space = cache(shipped)


@cache
def case(name: str, **parameters: Any) -> SearchSpace:
    return written((CASES / f"{name}.arch").read_text(encoding="utf-8"), **parameters)


def architecture(text: str, **parameters: Any) -> Program:
    known = space(text.partition("/")[0].partition("(")[0], **parameters)
    return known.resolve(known.parse(text))


def lines(diff: Diff) -> list[str]:
    return [as_line(change) for change in diff.changes]


def every_space() -> list[SearchSpace]:
    return [
        space("metaformer_nas"),
        space("metaformer_nas", nodes=7),
        space("metaformer_nas", semantics="as_intended", edge="linear"),
        space("metaformer_nas", size=448, depth3=2),
        space("nas_bench_201"),
        space("nas_bench_201", cells=1, width=4),
        space("metaformer"),
        space("metaformer", mixer="attention"),
        space("metaformer", mixer="mlp", depth2=3),
    ]


def pairs(count: int) -> Iterator[tuple[Program, Program, SearchSpace | None]]:
    """Half within one space, then with the space, half across parameters and spaces."""
    rng = random.Random(7)
    spaces = every_space()
    for number in range(count):
        first = rng.choice(spaces)
        second = first if number % 2 else rng.choice(spaces)
        known = first if first is second else None
        yield first.resolve(first.sample(rng)), second.resolve(second.sample(rng)), known


def check(a: Program, b: Program, known: SearchSpace | None = None) -> Diff:
    """The diff of two programs, after it has proven itself."""
    found = compare(a, b, known.program if known else None)
    result = apply(found.edits, a)
    assert result == b
    assert list(result.modules) == list(b.modules)
    assert bool(found) == (a != b)
    assert bool(found.changes) == (a != b)
    stored = json.dumps(as_json(found))
    assert from_json(stored) == found
    assert apply(from_json(stored).edits, a) == b
    return found


# --- applied ---------------------------------------------------------------------------------


def test_edits_turn_one_into_the_other() -> None:
    for a, b, known in pairs(300):
        check(a, b, known)


@pytest.mark.parametrize("known", every_space(), ids=lambda known: known.program.genotype)
def test_nothing_differs_from_itself(known: SearchSpace) -> None:
    a = known.resolve(known.sample(random.Random(1)))
    again = known.resolve(known.parse(a.genotype))
    assert not compare(a, again)
    assert compare(a, again).changes == ()
    assert as_text(compare(a, again)) == "no difference\n"


def test_supernets_too() -> None:
    check(space("metaformer_nas").program, space("metaformer_nas", nodes=7).program)


def test_the_same_every_time() -> None:
    a, b, _ = next(pairs(1))
    assert as_json(compare(a, b)) == as_json(compare(a, b))


# --- read ------------------------------------------------------------------------------------


def test_decisions_are_told_in_the_words_of_the_string() -> None:
    other = architecture("metaformer_nas/mixer[id; 1 pool; 2 id; 3 id]")
    found = check(architecture(FOUND), other, space("metaformer_nas"))
    assert lines(found) == ["mixer: node 3: input 1 -> 2", "mixer: node 4: pool -> id"]


def test_edges_are_told_by_both_ends() -> None:
    form = "nas_bench_201/infer[none; none {}; none skip_connect nor_conv_3x3]"
    a = architecture(form.format("none"))
    b = architecture(form.format("avg_pool_3x3"))
    assert lines(check(a, b)) == ["infer: node 2: from node 1: none -> avg_pool_3x3"]


def test_nodes_are_told_across_parameters() -> None:
    seven = "metaformer_nas(nodes=7)/mixer[id; 1 pool; 1 pool; 2 pool; 4 id; 1 pool; 1 pool]"
    found = check(architecture(FOUND), architecture(seven, nodes=7))
    assert lines(found) == [
        "parameter nodes: 4 -> 7",
        "mixer: node 3: id -> pool",
        "mixer: node 4: input 3 -> 2",
        "mixer: node 5: + position mlp, id of node 4",
        "mixer: node 6: + position mlp, pool of node 1",
        "mixer: node 7: + position mlp, pool of node 1",
        "mixer: result: inputs 2, 4 -> 3, 5, 6, 7",
    ]
    assert "parameters         16,238,062   16,663,906     +425,844 (+2.6%)" in as_text(found)


def test_depth_is_told_in_blocks() -> None:
    found = check(
        architecture("metaformer"),
        architecture('metaformer(mixer="mlp", depth2=3)', mixer="mlp", depth2=3),
    )
    assert lines(found) == [
        'parameter mixer: "pool" -> "mlp"',
        "parameter depth2: 2 -> 3",
        "encoder: y: pool -> position mlp",
        "stage 2: 2 -> 3 blocks",
    ]


def test_a_baseline_is_told_in_modules() -> None:
    found = lines(check(architecture("metaformer"), architecture(FOUND)))
    assert "space: metaformer -> metaformer_nas" in found
    assert "cell mixer: + 13 operations" in found
    assert "encoder: y: pool -> mixer" in found


def test_edited_text_is_told_in_nodes() -> None:
    def program(text: str) -> Program:
        known = written(text)
        return known.resolve(known.unrank(0))

    wider = TINY.replace("conv(8, k=3)", "conv(8, k=5) -> gelu")
    found = check(program(TINY), program(wider))
    assert lines(found) == ["mixer: node 1: conv 3x3 -> conv 5x5, gelu"]


def test_blocks_are_told_where_they_are_used() -> None:
    first = case("layers").resolve(
        case("layers").parse("layers/network[plain]/layer[wide(3); wide(5); narrow]")
    )
    four = case("layers", depth=4)
    second = four.resolve(
        four.parse("layers(depth=4)/network[plain]/layer[wide(5); wide(5); narrow; narrow]")
    )
    assert lines(check(first, second)) == [
        "parameter depth: 3 -> 4",
        "body: 3 -> 4 blocks",
        "body.0: y: conv 3x3 -> conv 5x5",
    ]


@pytest.mark.parametrize("name", ["darts", "layers"])
def test_sets_blocks_and_numbers(name: str) -> None:
    rng = random.Random(2)
    for number in range(40):
        first, second = case(name), case(name, depth=3 + number % 2)
        check(
            first.resolve(first.sample(rng)),
            second.resolve(second.sample(rng)),
            None if number % 2 else first,
        )


# --- at scale --------------------------------------------------------------------------------


def chain(length: int, seed: int) -> Program:
    """A random graph of unnamed operations, as long as wanted."""
    rng = random.Random(seed)
    kinds = [lookup(name) for name in ("relu", "gelu", "silu", "sigmoid", "tanh")]
    type_ = TensorType((4,))
    nodes = [Node(kind=Input("x"), types=(type_,), label="x")]
    join = lookup("sum")
    assert join is not None
    for i in range(1, length):
        kind = rng.choice(kinds)
        assert kind is not None
        args = (i - 1,) if rng.random() < 0.7 or i < 3 else (i - 1, rng.randrange(i - 1))
        operation = kind() if len(args) == 1 else join()
        path = (f"p{seed}_{i}",)  # no two programs share a name
        nodes.append(Node(kind=Apply(operation), args=args, types=(type_,), path=path))
    graph = Graph(
        definition="network", kind=ModuleKind.NET, nodes=tuple(nodes), outputs=(length - 1,)
    )
    return replace(
        space("metaformer").program,
        modules={"network": graph},
        root="network",
        text=str(seed),
        hash=str(seed),
    )


@pytest.mark.parametrize(("first", "second"), [(1, 2), (1, 1)])
def test_a_thousand_nodes_in_a_second(first: int, second: int) -> None:
    a, b = chain(1_000, first), chain(1_000, second)
    start = time.perf_counter()
    found = compare(a, b)
    assert time.perf_counter() - start < 10  # 0.2 s on an idle machine
    assert apply(found.edits, a) == b


def test_small_changes_in_a_large_graph_stay_small() -> None:
    a = chain(1_000, 1)
    nodes = list(a.net.nodes)
    tanh = lookup("tanh")
    assert tanh is not None
    single = (i for i in range(500, 1_000) if len(nodes[i].args) == 1)
    changed = next(i for i in single if nodes[i].kind != Apply(tanh()))
    nodes[changed] = replace(nodes[changed], kind=Apply(tanh()), path=("new",))
    b = replace(a, modules={"network": replace(a.net, nodes=tuple(nodes))})
    found = compare(a, b)
    assert len(found.edits) <= 4
    assert apply(found.edits, a) == b


def test_renamed_weights_are_not_other_nodes() -> None:
    a, b = chain(300, 3), chain(300, 3)
    renamed = tuple(
        replace(node, path=(f"q{i}",) if node.path else ()) for i, node in enumerate(b.net.nodes)
    )
    b = replace(b, modules={"network": replace(b.net, nodes=renamed)})
    found = compare(a, b)
    assert {type(edit) for edit in found.edits} == {Update}
    assert lines(found) == ["names of weights or values, or the order of the text"]


def test_nodes_that_change_places_move() -> None:
    graph = space("metaformer").program.net
    relu, tanh, join = lookup("relu"), lookup("tanh"), lookup("sum")
    assert relu is not None and tanh is not None and join is not None
    type_ = (TensorType((4,)),)
    x = Node(kind=Input("x"), types=type_, label="x")
    first = Node(kind=Apply(relu()), args=(0,), types=type_, path=("a",))
    second = Node(kind=Apply(tanh()), args=(0,), types=type_, path=("b",))
    total = Node(kind=Apply(join()), args=(1, 2), types=type_, path=("c",))
    swapped = replace(total, args=(2, 1))

    def program(*nodes: Node) -> Program:
        net = Graph(definition="network", kind=graph.kind, nodes=nodes, outputs=(3,))
        return replace(space("metaformer").program, modules={"network": net}, root="network")

    found = check(program(x, first, second, total), program(x, second, first, swapped))
    assert [type(edit) for edit in found.edits] == [Move]


# --- what does not fit -----------------------------------------------------------------------


def test_a_script_refuses_another_program() -> None:
    a, b = architecture(FOUND), architecture("metaformer_nas/mixer[id; 1 pool; 2 id; 3 id]")
    found = compare(a, b)
    for other in (b, architecture("metaformer"), space("nas_bench_201").program):
        with pytest.raises(ArchError, match="not for this architecture"):
            apply(found.edits, other)


def broken_scripts() -> Iterator[list[Any]]:
    a = architecture(FOUND)
    key = next(iter(a.modules))
    node = a.modules[key].nodes[1]
    yield [Insert(module=key, node=999, value=node)]
    yield [Insert(module=key, node=-1, value=node)]
    yield [Insert(module="new", value=a.modules[key]), Insert(module="new", value=a.modules[key])]
    yield [Remove(module=key, node=1, value=node)]
    yield [Remove(module=key, value=a.modules[key])]
    yield [Remove(module="gone", value=a.modules[key])]
    yield [Move(module=key, node=999, to=1)]
    yield [Move(module=key, node=1, to=999)]
    yield [Move(module=key, node=1, to=5)]
    yield [Rewire(module=key, node=1, before=node.args, after=(7,))]
    yield [Rewire(module=key, before=a.modules[key].outputs, after=(999,))]
    yield [Rewire(module=key, node=1, before=(5,), after=(0,))]
    yield [Update(module=key, field="key", before=key, after=a.root)]
    yield [Update(module=key, node=1, field="nodes", before="", after="")]
    yield [Update(module=key, node=1, field="types", before=node.types, after=())]
    yield [Update(field="genotype", before="other", after="")]
    yield [Update(module="gone", node=1, field="label", before="", after="a")]


@pytest.mark.parametrize("edits", list(broken_scripts()))
def test_a_broken_script_is_refused(edits: list[Any]) -> None:
    with pytest.raises(ArchError) as caught:
        apply(edits, architecture(FOUND))
    assert caught.value.diagnostics[0].code in ("E0740", "E0741")


def mutations(value: Any, rng: random.Random) -> Any:
    """The value with one part of it replaced by something else."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(sorted(value))
        return {**value, key: mutations(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.9:
        i = rng.randrange(len(value))
        return [*value[:i], mutations(value[i], rng), *value[i + 1 :]]
    return rng.choice([None, -1, 10**9, 10**30, 1.5, "x", "", [], {}, True, [[[]]], {"a": 1}])


def test_mutated_scripts_raise_nothing_else() -> None:
    rng = random.Random(5)
    a = architecture(FOUND)
    b = architecture(
        "metaformer_nas(nodes=7)/mixer[id; 1 pool; 1 pool; 2 pool; 4 id; 1 pool; 1 pool]", nodes=7
    )
    data = json.loads(json.dumps(as_json(compare(a, b))))
    applied = 0
    for _ in range(1_500):
        try:
            apply(from_json(mutations(data, rng)).edits, a)
            applied += 1
        except ArchError as error:
            assert error.diagnostics[0].code in ("E0740", "E0741", "E0742")
    assert applied < 1_000  # most changes are noticed; some touch only what is read


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "null", "[" * 100_000, '{"archdsl_diff": 2}', "1" * 5_000, "{"]
)
def test_other_json_is_refused(text: str) -> None:
    with pytest.raises(ArchError) as caught:
        from_json(text)
    assert caught.value.diagnostics[0].code == "E0742"
