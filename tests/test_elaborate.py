"""What the language means: weights, decisions, shapes, names, on spaces small enough to read."""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random

import pytest

from archdsl.ir.conditions import Compare, Constraint, Figure
from archdsl.ir.elaborate import elaborate
from archdsl.ir.formula import ALWAYS
from archdsl.ir.graph import Apply, Choose, FrameKind, Graph, Invoke
from archdsl.ir.limits import Limits
from archdsl.ir.verifier import verify_program
from archdsl.space.view import SearchSpace
from archdsl.syntax.errors import ArchError
from archdsl.syntax.parse import parse
from tests import fuzz_pipeline
from tests.shipped import written

SPACES = sorted((Path(__file__).parent / "cases" / "spaces").glob("*.arch"))


def space(items: str) -> SearchSpace:
    made = written(f"archdsl 1\nspace s {{\n{items}\n}}")
    verify_program(made.program)
    return made


def net(body: str, definitions: str = "", shape: str = "8 x 8 x 8") -> SearchSpace:
    """The space of a net with one input, `x`."""
    return space(f"{definitions}\nnet n(x: {shape}) {{ {body} }}")


def paths(graph: Graph, keyword: str = "conv") -> list[str]:
    """Where the operations of a kind keep their weights, in order."""
    nodes = [n for n in graph.nodes if isinstance(n.kind, Apply)]
    return [".".join(n.path) for n in nodes if n.kind.operation.keyword == keyword]  # type: ignore[union-attr]


def uses(graph: Graph) -> list[str]:
    return [".".join(n.path) for n in graph.nodes if isinstance(n.kind, Invoke)]


def keys(made: SearchSpace) -> list[str]:
    return [decision.key for decision in made.decisions]


# --- weights follow the text -----------------------------------------------------------------


def test_each_place_has_weights_of_its_own() -> None:
    assert paths(net("return x -> conv(8) -> conv(8)").program.net) == ["conv1", "conv2"]


def test_repetition_owns_its_weights() -> None:
    graph = net("return x -> (relu -> conv(8))^3").program.net
    assert len(set(paths(graph))) == 3


@pytest.mark.parametrize(
    "chain", ["{conv(8) | relu}^2", "bn -> ({conv(8) | relu}^2)", "f^2", "f -> bn -> {bn | f}"]
)
def test_repeated_holes_own_weights_and_decisions(chain: str) -> None:
    made = net(f"return x -> {chain}", "op f = {conv(8) | relu}")
    assert len(set(paths(made.program.net))) == 2
    assert made.size in (4, 6)


def test_families_of_alternatives_with_holes_inside_own_their_weights() -> None:
    made = net("return x -> {m[h] = conv(8, k=2*h + 1) -> {relu | gelu} for h in 0..2 | id}")
    assert paths(made.program.net) == ["conv_0", "conv_1", "conv_2"]
    assert made.size == 7


def test_each_use_of_a_cell_has_weights_of_its_own() -> None:
    made = net("return x -> f -> f -> f", "cell f(x) = x -> conv(8)")
    assert len(made.program.modules) == 2
    assert len(set(uses(made.program.net))) == 3


def test_loops_and_comprehensions_tell_weights_apart() -> None:
    graph = net("for i in 1..2 { n[i] = sum(x -> conv(8) for j in 1..3) }\nreturn sum(n)").program
    assert len(set(paths(graph.net))) == 6


def test_an_edge_owns_its_weights_where_it_stands_in_the_hole() -> None:
    before = net("n[1] = x\nn[2] = x -> relu\nreturn {n[j] -> conv(8) for j in 1..2}")
    behind = net("n[1] = x\nn[2] = x -> relu\nreturn {n[1..2]} -> conv(8)")
    assert len(set(paths(before.program.net))) == 2
    assert len(set(paths(behind.program.net))) == 1


def test_ties_replace_the_place() -> None:
    graph = net("return x -> conv(8)@w -> relu -> conv(8)@w -> conv(8)").program.net
    first, second, third = paths(graph)
    assert first == second == "w"
    assert third != "w"


def test_ties_reach_across_alternatives_and_repetitions() -> None:
    graph = net("return x -> {a = conv(8)@w | b = relu -> conv(8)@w} -> (relu -> conv(8)@w)^3")
    assert set(paths(graph.program.net)) == {"w"}


def test_ties_stay_within_one_use_of_an_op() -> None:
    op = "op f = conv(8)@w -> relu -> conv(8)@w"
    found = paths(net("return x -> f -> f", op).program.net)
    assert found[0] == found[1] != found[2] == found[3]


def test_ties_have_indices() -> None:
    graph = net("for i in 1..4 { n[i] = x -> conv(8)@w[i % 2] }\nreturn sum(n)").program.net
    first, second, third, fourth = paths(graph)
    assert first == third != second == fourth


def test_a_tied_use_ties_all_below() -> None:
    made = net("return x -> encoder@e^12 -> encoder", "cell encoder(x) = x -> conv(8)")
    found = uses(made.program.net)
    assert len(found) == 13
    assert set(found[:12]) == {"e"} and found[12] != "e"


def test_functions_own_what_each_application_makes() -> None:
    assert len(set(paths(net("f = relu -> conv(8)\nreturn x -> f -> f").program.net))) == 2
    constant = net("return x -> act -> act", "act = relu -> conv(8)")
    assert len(set(paths(constant.program.net))) == 2


def test_functions_may_be_given_to_themselves() -> None:
    made = net("return x -> twice(twice(c))", "op twice(f) = f -> f\nop c = conv(8)")
    assert len(set(paths(made.program.net))) == 4


def test_a_number_from_a_hole_tells_weights_apart() -> None:
    graph = net("return x -> conv(8, k={3 | 5})").program.net
    assert len(set(paths(graph))) == 2


# --- decisions follow the text ---------------------------------------------------------------

CHOICE = "x -> {relu | id}"


def test_a_cell_is_decided_once() -> None:
    assert keys(net("return x -> f -> f", f"cell f(x) = {CHOICE}")) == ["f:op"]


def test_a_block_is_decided_anew_at_every_use() -> None:
    made = net("return x -> f^3", f"block f(x) = {CHOICE}")
    assert keys(made) == ["n/f.0:op", "n/f.1:op", "n/f.2:op"]
    assert made.size == 8


def test_a_block_in_a_cell_is_decided_once_for_all_uses_of_the_cell() -> None:
    made = net("return x -> c -> c", f"block f(x) = {CHOICE}\ncell c(x) = x -> f -> f")
    assert made.size == 4


def test_a_hole_in_an_op_belongs_to_the_statement() -> None:
    made = net("y = x -> f\nreturn y -> f", "op f = {relu | id}")
    assert [scope.group for scope in {d.scope.key: d.scope for d in made.decisions}.values()] == [
        "n"
    ]
    assert made.size == 4


def test_a_family_is_decided_for_each_index() -> None:
    made = net("return x -> m[1] -> m[2] -> m[1]", f"cell m[i](x) = {CHOICE}")
    assert keys(made) == ["m[1]:op", "m[2]:op"]
    assert made.unrank(0).text == "s/m.1[relu]/m.2[relu]"


def test_plain_parameters_do_not_split_a_decision() -> None:
    made = net("return x -> f(c=4) -> f(c=8)", "cell f(x; c) = x -> conv(c) -> {relu | id}")
    assert keys(made) == ["f:op"]


def test_nested_holes_exist_inside_their_alternative() -> None:
    made = net("return x -> {a = {relu | id} -> conv(8) | b = pool}")
    assert made.size == 3
    assert {made.unrank(i).text for i in range(3)} == {"s/n[a(relu)]", "s/n[a(id)]", "s/n[b]"}


def test_numbers_from_holes() -> None:
    made = net("return x -> conv(8, k={3 | 5}) -> conv({16 | 32}) -> conv(16)")
    assert made.size == 4
    for number in range(4):
        assert str(made.resolve(made.unrank(number)).net.result_types[0]) == "16 x 8 x 8"


def test_one_name_is_one_decision() -> None:
    made = net("k = {3 | 5}\nreturn x -> conv(8, k=k) -> conv(8, k=k)")
    assert made.size == 2
    program = made.resolve(made.parse("s/n[5]"))
    kernels = [n.kind.operation.k for n in program.net.nodes if isinstance(n.kind, Apply)]  # type: ignore[attr-defined]
    assert kernels == [5, 5]


def test_a_hole_under_a_varying_shape_is_decided_once() -> None:
    made = net("return x -> conv({8 | 16}) -> {relu | pool} -> conv(8)")
    assert keys(made) == ["n:channels", "n:op"]
    assert made.decisions[1].parent is None
    assert made.size == 4


def test_a_hole_decides_a_depth() -> None:
    made = net("return x -> (relu -> conv(8))^{1..3}")
    counts = [len(paths(made.resolve(made.unrank(i)).net)) for i in range(3)]
    assert counts == [1, 2, 3]
    names = [paths(made.resolve(made.unrank(i)).net) for i in range(3)]
    assert names[2][:2] == names[1] and names[1][:1] == names[0]
    assert made.program.net.nodes[1].under == ALWAYS  # what every depth has, no hole decides


def test_a_hole_decides_an_index() -> None:
    made = net("n[0] = x\nn[1] = x -> relu\nl = {0 | 1}\nreturn n[l] -> conv(8)")
    assert made.size == 2
    assert sum(isinstance(n.kind, Choose) for n in made.program.net.nodes) == 1


def test_flags_from_holes() -> None:
    assert net("return x -> conv(if {yes | no} then 8 else 16) -> conv(4)").size == 2


def test_some_and_any_of() -> None:
    two = net("n[0] = x\nn[1] = x -> relu\nn[2] = x -> pool\nreturn sum(2 of {n[0..2]})")
    assert two.size == 3
    many = net("n[0] = x\nn[1] = x -> relu\nreturn sum(x, any of {n[j] for j in 0..1})")
    assert many.size == 4
    program = many.resolve(many.parse("s/n[-]"))
    assert len(program.net.nodes[program.net.outputs[0]].args) == 1


def test_any_of_nothing_is_written_and_decides_nothing() -> None:
    made = net(
        "n[-1] = x\nfor i in 0..1 { y[i] = n[i-1] -> {relu | id}"
        " n[i] = sum(y[i], any of {n[j] for j in 0..i-1}) }\nreturn n[1]"
    )
    assert made.size == 8
    assert made.parse("s/n[relu -; id 0]").text == "s/n[relu -; id 0]"  # a turn is an entry


# --- values, shapes, statements --------------------------------------------------------------


def test_several_targets_and_earlier_cells() -> None:
    made = net(
        "e[-1] = e[0] = x -> conv(4)\nfor k in 1..3 { e[k] = f(e[k-2], e[k-1]) }\nreturn e[3]",
        "cell f(a, b) = a + b",
    )
    first, second, third = (n for n in made.program.net.nodes if isinstance(n.kind, Invoke))
    assert first.args[0] == first.args[1] == second.args[0]
    assert third.args == (2, 3)


def test_several_results() -> None:
    made = net("y = x -> two\nreturn y[1] + y[0]", "cell two(x) { return x -> conv(8), x }")
    assert len(made.program.net.nodes[1].types) == 2
    varying = net(
        "y = x -> conv({4 | 6}) -> two\nreturn (y[0] + y[1]) -> conv(8)",
        "cell two(x) { return x -> {relu | id}, x }",
    )
    assert varying.size == 4


def test_a_net_returns_several_values() -> None:
    made = net("y = x -> conv(4)\nreturn y, y -> conv(2)")
    assert [str(t) for t in made.program.net.result_types] == ["4 x 8 x 8", "2 x 8 x 8"]


def test_leaves_follow_the_decisions() -> None:
    made = net(
        "n[1] = x -> relu\nn[2] = n[1] -> relu\nn[3] = {n[1..2]} -> relu\nreturn mean(leaves(n))"
    )
    sizes = []
    for number in range(2):
        graph = made.resolve(made.unrank(number)).net
        sizes.append(len(graph.nodes[graph.outputs[0]].args))
    assert sizes == [2, 1]  # 3 takes 1: leaves 2 and 3; 3 takes 2: leaf 3


def test_count_and_arithmetic() -> None:
    made = net("for i in 1..3 { n[i] = x }\nreturn concat(n) -> conv(8 * count(n) / 2 + 2 ^ 3 % 3)")
    assert made.program.net.result_types[0].channels == 14


def test_functions_as_parameters() -> None:
    made = net("return x -> res(conv(8)) -> res(relu)", "op res(f) = id + (bn -> f)")
    assert paths(made.program.net, "bn") == ["res1.norm", "res2.norm"]


def test_if_and_else_choose_while_compiling() -> None:
    text = "if deep { y = x -> conv(8)\nreturn y -> conv(8) } else { return x -> conv(8) }"
    assert len(paths(net(text, "deep = yes").program.net)) == 2
    assert len(paths(net(text, "deep = no").program.net)) == 1


def test_logic_looks_no_further_than_it_must() -> None:
    assert len(paths(net("return x -> conv(if no and 1 / 0 > 1 then 4 else 8)").program.net)) == 1


def test_constraints() -> None:
    program = net("return x", "where params <= 12M, macs < 2G").program
    assert program.constraints == (
        Constraint(condition=Compare("<=", Figure("params"), 12_000_000)),
        Constraint(condition=Compare("<", Figure("macs"), 2_000_000_000)),
    )


def test_parameters_of_one_value_and_another_kind_are_not_confused() -> None:
    cell = "cell f(x; k) = x -> (if k == k then conv(8) else relu)"
    assert len(net("return x -> f(k=1) -> f(k=yes) -> f(k=1.0)", cell).program.modules) == 4


# --- names -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SPACES, ids=lambda path: path.stem)
def test_spaces_of_the_literature(path: Path) -> None:
    (tree,) = parse(path.read_text(encoding="utf-8"), path.name).spaces
    program = verify_program(elaborate(tree))
    again = elaborate(tree)
    assert program == again
    made = SearchSpace(program)
    for graph in program.modules.values():
        names = [hole.name for hole in graph.holes]
        assert len(set(names)) == len(names)
        assert all(name.isidentifier() for name in names)
    for seed in range(3):
        network = verify_program(made.resolve(made.sample(Random(seed))), "resolve")
        for key, graph in network.modules.items():
            whole = program.modules[key.split(".")[0]]
            assert {n.path for n in graph.nodes} <= {n.path for n in whole.nodes}
            assert {n.label for n in graph.nodes} <= {n.label for n in whole.nodes}


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("darts_cifar", (2 * 3 * 6 * 10 // 2 * 8**8) ** 2),
        ("enas_macro", 6**12 * 2**66),
        ("glit_tiny", (9 + 2 + 9) ** 12),
    ],
)
def test_sizes_of_the_literature(name: str, size: int) -> None:
    (path,) = (path for path in SPACES if path.stem == name)
    assert written(path.read_text(encoding="utf-8")).size == size


def test_bound_names_become_labels_and_sequences() -> None:
    graph = net("stem = x -> conv(4) -> bn\ny[1] = stem -> relu\nreturn y[1]").program.net
    assert {"x", "stem", "y1"} <= {node.label for node in graph.nodes}
    assert graph.frames[("stem",)].kind is FrameKind.SEQUENCE
    assert paths(graph) == ["stem.0"]


def test_sequences_over_a_varying_value() -> None:
    made = net("y = x -> conv({4 | 6})\nz = y -> f -> f\nreturn z", "op f = relu -> conv(8)")
    assert len(set(paths(made.program.net))) == 6


# --- limits ----------------------------------------------------------------------------------


def test_limits_can_be_raised() -> None:
    text = "archdsl 1\nspace s { net n(x: 3 x 8 x 8) = x -> conv(20000, k=3) -> conv(20000, k=3) }"
    (tree,) = parse(text).spaces
    with pytest.raises(ArchError, match="too many parameters"):
        elaborate(tree)
    assert elaborate(tree, limits=Limits(params=10**10)).net


def operations(length: int) -> int:
    """Python calls that elaborating a chain of a length takes: its work, whatever the machine."""
    lines = "\n".join(f"y[{i}] = y[{i - 1}] -> conv(8) -> relu" for i in range(1, length))
    body = f"y[0] = x\n{lines}\nreturn y[{length - 1}]"
    (tree,) = parse(f"archdsl 1\nspace s {{ net n(x: 8 x 8 x 8) {{ {body} }} }}").spaces
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        elaborate(tree)
    finally:
        sys.setprofile(before)
    return calls


def test_work_grows_with_the_text_and_no_faster() -> None:
    operations(20)  # what is done once
    assert operations(400) < 2.3 * operations(200)


def test_mutated_spaces_are_answered() -> None:
    outcomes = fuzz_pipeline.run(500, seed=0)
    assert outcomes["fine"] > 5
    assert sum(count for code, count in outcomes.items() if code[:3] in ("E03", "E04", "E05")) > 75


# --- several outputs -------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["e[1..3]", "e", "e[1], e[2..3]", "e[1], e[2], e[3]"])
def test_a_family_returned_gives_one_output_each(given: str) -> None:
    made = net(f"for i in 1..3 {{ e[i] = x -> conv(i) }} return {given}")
    assert [type_.channels for type_ in made.program.net.result_types] == [1, 2, 3]
