"""The command line: what is printed where, exit codes, and hostile use.

Most tests call the commands in this process; those about streams and processes run the real one.
"""

from __future__ import annotations

import errno
import json
import os
import pty
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import fields
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from archdsl import __version__, catalogue, library
from archdsl.cli.command import count
from archdsl.cli.main import app
from archdsl.library import Library
from archdsl.resources import shipped_space, shipped_spaces
from archdsl.syntax.codes import CODES
from tests.shipped import shipped

NET = "nas_bench_201(cells=1, width=4)"
A = f"{NET}/infer[skip_connect; avg_pool_3x3 none; nor_conv_1x1 none nor_conv_3x3]"
B = f"{NET}/infer[nor_conv_3x3; none none; nor_conv_1x1 none nor_conv_3x3]"
THEIRS = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|none~2|"
SMALL = """\
archdsl 1

space small(width=8) {
  net network(image: 3 x 8 x 8) {
    y = image -> conv(width, k=3) -> {a = relu | b = gelu}
    return y -> global_pool -> linear(2)
  }
}
"""


def run(*arguments: object, input: str | bytes | None = None, code: int = 0) -> Result:
    """A command in this process; every way of failing must have been answered."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], input=input)
    assert result.exit_code == code, f"{result.exit_code}\n{result.stdout}\n{result.stderr}"
    assert "Traceback" not in result.output and "E0905" not in result.output, result.output
    return result


def shell(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    """The command as users run it, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "archdsl", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        **options,  # type: ignore[call-overload]
    )


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def small(here):
    path = here / "small.arch"
    path.write_text(SMALL)
    return path


# ---- the whole -----------------------------------------------------------------------------------


def commands() -> list[str]:
    return [command.name or "" for command in app.registered_commands]


def test_help_lists_every_command():
    text = run("--help").stdout
    for name in commands():
        assert f"\n  {name} " in text
    assert set(commands()) == {
        *("check", "fmt", "new", "spaces", "explain", "show", "cost", "id", "sample", "convert"),
        *("formats", "lint"),
        *(
            "diff",
            "patch",
            "grow",
            "compile",
            "export",
            "tune",
            "verify",
            "inherit",
            "search",
            "retrain",
        ),
    }


@pytest.mark.parametrize("name", commands())
def test_every_command_has_help(name):
    text = run(name, "--help").stdout
    assert "--space FILE" in text and "--json" in text and "--quiet" in text
    summary = text.split("\n\n")[1].strip()
    assert summary.endswith(".") and len(summary) < 90


def test_version():
    assert run("--version").stdout == f"archdsl {__version__}\n"


def test_no_command_is_wrong_use():
    assert "Usage" in CliRunner().invoke(app, []).output
    assert CliRunner().invoke(app, []).exit_code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["cost"],
        ["cost", A, "--frobnicate"],
        ["sample", NET, "-n", "many"],
        ["sample", NET, "-n", "-1"],
        ["compile", A],
        ["compile", A, "-O", "2", "-o", "x"],
        ["compile", A, "-o", "x", "--emit", "ir"],
        ["compile", A, "--emit", "elf"],
        ["show", A, "--format", "png"],
        ["diff", A],
        ["cost", A, "--max-params", "lots"],
        ["convert", THEIRS, "--from", "cuneiform"],
        ["explain", "E9999"],
        ["new", "2fast"],
        ["new", "cell"],
        ["new", "../up"],
        ["fmt", "x.py"],
        ["search", NET],
    ],
)
def test_wrong_use_is_2_and_says_so_on_standard_error(arguments, here):
    result = run(*arguments, code=2)
    assert result.stdout == "" and result.stderr
    assert list(here.iterdir()) == []


def test_options_before_and_after_the_command(small):
    for arguments in (
        ["--space", small, "--json", "sample", "small"],
        ["sample", "small", "--space", small, "--json"],
    ):
        assert json.loads(run(*arguments).stdout)["architecture"].startswith("small/network[")


@pytest.mark.parametrize(
    ("text", "value"),
    [("12", 12), ("12M", 12_000_000), ("2.5G", 2_500_000_000), ("0.5K", 500), ("1T", 10**12)],
)
def test_counts(text, value):
    assert count(text) == value


# ---- check ---------------------------------------------------------------------------------------


def test_check_fine(small):
    result = run("check", "small.arch", A, NET)
    assert result.stdout == (
        f"small.arch: fine: small, 2 architectures\n{A}: fine\n{NET}: fine, 15,625 architectures\n"
    )
    assert result.stderr == ""


def test_check_finds(here):
    Path("bad.arch").write_text(SMALL.replace("relu", "rleu"))
    result = run("check", "bad.arch", A.replace("none", "nothing"), A, code=1)
    assert result.stdout == f"{A}: fine\n"
    assert "bad.arch:5:" in result.stderr and "rleu" in result.stderr
    assert "<string>:1:" in result.stderr and "nothing" in result.stderr
    assert "^" in result.stderr


def test_check_json(here):
    Path("bad.arch").write_text("archdsl 1\nspace s { net n(x: 3 x 8 x 8) = x -> nope }\n")
    result = run("check", "bad.arch", A, "--json", code=1)
    wrong, fine = map(json.loads, result.stdout.splitlines())
    assert fine == {"name": A, "ok": True, "errors": []} and wrong["ok"] is False
    assert wrong["errors"][0]["file"] == "bad.arch" and wrong["errors"][0]["line"] == 2
    assert wrong["errors"][0]["code"] in CODES
    assert result.stderr == ""


def test_check_every_space_of_a_file(here):
    one, two = SMALL, SMALL.replace("small", "other").replace("archdsl 1\n", "")
    Path("two.arch").write_text(one.replace("gelu", "nope") + two)
    result = run("check", "two.arch", code=1)
    assert "nope" in result.stderr and result.stderr.count("error[") == 1


def test_check_standard_input():
    assert run("check", "-", input=SMALL).stdout == "-: fine: small, 2 architectures\n"
    assert "error[" in run("check", "-", input="", code=1).stderr


def test_check_says_which_constraint_is_broken(small):
    small.write_text(SMALL.replace("  net", "  where params <= 100\n  net", 1))
    result = run("check", "small(width=1)/network[a]", "small/network[a]", "--space", small, code=1)
    assert result.stdout == "small(width=1)/network[a]: fine\n"
    assert "error[E0522]" in result.stderr and "small wants params <= 100" in result.stderr


def test_check_counts_before_where():
    text = SMALL.replace("{\n", "{\n  where params < 1\n", 1)
    assert run("check", "-", input=text).stdout == (
        "-: fine: small, 2 architectures before its `where`; "
        "archdsl show tells how many satisfy it\n"
    )


def test_shipped_spaces_are_fine(monkeypatch):
    """Each is what opening it gives, as in all tests: once a process."""
    spaces, opened = {name: shipped(name) for name in shipped_spaces()}, []

    def kept(space, parameters, limits):
        opened.append(space.name)
        return spaces[space.name]

    monkeypatch.setattr(library, "open_space", kept)
    lines = run("check", *shipped_spaces()).stdout.splitlines()
    assert opened == [line.split(":")[0] for line in lines] == list(shipped_spaces())
    assert all(": fine" in line for line in lines)


# ---- fmt -----------------------------------------------------------------------------------------


def test_fmt_rewrites_and_is_stable(small):
    small.write_text(SMALL.replace("  net", "net").replace("width=8", "width = 8"))
    small.chmod(0o640)
    result = run("fmt", small)
    assert small.read_text() == SMALL and result.stdout == ""
    assert result.stderr == f"reformatted {small}\n"
    assert small.stat().st_mode & 0o777 == 0o640
    assert run("fmt", small).stderr == ""


def test_fmt_follows_links(small, here):
    small.write_text(SMALL.replace("width=8", "width = 8"))
    (here / "link.arch").symlink_to(small)
    run("fmt", "link.arch")
    assert (here / "link.arch").is_symlink() and small.read_text() == SMALL


def test_fmt_check_and_diff_write_nothing(small):
    ugly = SMALL.replace("width=8", "width = 8")
    small.write_text(ugly)
    result = run("fmt", "--check", small, code=1)
    assert result.stdout == "" and "would reformat" in result.stderr
    result = run("fmt", "--diff", small)
    assert "-space small(width = 8) {\n+space small(width=8) {" in result.stdout
    assert run("fmt", "--check", "--diff", small, code=1).stdout == result.stdout
    assert small.read_text() == ugly
    small.write_text(SMALL)
    run("fmt", "--check", small)


def test_fmt_standard_input():
    assert run("fmt", "-", input=SMALL.replace("8 x 8", "8   x 8")).stdout == SMALL
    assert run("fmt", "-", input=f"  {A}\n").stdout == f"{A}\n"


def test_fmt_prints_the_canonical_string():
    loose = "nas_bench_201( width = 4,cells=1 )/infer[ skip_connect ;avg_pool_3x3 none;" + (
        "nor_conv_1x1 none nor_conv_3x3]"
    )
    assert run("fmt", loose).stdout == f"{A}\n"
    assert run("fmt", NET).stdout == f"{NET}\n"


def test_fmt_leaves_a_wrong_file_alone(small):
    small.write_text("archdsl 1\nspace s {")
    assert "error[" in run("fmt", small, code=1).stderr
    assert small.read_text() == "archdsl 1\nspace s {"


def test_fmt_json(small):
    assert json.loads(run("fmt", small, "--json").stdout) == {"name": str(small), "changed": False}


# ---- figures -------------------------------------------------------------------------------------

KEYS = ["id", "params", "macs", "live_params", "live_macs", "flops"]
KEYS += ["activation_bytes", "peak_bytes"]


def test_cost_json_has_exactly_the_promised_keys():
    lines = run("cost", A, B, "--json").stdout.splitlines()
    first, second = map(json.loads, lines)
    assert list(first) == KEYS
    assert first["flops"] == 2 * first["macs"] and first["params"] == 8366
    assert first["id"] != second["id"]
    assert first["id"] == run("id", A).stdout.strip()


def test_cost_for_people():
    text = run("cost", A).stdout
    assert "8,366" in text and "live" not in text
    assert "live)" in run("cost", f"{NET}/infer[nor_conv_3x3; none none; none none none]").stdout


def test_cost_streams_and_goes_on_after_a_wrong_line():
    lines = [A, "", "nonsense[", B, "no_such_space/x[y]", A]
    result = run("cost", "-", input="\n".join(lines), code=1)
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(found) == 3 and found[0] == found[2]
    assert "line 3: error[" in result.stderr and "line 5: error[E0701]" in result.stderr


def test_a_line_is_a_string_and_never_a_file(small):
    result = run("cost", "-", input="small.arch\n", code=1)
    assert result.stdout == "" and "line 1" in result.stderr


def test_cost_takes_bytes_that_are_no_text():
    result = run("cost", "-", input=b"\xff\xfe\x00\n" + A.encode() + b"\r\n", code=1)
    assert len(result.stdout.splitlines()) == 1 and "line 1" in result.stderr


def test_cost_of_nothing():
    assert run("cost", "-", input="").output == ""


def test_a_space_has_no_cost():
    assert "sample" in run("cost", NET, code=2).stderr


def test_id_is_equal_for_equal_networks():
    same = f"{NET}/infer[skip_connect; none avg_pool_3x3; nor_conv_1x1 none nor_conv_3x3]"
    one, two, other = run("id", A, same, B).stdout.split()
    assert one == two != other and len(one) == 32
    line = json.loads(run("id", A, "--json").stdout)
    assert line == {"id": one, "architecture": A}


def test_sample_is_reproducible():
    first = run("sample", NET, "-n", "5", "--seed", "3").stdout
    assert first == run("sample", NET, "-n", "5", "--seed", "3").stdout
    assert first != run("sample", NET, "-n", "5", "--seed", "4").stdout
    assert len(first.splitlines()) == 5
    assert len(run("check", *first.splitlines()).stdout.splitlines()) == 5


def test_convert_both_ways():
    ours = run("convert", THEIRS, "--from", "nb201").stdout.strip()
    assert ours.startswith("nas_bench_201/infer[")
    assert run("convert", ours, "--to", "nb201").stdout.strip() == THEIRS
    both = run("convert", "-", "--from", "nb201", input=f"{THEIRS}\nx\n{THEIRS}\n", code=1)
    assert both.stdout == f"{ours}\n{ours}\n" and "line 2" in both.stderr


def test_limits_are_raised_by_flags(small):
    huge = "small(width=200000000)/network[a]"
    refused = run("cost", huge, "--space", small, code=1)
    assert "error[E01" in refused.stderr
    run("cost", huge, "--space", small, "--max-params", "10G", "--max-macs", "1000T")


# ---- spaces, codes, new --------------------------------------------------------------------------


def test_spaces(small):
    """A file's spaces come first; one of a shipped name stands for it, also where others use it."""
    text = run("spaces", "--space", small).stdout
    assert [line.split()[0] for line in text.splitlines()] == ["small", *shipped_spaces()]
    rows = {row.pop("name"): row for row in map(json.loads, json_lines("spaces"))}
    assert tuple(rows) == shipped_spaces()
    assert rows["metaformer_nas"]["size"] == 96 and rows["nas_bench_201"]["size"] == 15625
    assert text.splitlines()[1:] == run("spaces").stdout.splitlines()


def test_a_file_stands_for_a_space_that_ships(tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue, "shipped_spaces", lambda: ("small", "metaformer"))
    monkeypatch.setattr(library, "shipped_spaces", lambda: ("small", "metaformer"))
    path = tmp_path / "small.arch"
    path.write_text(SMALL)
    opened = []
    space = Library.space
    monkeypatch.setattr(Library, "space", lambda own, name: opened.append(name) or space(own, name))
    rows = [json.loads(line) for line in json_lines("spaces", "--space", path)]
    assert [row["name"] for row in rows] == opened == ["small", "metaformer"]
    assert rows[0]["size"] == 2


def test_the_catalogue_is_what_the_spaces_say(monkeypatch, tmp_path):
    """One text and one number for each, and none where the texts are others."""
    kept = catalogue.FILE.read_text(encoding="utf-8")
    assert kept == catalogue.made(shipped), "run `make regen`"
    assert all(entry.about.endswith(".") for entry in catalogue.catalogue().values())
    monkeypatch.setattr(catalogue, "FILE", tmp_path / "catalogue.json")
    assert catalogue.catalogue() == {}
    for text in ("", "[]", "{}", kept.replace('"hash": "', '"hash": "0')):
        catalogue.FILE.write_text(text, encoding="utf-8")
        assert catalogue.catalogue() == {}


@pytest.mark.parametrize("columns", [20, 50, 79, 120])
def test_on_a_terminal_descriptions_are_wrapped(columns):
    command = [sys.executable, "-m", "archdsl", "spaces"]
    reader, writer = pty.openpty()
    environment = os.environ | {"COLUMNS": str(columns)}
    with subprocess.Popen(command, stdout=writer, env=environment):
        os.close(writer)
        shown = b""
        with suppress(OSError):  # what Linux says at the end of a terminal
            while chunk := os.read(reader, 65536):
                shown += chunk
    os.close(reader)
    lines = shown.decode().splitlines()
    begin = 34
    assert all(len(line) <= max(columns, begin) for line in lines)
    about = {name: entry.about for name, entry in catalogue.catalogue().items()}
    assert " ".join(about["amc"].split()) in " ".join(shown.decode().split())


def json_lines(*arguments: object) -> list[str]:
    return run(*arguments, "--json").stdout.splitlines()


def test_explain():
    text = run("explain", "e0705").stdout
    assert text.startswith("E0705: ") and max(map(len, text.splitlines())) <= 80
    assert json.loads(run("explain", "E0705", "--json").stdout)["code"] == "E0705"


def test_new_compiles_and_never_overwrites(here):
    assert run("new", "first").stdout == "first.arch\n"
    text = Path("first.arch").read_text()
    run("check", "first.arch")
    run("fmt", "--check", "first.arch")
    string = run("sample", "first.arch").stdout.strip()
    run("compile", string, "--space", "first.arch", "-o", "out", "--supernet")
    assert "E0707" in run("new", "first", code=2).stderr
    assert Path("first.arch").read_text() == text


# ---- show, diff, patch ---------------------------------------------------------------------------


def test_show_a_space_and_a_network(here):
    text = run("show", NET).stdout
    assert "15,625 architectures, 6 decisions" in text and "one of none | skip_connect" in text
    assert "8,366 parameters" in run("show", A).stdout
    assert run("show", A, "--format", "svg").stdout.startswith("<svg")
    assert run("show", A, "--format", "dot").stdout.startswith("digraph")
    assert run("show", A, "--format", "mermaid").stdout.startswith("flowchart")
    assert run("show", A, "--format", "svg", "-o", "x/a.svg").stdout == "x/a.svg\n"
    assert Path("x/a.svg").read_text().startswith("<svg")
    facts = json.loads(run("show", A, "--json").stdout)
    assert facts["architecture"] == A and facts["params"] == 8366
    assert "expected: infer, network" in run("show", A, "--module", "x", code=2).stderr


def test_diff_and_patch(here):
    result = run("diff", A, B)
    assert "node 1: skip_connect -> nor_conv_3x3" in result.stdout and result.stderr == ""
    run("diff", A, B, "--exit-code", code=1)
    assert run("diff", A, A, "--exit-code").stdout == "no difference\n"
    edits = run("diff", A, B, "--format", "json").stdout
    assert edits == run("diff", A, B, "--json").stdout
    Path("edits.json").write_text(edits)
    assert run("patch", A, "edits.json").stdout == f"{B}\n"
    assert run("patch", A, "-", input=edits).stdout == f"{B}\n"
    assert run("patch", A, "edits.json", "-o", "out").stdout == "out/network.py\n"
    run("compile", B, "-o", "direct")
    assert Path("out/network.py").read_text() == Path("direct/network.py").read_text()
    assert run("patch", B, "edits.json", code=2).stdout == ""


@pytest.mark.parametrize("edits", ["", "[]", "{", '{"edits": 3}', "\x00", "[" * 100_000])
def test_patch_believes_nothing(edits):
    assert "error[E0742]" in run("patch", A, "-", input=edits, code=2).stderr


# ---- compile -------------------------------------------------------------------------------------


def test_compile_writes_a_mixture(here):
    run("compile", "nas_bench_201(cells=1, width=2)", "-o", "out", "--supernet", "--mode=mixture")
    text = Path("out/supernet.py").read_text()
    assert "def forward(self, image: Tensor, gates: Gates)" in text
    assert text.count("F.avg_pool2d(") == 4, "once for each node that has edges"
    run("compile", "nas_bench_201(cells=1, width=2)", "-o", "plain", "-O", "0", "--mode=mixture")
    assert Path("plain/supernet.py").read_text().count("F.avg_pool2d(") == 7, "on each edge"
    refused = run("compile", "amc", "-o", "no", "--supernet", "--mode=mixture", code=2)
    assert "E0906" in refused.stderr


def test_compile_writes_several_paths(here):
    named = "nas_bench_201(cells=1, width=2)"
    run("compile", named, "-o", "out", "--supernet", "--mode=paths")
    text = Path("out/supernet.py").read_text()
    assert "def forward(self, image: Tensor, paths: Paths)" in text
    assert "op_1_0: dict[Op, Tensor]" in text
    printed = run("compile", named, "--emit=ir-opt", "--supernet", "--mode=paths").stdout
    assert "running %" in printed
    refused = run("compile", "amc", "-o", "no", "--supernet", "--mode=paths", code=2)
    assert "E0906" in refused.stderr
    assert not Path("no").exists()


def test_compile_checkpoints_cells_and_blocks(here):
    run("compile", "nas_bench_201(cells=1, width=2)", "-o", "out", "--checkpoint")
    assert "class Infer(Checkpointed):" in Path("out/supernet.py").read_text()
    assert "E0907" in run("compile", "vgg11_bn", "-o", "no", "--checkpoint", code=2).stderr
    deployed = ("-O", "2", "--weights", "w.safetensors")
    run("compile", "resnet18", "-o", "no", "--checkpoint", *deployed, code=2)
    assert not Path("no").exists()


TOKENS = "dasvit(width=24, depth=1)"
MIXED = ("--supernet", "--mode=mixture")


def test_compile_takes_a_part_of_the_tokens(here):
    run("compile", TOKENS, "-o", "out", *MIXED, "--partial-tokens", "1/4")
    assert "TokenSelection(24, always=1, count=50)" in Path("out/supernet.py").read_text()
    run("compile", TOKENS, "-o", "whole", *MIXED, "--partial-tokens", "1")
    assert "TokenSelection" not in Path("whole/supernet.py").read_text()


def test_compile_takes_a_part_of_the_channels(here):
    named = "nas_bench_201(cells=1, width=8)"
    run("compile", named, "-o", "out", *MIXED, "--partial-channels", "1/4")
    assert (
        "F.channel_shuffle(torch.cat((y, rest_x), dim=1), 4)" in Path("out/supernet.py").read_text()
    )


@pytest.mark.parametrize(
    ("named", "options", "why"),
    [
        (TOKENS, ("--partial-tokens", "1/4"), "mode mixture"),
        (A, ("--mode=mixture",), "--mode mixture is of supernets: add --supernet"),
        (A, ("--mode=paths",), "--mode paths is of supernets: add --supernet"),
        (TOKENS, ("--supernet", "--mode=paths", "--partial-tokens", "1/4"), "mode mixture"),
        ("nas_bench_201", ("--partial-channels", "1/4"), "a part of the channels is for"),
        ("nas_bench_201", (*MIXED, "--partial-channels", "2/3"), "E0909"),
        ("nas_bench_201", (*MIXED, "--partial-channels", "1/3"), "E0909"),
        (TOKENS, (*MIXED, "--partial-channels", "1/4"), "E0909"),
        (TOKENS, (*MIXED, "--partial-tokens", "0"), "a share is a number"),
        (TOKENS, (*MIXED, "--partial-tokens", "5/4"), "a share is a number"),
        (TOKENS, (*MIXED, "--partial-tokens", "1/0"), "a share is a number"),
        (TOKENS, (*MIXED, "--partial-tokens", "some"), "a share is a number"),
        ("nas_bench_201", (*MIXED, "--partial-tokens", "1/4"), "E0908"),
    ],
)
def test_compile_refuses_what_means_nothing(here, named, options, why):
    refused = run("compile", named, "-o", "no", *options, code=2)
    assert why in " ".join(refused.stderr.replace("│", " ").split())
    assert not Path("no").exists()
    assert not Path("no").exists()


def test_compile_writes_and_is_found_again(here):
    assert run("compile", A, "-o", "out").stdout == "out/network.py\n"
    assert run("compile", NET, "-o", "out").stdout == "out/supernet.py\n"
    assert run("compile", A, "-o", "both", "--supernet").stdout.splitlines() == [
        "both/network.py",
        "both/supernet.py",
    ]
    assert run("fmt", A).stdout.strip() == run("convert", "out/network.py").stdout.strip() == A
    assert run("id", "out/network.py").stdout == run("id", A).stdout
    assert "15,625" in run("check", "out/supernet.py").stdout
    before = Path("out/network.py").read_text()
    run("compile", "out/network.py", "-o", "again")
    assert Path("again/network.py").read_text() == before


def test_compile_stages():
    tree = run("compile", A, "--emit", "tree").stdout
    assert tree.startswith("archdsl 1") and run("fmt", "--check", "-", input=tree)
    ir = run("compile", A, "--emit", "ir").stdout
    assert "none" in ir and ir != run("compile", A, "--emit", "ir-opt").stdout
    code = run("compile", A, "--emit", "code").stdout
    assert code.startswith('"""') and "import torch" in code
    plain = run("compile", A, "--emit", "code", "-O", "0", "--no-format").stdout
    compile(plain, "plain", "exec")
    assert plain != code
    assert "Choice" in run("compile", NET, "--emit", "code").stdout


def test_a_space_that_is_not_shipped_travels_with_the_file(small):
    run("compile", "small/network[b]", "--space", small, "-o", "out")
    small.unlink()
    assert "small/network[b]" in run("cost", "out/network.py").stdout


# ---- what is named -------------------------------------------------------------------------------


def test_use_brings_definitions(here):
    Path("lib").mkdir()
    Path("lib/base.arch").write_text(
        "archdsl 1\nspace base {\n  op body(c) = conv(c, k=3) -> relu\n"
        "  net network(image: 3 x 8 x 8) = image -> body(4) -> global_pool -> linear(2)\n}\n"
    )
    Path("user.arch").write_text(
        "archdsl 1\nuse base\nspace user {\n"
        "  net network(image: 3 x 8 x 8) = image -> body(9) -> global_pool -> linear(2)\n}\n"
    )
    costs = json.loads(run("cost", "user.arch", "--space", "lib/base.arch", "--json").stdout)
    assert costs["params"] == 3 * 9 * 9 + 9 + 9 * 2 + 2
    assert "error[E0701]" in run("cost", "user.arch", code=2).stderr
    run("compile", "user.arch", "--space", "lib/base.arch", "-o", "out")
    assert json.loads(run("cost", "out/network.py", "--json").stdout) == costs


@pytest.mark.parametrize(
    ("named", "code", "says"),
    [
        ("missing.arch", 2, "E0708"),
        ("missing.py", 2, "E0708"),
        ("folder.arch", 2, "E0708"),
        ("binary.arch", 2, "byte 0 is 0xff"),
        ("foreign.py", 2, "E0706"),
        ("broken.py", 2, "E0706"),
        ("empty.arch", 1, "error[E0205]"),
        ("run:best", 2, "E0702"),
        ("run:worst", 2, "E0702"),
        ("two.arch", 2, "E0704"),
        ("", 1, "error[E06"),
        ("nas_bench_2O1", 2, "did you mean nas_bench_201?"),
        ("nas_bench_201(wdth=4)/infer[none]", 1, "did you mean width?"),
        ("nas_bench_201/infer[none]\nx", 1, "E06"),
        ("x" * 300_000, 1, "E0101"),
        ("[" * 5000, 1, "error["),
        ("a/b[" + "x(" * 5000, 1, "error["),
        ("\x1b[31m", 1, "<U+001B>"),
        ("x" * 5000 + ".arch", 2, "E0708"),
    ],
)
def test_what_cannot_be_named(here, named, code, says):
    Path("folder.arch").mkdir()
    Path("binary.arch").write_bytes(b"\xff\x00\x01")
    Path("foreign.py").write_text("print('hello')\n")
    Path("broken.py").write_text("def (:\n")
    Path("empty.arch").write_text("")
    Path("two.arch").write_text(SMALL + SMALL.replace("small", "other").replace("archdsl 1", ""))
    for command in ("cost", "id", "check"):
        if (command, named) != ("check", "two.arch"):
            result = run(command, named, code=code)
            assert says in result.stderr and result.stdout == ""
    result = run("diff", A, named, code=code)
    assert says in result.stderr and "\x1b" not in result.stderr


def test_two_spaces_of_one_name(small, here):
    Path("again.arch").write_text(SMALL)
    assert "E0703" in run("spaces", "--space", small, "--space", "again.arch", code=2).stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(here):
    Path("locked").mkdir(mode=0o500)
    assert "E0707" in run("compile", A, "-o", "locked", code=2).stderr


def test_output_that_is_in_the_way(here):
    Path("file").write_text("mine")
    assert "E0707" in run("compile", A, "-o", "file", code=2).stderr
    assert "E0707" in run("show", A, "-o", "file/x.svg", code=2).stderr
    assert Path("file").read_text() == "mine"
    Path("x.svg").mkdir()
    assert "E0707" in run("show", A, "--format", "svg", "-o", "x.svg", code=2).stderr
    assert not [path for path in here.iterdir() if path.name.endswith(".part")]


# ---- the real process ----------------------------------------------------------------------------


def test_streams_of_the_real_process(here):
    fine = shell("cost", A, "--json")
    assert fine.returncode == 0 and fine.stderr == "" and json.loads(fine.stdout)["params"] == 8366
    wrong = shell("cost", "nope/x[y]", A, "--json")
    assert wrong.returncode == 2 and json.loads(wrong.stdout)["params"] == 8366
    assert json.loads(wrong.stderr)["code"] == "E0701"
    usage = shell("cost", "--nope")
    assert usage.returncode == 2 and usage.stdout == "" and "No such option" in usage.stderr


def test_strings_are_answered_as_they_come():
    with subprocess.Popen(
        [sys.executable, "-m", "archdsl", "cost", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin and process.stdout
        for string in (A, B):
            process.stdin.write(f"{string}\n")
            process.stdin.flush()
            assert list(json.loads(process.stdout.readline())) == KEYS
        process.stdin.close()
        assert process.wait(timeout=60) == 0


def test_a_reader_that_has_seen_enough():
    with subprocess.Popen(
        [sys.executable, "-m", "archdsl", "sample", NET, "-n", "100000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout and process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(timeout=60) == 128 + signal.SIGPIPE


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk():
    with open("/dev/full", "w") as full:
        process = subprocess.run(
            [sys.executable, "-m", "archdsl", "sample", NET],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    assert process.returncode == 2
    assert os.strerror(errno.ENOSPC) in process.stderr and "Traceback" not in process.stderr


def test_closed_streams():
    command = f"{sys.executable} -m archdsl cost - <&- 2>&1"
    process = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
    assert (process.returncode, process.stdout) == (0, "")
    command = f"{sys.executable} -m archdsl sample '{NET}' >&- "
    process = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
    assert "Traceback" not in process.stderr


def test_interrupt_is_130():
    with subprocess.Popen(
        [sys.executable, "-m", "archdsl", "cost", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # What a shell runs in the background ignores SIGINT, and hands that down.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdin and process.stdout and process.stderr
        process.stdin.write(f"{A}\n")
        process.stdin.flush()
        process.stdout.readline()
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
        assert process.stderr.read() == "stopped\n"


@pytest.mark.parametrize(("extra", "painted"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colour_only_on_a_terminal_that_wants_it(extra, painted):
    environment = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
    environment |= {"TERM": "xterm", **extra}
    ours, theirs = pty.openpty()
    subprocess.run(
        [sys.executable, "-m", "archdsl", "check", "nope"],
        stderr=theirs,
        env=environment,
        timeout=60,
        check=False,
    )
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert ("\x1b[" in shown) is painted and "E0701" in shown
    assert "\x1b[" not in shell("check", "nope").stderr


def test_an_error_of_ours_is_told_without_a_traceback(monkeypatch):
    monkeypatch.delenv("ARCHDSL_DEBUG", raising=False)
    monkeypatch.setattr(Library, "find", lambda *_: 1 // 0)
    result = CliRunner().invoke(app, ["cost", A])
    assert result.exit_code == 2
    assert "E0905" in result.stderr and "ZeroDivisionError in test_cli.py" in result.stderr
    monkeypatch.setattr(Library, "find", lambda *_: [][0 : int("9" * 5000)])
    assert "Traceback" not in CliRunner().invoke(app, ["cost", A]).output


@pytest.mark.parametrize("error", [MemoryError(), RecursionError(), OSError(28, "No space")])
def test_what_the_machine_cannot_do(monkeypatch, error):
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(Library, "find", fail)
    assert "error[E0710]" in run("cost", A, code=2).stderr


def test_completion_of_names():
    environment = os.environ | {
        "_ARCHDSL_COMPLETE": "complete_bash",
        "COMP_WORDS": "archdsl cost nas",
        "COMP_CWORD": "2",
    }
    shown = shell(env=environment)
    assert "nas_bench_201" in shown.stdout.split()


# ---- training ------------------------------------------------------------------------------------


def test_defaults_are_those_of_the_settings():
    from archdsl.run.settings import RetrainSettings, SearchSettings

    for name, settings in (("search", SearchSettings()), ("retrain", RetrainSettings())):
        text = " ".join(run(name, "--help").stdout.split())
        for field in fields(settings):
            flag, value = f"--{field.name.replace('_', '-')}", getattr(settings, field.name)
            assert flag in text
            if not isinstance(value, bool):
                assert f"[default: {value}]" in text.split(f"{flag} ")[1].split(" --")[0], flag


def test_search_retrain_inherit_verify(here):
    short = ("--epochs", "1", "--controller-steps", "1", "--derive-samples", "1")
    short += ("--measure-samples", "2", "--threads", "1")
    found = run("search", NET, "--controller", "random", "-o", "run", *short, "--json")
    summary = json.loads(found.stdout)
    assert summary["best"] in run("convert", "run:best").stdout
    assert run("search", NET, "--controller", "random", "-o", "run", *short, "--json").stdout
    other = run("search", NET, "-o", "run", *short, code=2)
    assert "E0809" in other.stderr

    weights = run("inherit", "run/checkpoint.safetensors", "--from", NET, "--to", "run:best",
                  "-O", "0", "-o", "carried.safetensors")  # fmt: skip
    assert weights.stdout == "carried.safetensors\n" and "carried" in weights.stderr
    trained = run("retrain", "run", "-o", "trained", "--inherit", "carried.safetensors",
                  "--epochs", "1", "--threads", "1", "--json")  # fmt: skip
    assert json.loads(trained.stdout)["architecture"] == summary["best"]

    to_a = ("trained/best.safetensors", "--from", "run:best", "--to", A, "-o", "next.safetensors")
    report = json.loads(run("inherit", *to_a, "--json").stdout)
    assert report["carried"] and report["params"] == 8366 and not report["reshaped"]
    wrong = run("inherit", "trained/best.safetensors", "--from", NET, "--to", A, "-o", "x", code=2)
    assert "E0812" in wrong.stderr and not Path("x").exists()

    verdict = json.loads(run("verify", "run:best", "--json").stdout)
    assert verdict["ok"] and verdict["architecture"] == summary["best"]


def test_every_shipped_space_is_named_in_completion():
    from archdsl.cli.command import space_names

    assert space_names("") == list(shipped_spaces())
    assert shipped_space("no such space") is None


def test_spaces_of_astronomic_size_are_told_in_words(tmp_path):
    """Python refuses to spell more than 4,300 digits, and floats end at 1e308."""
    path = tmp_path / "big.arch"
    path.write_text(
        "archdsl 1\nspace big {\n"
        "  block l(x) = x -> {relu | gelu | bn | conv(2)}\n"
        "  net network(image: 2 x 4 x 4) = image -> conv(2) -> l^7500 -> global_pool\n}\n"
    )
    assert "about 2.8e4515 architectures" in run("check", str(path)).stdout
    assert "about 2.8e4515 architectures" in run("show", str(path)).stdout
    assert json.loads(run("--json", "show", str(path)).stdout)["size"] == "about 2.8e4515"


def test_generated_files_are_read_with_what_people_add_to_them(here):
    run("compile", A, "-o", "out")
    path, string = here / "out" / "network.py", A
    source = path.read_text()
    expected = run("cost", string).stdout
    for edited in (
        f"{source}\nx = 1\n",
        f"{source}\n# a note of mine\n",
        source.replace("\n", "\r\n"),
    ):
        path.write_bytes(edited.encode())
        assert run("cost", path).stdout == expected
    path.write_text(f"{source}\n# archdsl 1\n# space other {{ }}\n")  # not the space that ships
    assert "E0706" in run("cost", path, code=2).stderr


def test_a_space_of_a_file_is_hinted_at_with_its_file(tmp_path: Path) -> None:
    file = tmp_path / "toy.arch"
    file.write_text(
        "archdsl 1 space toy(c=3) { net n(x: 3 x 8 x 8) = x -> conv(c) -> {relu | tanh} }"
    )
    plain = CliRunner().invoke(app, ["cost", str(file)])
    assert f"archdsl sample {file}\n" in plain.output
    changed = CliRunner().invoke(app, ["cost", "toy(c=4)", "--space", str(file)])
    assert f"archdsl sample 'toy(c=4)' --space {file}\n" in changed.output
    shipped = CliRunner().invoke(app, ["cost", "nas_bench_201"])
    assert "archdsl sample 'nas_bench_201'\n" in shipped.output
