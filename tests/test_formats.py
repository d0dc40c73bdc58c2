"""Foreign strings: theirs to ours and back, for every architecture there is."""

from __future__ import annotations

import ast
import csv
import gzip
import itertools
from pathlib import Path
from random import Random

import pytest
from typer.testing import CliRunner

from archdsl.cli.main import app
from archdsl.formats import FORMATS
from archdsl.formats.hints import meant, read_as
from archdsl.formats.nas_bench_201 import OPERATIONS
from archdsl.library import Library
from archdsl.syntax.errors import ArchError
from archdsl.syntax.parse import parse_genotype
from tests.fuzz_formats import FORMS, refuse_broken, round_trips

SAMPLES, BROKEN = 100, 50
NB201 = FORMATS["nb201"]
TABLE = Path(__file__).parents[2] / "shared" / "data" / "nb201.csv.gz"
BEST = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|none~2|"


def every_string() -> list[str]:
    """All 5^6 strings, by the format's own definition."""
    form = "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|"
    return [form.format(*edges) for edges in itertools.product(OPERATIONS, repeat=6)]


def test_a_known_string() -> None:
    ours = (
        "nas_bench_201/infer[nor_conv_3x3; nor_conv_3x3 avg_pool_3x3; "
        "skip_connect nor_conv_3x3 none]"
    )
    assert NB201.ours(BEST) == ours
    assert NB201.ours(f"  {BEST}\n") == ours
    assert NB201.theirs(ours) == BEST


def test_every_string_comes_back() -> None:
    strings = every_string()
    ours = [NB201.ours(text) for text in strings]
    assert len(set(ours)) == 15_625
    assert [NB201.theirs(text) for text in ours] == strings
    assert parse_genotype(ours[-1]).groups[0].name == "infer"


@pytest.mark.skipif(not TABLE.exists(), reason="the benchmark's table is not beside the project")
def test_the_benchmark_names_the_same_strings() -> None:
    with gzip.open(TABLE, "rt", encoding="utf-8") as file:
        published = [row["arch"] for row in csv.DictReader(file)]
    assert len(published) == 15_625
    assert set(published) == set(every_string())


@pytest.mark.parametrize(
    ("text", "code", "place", "expected"),
    [
        ("", "E0640", 0, "'|' before the edges into node 1"),
        ("nor_conv_3x3~0", "E0640", 0, "'|'"),
        ("|nor_conv_3x3~0", "E0640", 15, "'|'"),
        ("|nor_conv_3x3|", "E0640", 13, "'~0'"),
        ("|nor_conv_5x5~0|", "E0641", 1, "none, skip_connect"),
        ("|none~0|", "E0640", 8, "'+' and the edges into node 2"),
        ("|none~0|+|none~1|", "E0642", 15, "0"),
        ("|none~0|+|none~0|none~0|", "E0642", 22, "1"),
        ("|none~0|+|none~0|none~1|none~2|", "E0640", 24, "'+'"),
        (BEST + "+|none~0|", "E0640", len(BEST), "the end"),
        ("|none~99999999999|", "E0642", 6, "0"),
        ("|\uff4eone~0|", "E0640", 1, "the operation"),
    ],
)
def test_a_broken_string_is_answered_with_its_place(
    text: str, code: str, place: int, expected: str
) -> None:
    with pytest.raises(ArchError) as caught:
        NB201.ours(text)
    (finding,) = caught.value.diagnostics
    assert finding.code == code
    assert finding.span is not None
    assert finding.span.start == place
    assert expected in finding.expected


def test_naslib_counts_operations_in_its_own_order() -> None:
    ours = FORMATS["naslib201"].ours("(4, 0, 3, 1, 4, 3)")
    edges = (
        "|avg_pool_3x3~0|+|skip_connect~0|none~1|+|nor_conv_1x1~0|avg_pool_3x3~1|nor_conv_1x1~2|"
    )
    assert NB201.theirs(ours) == edges
    assert FORMATS["naslib201"].theirs(ours) == "(4, 0, 3, 1, 4, 3)"


def test_the_found_glit() -> None:
    """What GLiT released, and what the same lists are in our spelling."""
    lists = "[3, 0, 1, 3, 0, 1, 3, 1, 0, 3, 0, 3], [1, 4, 8, 4, 8, 8, 3, 6, 8, 4, 5, 8]"
    ours = FORMATS["glit"].ours(lists)
    assert ours.startswith("glit_tiny/layer[global(0.5 4); local(31 2); mixed.1(4 6); global(1 4);")
    assert FORMATS["glit"].theirs(ours) == lists


KNOWN = {
    "enas-micro": "0 2 0 0 0 4 0 1 0 4 1 1 1 0 0 1 0 2 1 1 1 0 1 0 0 3 0 2 1 1 3 1 1 0 0 4 0 3 1 1",
    "enas-rnn": "0 0 0 1 1 2 1 2 0 2 0 5 1 1 0 6 1 8 1 8 1 8 1",
    "enas-macro": "0 3 0 0 1 0 2 0 0 1 2 0 0 0 0 3 1 1 0 1 0 2 0 0 0 0 0 1 2 0 1 1 0 1 1 1",
    "spos": "(0, 0, 3, 1, 1, 1, 0, 0, 2, 0, 2, 1, 1, 0, 2, 0, 2, 1, 3, 2)",
    "darts-rnn": "Genotype(recurrent=[('sigmoid', 0), ('relu', 1), ('relu', 1), ('identity', 1), "
    "('tanh', 2), ('sigmoid', 5), ('tanh', 3), ('relu', 5)], concat=range(1, 9))",
    "autoformer": "RETRAIN: {MLP_RATIO: [3.5, 3.5, 3], NUM_HEADS: [3, 3, 4], DEPTH: 3, "
    "EMBED_DIM: 192}",
    "nb301": "([(0, 3), (1, 3), (0, 3), (1, 3), (0, 2), (1, 3), (0, 2), (2, 5)], "
    "[(0, 0), (1, 0), (1, 0), (2, 2), (0, 0), (2, 2), (1, 0), (2, 2)])",
    "nb101": "([[0, 1, 1], [0, 0, 1], [0, 0, 0]], ['input', 'conv1x1-bn-relu', 'output'])",
}
"""What their authors found or published; parts of it where it is long."""


@pytest.mark.parametrize("name", KNOWN)
def test_published_texts_come_back(name: str) -> None:
    assert FORMATS[name].theirs(FORMATS[name].ours(KNOWN[name])) == KNOWN[name]


DARTS_V2 = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), "
    "('sep_conv_3x3', 1), ('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), "
    "('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5], reduce=[('max_pool_3x3', 0), "
    "('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0), "
    "('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=range(2, 6))"
)


def test_the_order_of_two_edges_means_nothing() -> None:
    ours = FORMATS["darts"].ours(DARTS_V2)
    assert ours == FORMATS["nb301"].ours(KNOWN["nb301"])
    assert ours.startswith("darts_cifar/normal[0(sep_conv_3x3)+1(sep_conv_3x3); 0(sep_conv_3x3)+")
    assert FORMATS["darts"].ours(FORMATS["darts"].theirs(ours)) == ours


AMOEBANET = (
    "Genotype(normal=[('avg_pool_3x3', 0), ('max_pool_3x3', 1), ('sep_conv_3x3', 0), "
    "('sep_conv_5x5', 2), ('sep_conv_3x3', 0), ('avg_pool_3x3', 3), ('sep_conv_3x3', 1), "
    "('skip_connect', 1), ('skip_connect', 0), ('avg_pool_3x3', 1)], normal_concat=[4, 5, 6], "
    "reduce=[('avg_pool_3x3', 0), ('sep_conv_3x3', 1), ('max_pool_3x3', 0), ('sep_conv_7x7', 2), "
    "('sep_conv_7x7', 0), ('avg_pool_3x3', 1), ('max_pool_3x3', 0), ('max_pool_3x3', 1), "
    "('conv_7x1_1x7', 0), ('sep_conv_3x3', 5)], reduce_concat=[3, 4, 6])"
)


def test_cells_of_blocks_concatenate_what_no_node_takes() -> None:
    blocks = FORMATS["darts-blocks"]
    assert blocks.theirs(blocks.ours(AMOEBANET)) == AMOEBANET
    with pytest.raises(ArchError) as caught:
        blocks.ours(AMOEBANET.replace("[4, 5, 6]", "[3, 5, 6]"))
    assert caught.value.diagnostics[0].code == "E0643"
    with pytest.raises(ArchError) as caught:
        FORMATS["darts"].ours(AMOEBANET)
    assert caught.value.diagnostics[0].span is not None


# --- every format ----------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "space"), FORMS)
def test_samples_come_back(name: str, space: str) -> None:
    """What the format can say of random architectures comes back, as far as it can say them.

    DARTS' genotypes have no `none`, which an eighth of the search network's cells do without.
    """
    assert round_trips(name, space, SAMPLES) >= SAMPLES // 20


@pytest.mark.parametrize(("name", "space"), FORMS)
def test_broken_texts_are_answered_with_a_place(name: str, space: str) -> None:
    refuse_broken(name, space, BROKEN)


def test_a_format_has_its_spaces() -> None:
    with pytest.raises(ArchError) as caught:
        NB201.ours(BEST, "metaformer_nas")
    assert caught.value.diagnostics[0].code == "E0645"
    with pytest.raises(ArchError) as caught:
        NB201.theirs("metaformer_nas/mixer[id; 1 id; 1 id; 1 id]")
    assert caught.value.diagnostics[0].code == "E0643"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "(",
        "[" * 500,
        "a" * 100_000,
        "f(x)",
        "[1, 2",
        "lambda: 0",
        "(1,) * 3",
        "[*x]",
        "{**x}",
        "'",
    ],
)
@pytest.mark.parametrize("name", FORMATS)
def test_hostile_texts_are_refused(name: str, text: str) -> None:
    with pytest.raises(ArchError):
        FORMATS[name].ours(text)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("spos", "(-True, 0)"),
        ("darts", f"Genotype(normal=[{'range(999), ' * 9}])"),
        ("autoformer", "RETRAIN: {MLP_RATIO: [4], NUM_HEADS: [3], DEPTH: 01, EMBED_DIM: 192}"),
        ("autoformer", "RETRAIN: {DEPTH: 1, DEPTH: 1}"),
    ],
)
def test_numbers_that_hide_are_refused(name: str, text: str) -> None:
    with pytest.raises(ArchError) as caught:
        FORMATS[name].ours(text)
    assert caught.value.diagnostics[0].span is not None


# --- what a newcomer does ----------------------------------------------------------------------


def told(*arguments: str, input: str | None = None) -> str:
    """What a command says of a text that it refuses."""
    result = CliRunner().invoke(app, list(arguments), input=input)
    assert result.exit_code in (1, 2), result.output
    return result.output


LINES = DARTS_V2.replace("[(", "[  # a cell\n  (").replace("), (", "),\n  (").replace("])", "]\n)")


def test_a_literal_may_span_lines() -> None:
    """Each is answered, whatever its lines; what is wrong does not spoil the next."""
    one = FORMATS["darts"].ours(DARTS_V2)
    texts = [LINES, DARTS_V2, DARTS_V2[:-1], LINES, DARTS_V2[:57], DARTS_V2, LINES[:-1]]
    result = CliRunner().invoke(app, ["convert", "-", "--from", "darts"], input="\n".join(texts))
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [one] * 4
    heads = [line for line in result.stderr.splitlines() if line.startswith("line")]
    numbers = [1 + sum(text.count("\n") + 1 for text in texts[:at]) for at in (2, 4, 6)]
    assert [head.split(":")[0] for head in heads] == [f"line {number}" for number in numbers]
    assert "this `(` is never closed" in heads[0] and "this `[` is never closed" in heads[1]
    back = CliRunner().invoke(app, ["convert", "-"], input=f"{one}\n{one[:-1]}\n{one}\n")
    assert back.stdout.splitlines() == [one, one] and "line 2: error[E0603]" in back.stderr


@pytest.mark.parametrize("name", FORMATS)
def test_a_text_of_a_format_is_known_for_it(name: str) -> None:
    """Where a string of ours is expected, and where another format is: the hint is a command that
    reads it. Also where the text breaks off, if its beginning tells."""
    format_ = FORMATS[name]
    space = Library().string(format_.example_space(format_.spaces[0])).space
    theirs = format_.theirs(space.sample(Random(0)).text)
    assert name in meant(theirs)
    assert name in told("check", theirs).partition("--from ")[2]
    if format_.head:
        assert format_.begins(theirs) and name in meant(theirs[:60])
    other = "nb201" if name != "nb201" else "darts"
    with pytest.raises(ArchError) as caught:
        read_as(other, theirs)
    assert name in caught.value.diagnostics[0].hint.partition("--from ")[2]
    with pytest.raises(ArchError) as caught:
        read_as(name, "?")
    (diagnostic,) = caught.value.diagnostics
    if diagnostic.code == "E0640":
        command = f"archdsl sample '{space.program.genotype}' | archdsl convert - --to {name}"
        assert command.replace("'", "") in diagnostic.hint.replace("'", "")


def test_a_genotype_of_blocks_is_known_among_those_of_darts() -> None:
    assert meant(AMOEBANET, "darts") == meant(AMOEBANET) == ["darts-blocks"]
    assert "--from darts-blocks`" in told("convert", AMOEBANET, "--from", "darts")
    assert told("check", AMOEBANET).count("error[") == 1


@pytest.mark.parametrize(
    ("text", "message", "column", "found", "expected"),
    [
        ("Genotype(normal=[('a', 0)", "this `[` is never closed", 17, "the end of the text", "`]`"),
        ("Genotype(normal=[('a', 0),\n x=1)", "this `[` is", 17, "`)` in line 2", "`]`"),
        ("Genotype(normal=[])]", "this `]` closes nothing", 20, "`]` in line 1", "no closing"),
        ("Genotype(normal=['(', # [\n", "this `[` is never", 17, "the end of the text", "`]`"),
    ],
)
def test_a_bracket_without_a_partner_is_shown(
    text: str, message: str, column: int, found: str, expected: str
) -> None:
    with pytest.raises(ArchError) as caught:
        FORMATS["darts"].ours(text)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.span is not None
    assert (diagnostic.span.start, diagnostic.span.end) == (column - 1, column)
    assert message in diagnostic.message and diagnostic.found == found
    assert diagnostic.expected.startswith(expected)


def test_a_flow_of_yaml_that_is_never_closed() -> None:
    with pytest.raises(ArchError, match=r"this `\{` is never closed"):
        FORMATS["autoformer"].ours("RETRAIN: {MLP_RATIO: [3.5], DEPTH: 1")


def test_the_benchmarks_own_call() -> None:
    matrix, ops = ast.literal_eval(KNOWN["nb101"])
    for call in (
        f"ModelSpec(matrix={matrix}, ops={ops})",
        f"a = api.ModelSpec(ops={ops}, matrix={matrix})",
    ):
        assert FORMATS["nb101"].ours(call) == FORMATS["nb101"].ours(KNOWN["nb101"])
    shown = told("convert", str(matrix), "--from", "nb101")
    assert "found: a matrix alone" in shown and "archdsl sample nas_bench_101 |" in shown


@pytest.mark.parametrize(
    ("text", "found", "expected"),
    [
        (
            '[["ds_r1_k3_s1_e1_c16"]]',
            "1 stage",
            "7 stages: one block ds, then 6 lists of blocks ir",
        ),
        ("ds_r1_k3_s1_e1_c16", "'ds_r1_k3_s1_e1_c16'", '[["ds_r1_k3_s1_e1_c16"], ["ir_'),
    ],
)
def test_what_is_wrong_with_stages(text: str, found: str, expected: str) -> None:
    shown = told("convert", text, "--from", "timm")
    assert f"= found: {found}\n" in shown and f"= expected: {expected}" in shown
    assert "archdsl sample mbconv | archdsl convert - --to timm" in shown


def test_convert_refuses_what_breaks_where() -> None:
    matrix = [[int(i < j) for j in range(7)] for i in range(7)]
    text = str((matrix, ["input", *["conv3x3-bn-relu"] * 5, "output"]))
    result = CliRunner().invoke(app, ["convert", text, "--from", "nb101"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert (
        "nas_bench_101 wants count(module, source) + count(module, sources) <= 9" in result.output
    )
    ours = FORMATS["nb101"].ours(text)
    assert CliRunner().invoke(app, ["convert", ours, "--to", "nb101"]).exit_code == 1
