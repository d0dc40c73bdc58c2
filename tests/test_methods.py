"""Methods: text, errors, other settings for them, and those that ship."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from typer.testing import CliRunner

from archdsl.cli.main import app
from archdsl.library import Library
from archdsl.methods import changed, whole_method
from archdsl.methods.method import WHERE, Around
from archdsl.recipes import whole_recipe
from archdsl.resources import shipped_method, shipped_methods
from archdsl.run.searches import recipes_of
from archdsl.run.settings import ExploreSettings, RunSettings, SearchSettings
from archdsl.syntax.errors import ArchError
from archdsl.syntax.parse import parse
from archdsl.syntax.printer import format_text
from benchmarks.runs import commands

TWO = """archdsl 1

# What stands here stays here.
## Weights first.
method two {
  weights {  # drawn uniformly
    controller = random
    epochs = 3
  }
  found {
    fixed = weights
    levels = 2
    evaluator = supernet(run=weights, calibration=3)
    controller = generations(population=4, inside="drawn")
    budget = 12
  }
}
""".replace("found {", "better {")


def read(text: str):
    (written,) = parse(text).methods
    return whole_method(written)


def method(*lines: str) -> str:
    return "archdsl 1\n\nmethod mine {\n  " + "\n  ".join(lines) + "\n}\n"


# ---- text ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", shipped_methods())
def test_shipped_methods_are_whole(name):
    found = whole_method(Library().written_method(name))
    assert found.name == name
    assert read(found.text) == found
    text = shipped_method(name)
    assert format_text(text, name) == text
    recipes_of(found, Library())  # every controller, evaluator and recipe is there


def test_the_four_papers_have_a_method():
    assert {"metaformer_nas", "glit", "dasvit", "tnas"} <= set(shipped_methods())


def test_stages_are_read_in_order():
    assert format_text(TWO, "two") == TWO
    found = read(TWO)
    weights, better = found.stages
    assert weights.settings == SearchSettings(controller="random", epochs=3)
    assert weights.given == {"controller", "epochs"}
    assert better.settings == ExploreSettings(
        controller='generations(population=4, inside="drawn")',
        evaluator='supernet(run="weights", calibration=3)',
        budget=12,
    )
    assert better.around == Around(fixed="weights", levels=2)
    assert better.weights == ("weights",) and weights.weights == ()
    assert read(found.text) == found


def test_settings_alone_are_one_stage():
    (only,) = read(method('controller = "reinforce(decay=0.9)"', "evaluator = shared")).stages
    assert only.name == "search"
    assert only.settings == SearchSettings(controller="reinforce(decay=0.9)")
    (empty,) = read(method()).stages
    assert empty.settings == SearchSettings()


def test_every_setting_of_a_search_can_be_said():
    """What a search takes is what a method takes: nothing is listed a second time."""
    for kind, first in ((SearchSettings, ()), (ExploreSettings, ('evaluator = "train"',))):
        for one in fields(kind):
            if one.name in WHERE or one.name == "evaluator":
                continue
            default = one.default
            value = ("no", "yes")[default] if isinstance(default, bool) else default
            value = f'"{value}"' if isinstance(default, str) else value
            (stage,) = read(method(*first, f"{one.name} = {value}")).stages
            assert getattr(stage.settings, one.name) == default
            assert one.name in stage.given


def test_where_it_runs_is_not_the_method_s():
    assert {"data", "seed", "threads", "device"} == WHERE
    here = RunSettings(data="folder:x", seed=7, threads=3)
    weights, better = (stage.at(here) for stage in read(TWO).stages)
    assert (weights.data, weights.seed, weights.threads) == ("folder:x", 7, 3)
    assert better.seed == 7


@pytest.mark.parametrize(
    ("lines", "line", "says"),
    [
        (("epochs = 0",), 4, "epochs cannot be 0"),
        (("epochs = 1.5",), 4, "epochs cannot be this value"),
        (("epochs = -3",), 4, "epochs cannot be -3"),
        (("epochs = 1 + 2",), 4, "a setting is a literal or NAME(SETTING=VALUE, ...)"),
        (("epoch = 3",), 4, "a stage has no setting epoch"),
        (("budget = 3",), 4, "budget needs an evaluator"),
        (('evaluator = "train"', "epochs = 3"), 5, "epochs is for shared weights"),
        (("seed = 3",), 4, "seed is an option of the run"),
        (("controller = random", "a {}"), 4, "a method has settings or stages, not both"),
        (("found {}",), 4, "a stage cannot be called found"),
        (("a { fixed = b }", "b {}"), 4, "no stage before a is called b"),
        (("a { evaluator = supernet(run=a) }",), 4, "no stage before a is called a"),
        (("a {}", "b { fixed = a levels = 0 }"), 5, "levels cannot be 0"),
        (("controller = random(3)",), 4, "settings have names"),
        (("controller = random(x=1 + 2)",), 4, "settings have names"),
    ],
)
def test_wrong_methods_are_refused_at_their_place(lines, line, says):
    with pytest.raises(ArchError) as caught:
        read(method(*lines))
    (finding,) = caught.value.diagnostics
    assert finding.code == "E0860"
    assert says in finding.message
    text = finding.span.source.text
    assert text[: finding.span.start].count("\n") + 1 == line


def test_all_of_a_file_is_checked_and_what_is_wrong_in_its_texts_is_a_finding(tmp_path):
    path = tmp_path / "texts.arch"
    text = "archdsl 1\ntrain a { epochs = -3 }\ntrain b { precision = bfloat16 }\n"
    path.write_text(text + "method c { found {} }\nmethod d { budget = 3 }\n")
    result = CliRunner().invoke(app, ["check", str(path)])
    assert result.exit_code == 1
    assert result.output.count("error[E0830]") == result.output.count("error[E0860]") == 2
    for words in ("found: epochs = -3", 'in quotes: "bfloat16"', "against, found, lock", "judges"):
        assert words in result.output, result.output


def test_recipes_that_methods_name_are_looked_up(tmp_path):
    path = tmp_path / "texts.arch"
    text = "archdsl 1\ntrain mine { epochs = 3 }\nmethod a { recipe = mine }\n"
    path.write_text(text + "method b { recipe = darts }\nmethod c { recipe = nobody }\n")
    result = CliRunner().invoke(app, ["check", str(path)])
    assert result.exit_code == 1 and result.output.count("error[") == 1
    assert "texts.arch:5:21" in result.output and "found: nobody" in result.output
    assert "expected: mine, " in result.output
    again = CliRunner().invoke(app, ["check", f"{tmp_path}/./texts.arch"])
    assert again.exit_code == 1


def test_what_check_finds_in_a_file_a_run_finds_there(tmp_path):
    """Recipes beside a method are its own, before those that ship and after those of --space."""
    path = tmp_path / "mine.arch"
    net = "x -> {a = conv(4) | b = conv(4, k=3)} -> global_pool -> linear(10)"
    path.write_text(
        f"archdsl 1\nspace s() {{ net n(x: 1 x 8 x 8) = {net} }}\n"
        "train darts { epochs = 7 }\nmethod a { controller = darts recipe = darts }\n"
    )
    assert CliRunner().invoke(app, ["check", str(path)]).exit_code == 0
    library = Library()
    library.find(str(path))  # as `search FILE --recipe darts` does
    assert library.recipe("darts").epochs == 7
    library = Library()
    found = whole_method(library.written_method("a", beside=str(path)))
    assert recipes_of(found, library)["search"].epochs == 7
    other = tmp_path / "other.arch"
    other.write_text("archdsl 1\ntrain darts { epochs = 9 }\n")
    library = Library([other])
    found = whole_method(library.written_method(str(path)))
    assert recipes_of(found, library)["search"].epochs == 9


def test_all_of_one_name_in_a_file_are_findings(tmp_path):
    path = tmp_path / "texts.arch"
    twice = "method a { epochs = 1 }\ntrain t { epochs = 2 }\n"
    path.write_text(f"archdsl 1\n{3 * twice}method b {{ epochs = 1 }}\n")
    result = CliRunner().invoke(app, ["check", str(path)])
    assert result.exit_code == 1
    assert result.output.count("two methods are called a") == 2
    assert result.output.count("two recipes are called t") == 2


def test_an_evaluator_without_quotes_is_helped():
    with pytest.raises(ArchError) as caught:
        read(method("evaluator = train(epochs=3)"))
    assert 'in quotes: "train(...)"' in caught.value.diagnostics[0].hint


def test_every_finding_is_told():
    with pytest.raises(ArchError) as caught:
        read(method("a { epochs = 0 nothing = 1 }", "b { fixed = c }"))
    assert len(caught.value.diagnostics) == 3


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (("controller = nobody",), "E0801"),
        (("controller = darts", "controller_steps = 3"), "E0860"),
        (("controller = darts(order=7)",), "E0818"),
        (("evaluator = nobody",), "E0820"),
        (('evaluator = "train"', "controller = darts"), "E0801"),
        (('evaluator = "train"', 'latency = "guessed"'), "E0829"),
        (('evaluator = "train"', "recipe = darts"), "E0860"),
        (("controller = darts", "recipe = nobody"), "E0831"),
    ],
)
def test_what_no_search_takes_is_refused_before_a_start(lines, code):
    with pytest.raises(ArchError) as caught:
        recipes_of(read(method(*lines)), Library())
    (finding,) = caught.value.diagnostics
    assert finding.code == code
    text = finding.span.source.text
    assert text[: finding.span.start].count("\n") == 2 + len(lines)  # the last is wrong


def test_what_is_wrong_with_each_stage_is_told_at_once():
    with pytest.raises(ArchError) as caught:
        recipes_of(read(method("a { controller = nobody }", "b { paths = nowhere }")), Library())
    assert [one.found for one in caught.value.diagnostics] == ["nobody", "nowhere"]
    lines = ("controller = nobody", "paths = nowhere", "recipe = none_")
    with pytest.raises(ArchError) as caught:
        recipes_of(read(method(*lines)), Library())
    assert [one.found for one in caught.value.diagnostics] == ["nobody", "nowhere", "none_"]
    with pytest.raises(ArchError) as caught:
        recipes_of(read(method("controller = darts", "paths = nowhere")), Library())
    (finding,) = caught.value.diagnostics
    assert "paths is not for darts" in finding.message


def test_methods_that_are_not_there(tmp_path):
    both = tmp_path / "two.arch"
    both.write_text(TWO + TWO.removeprefix("archdsl 1\n").replace("two", "other"))
    for named in ("nobody", str(both)):
        with pytest.raises(ArchError) as caught:
            Library().written_method(named)
        assert caught.value.diagnostics[0].code == "E0861"
    with pytest.raises(ArchError) as caught:
        Library().find(str(both))  # a file without a space is none
    assert caught.value.diagnostics[0].code == "E0704"
    assert Library([both]).written_method("other").name == "other"
    twice = tmp_path / "twice.arch"
    twice.write_text(TWO)
    with pytest.raises(ArchError) as caught:
        Library([both, twice])
    assert caught.value.diagnostics[0].code == "E0703"


# ---- other settings ------------------------------------------------------------------------------


def other(*settings: str):
    (written,) = parse(TWO).methods
    found, recipe = changed(written, Library().written_recipe("darts"), settings)
    return whole_method(found), whole_recipe(recipe)


def test_why_a_setting_is_none_is_told():
    with pytest.raises(ArchError, match="a number is out of range"):
        other("weights.epochs=1e999")


def test_a_setting_is_expected_once():
    with pytest.raises(ArchError) as caught:
        other("better.nobody=1")
    expected = caught.value.diagnostics[0].expected.split(", ")
    assert len(set(expected)) == len(expected) and "evaluator" in expected


def test_other_settings_are_as_if_the_text_said_them():
    found, recipe = other("weights.epochs=1", "better.batch=2", "train.epochs=3", "train.warmup=1")
    assert found.stages[0].settings.epochs == 1
    assert (found.stages[1].settings.budget, found.stages[1].settings.batch) == (12, 2)
    assert (recipe.epochs, recipe.warmup, recipe.batch_size) == (3, 1, 96)
    assert found == read(found.text) and "epochs = 1\n" in found.text
    assert other("better.controller=tnas(top=3)")[0].stages[1].settings.controller == "tnas(top=3)"


@pytest.mark.parametrize(
    ("setting", "code"),
    [
        ("nobody.epochs=1", "E0860"),
        ("weights.epochs", "E0860"),
        ("weights.=1", "E0860"),
        (".epochs=1", "E0860"),
        ("weights.epochs=1\n}\n", "E0860"),
        ("weights.epochs=1 budget=2", "E0860"),
        ("weights.epochs=1 } method b {", "E0860"),
        ("weights.epochs=(", "E0860"),
        ("weights.budget=1", "E0860"),
        ("epochs=1", "E0860"),  # beside stages
        ("train.epoch=1", "E0830"),
        ("", "E0860"),
    ],
)
def test_settings_that_mean_nothing(setting, code):
    with pytest.raises(ArchError) as caught:
        other(setting)
    assert caught.value.diagnostics[0].code == code


def test_what_is_wrong_with_an_option_is_shown_in_it():
    with pytest.raises(ArchError) as caught:
        other("weights.epochs=0")
    span = caught.value.diagnostics[0].span
    assert span.source.text == "weights.epochs=0"
    assert span.source.text[span.start : span.end] == "epochs=0"
    with pytest.raises(ArchError) as caught:
        other("better.evaluator=train(epochs=3)")
    (finding,) = caught.value.diagnostics
    assert finding.span.source.text[finding.span.start : finding.span.end] == "train"
    assert "in quotes" in finding.hint and "NAME=VALUE" in finding.expected


def test_documentation_names_the_methods_and_runs_their_commands():
    page = (Path(__file__).parent.parent / "docs" / "runs.md").read_text(encoding="utf-8")
    assert [name for name in shipped_methods() if f"`{name}`" not in page] == []
    for words in commands():
        found = subprocess.run(
            [sys.executable, "-m", "archdsl", *words, "--data", "nothing", "-o", "nowhere"],
            capture_output=True,
            text=True,
        )
        assert "E0802" in found.stderr, found.stderr  # all else was understood
