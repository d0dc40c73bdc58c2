"""What summaries say: whether anything was learned or told apart, in which unit; progress."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest

from archdsl.run import progress as lines
from archdsl.run.moved import moved, moved_rows
from archdsl.run.settings import RunSettings, remember
from archdsl.run.tables import worth
from archdsl.run.whole_tables import verdicts
from archdsl.syntax.errors import ArchError
from tests.finished_runs import space


@pytest.mark.parametrize(
    ("gates", "made", "verdict"),
    [
        ({"a": [0.2488, 0.2522, 0.2490, 0.2500]}, 0, "hardly moved"),
        ({"a": [0.25] * 4, "one": [1.0]}, 0, "hardly moved"),
        ({"a": [0.2488, 0.2522, 0.2490, 0.2500], "b": [0.7, 0.3]}, 1, "not everywhere"),
        ({"b": [0.7, 0.3], "scales": [0.0, 1.4]}, 2, "moved"),
        ({"scales": [0.0, 0.0]}, 0, "hardly moved"),
    ],
)
def test_gates_that_hardly_moved_are_called_so(gates, made, verdict):
    found = moved(gates)
    assert found.made == made and verdict in found.verdict
    assert found.decisions == sum(len(one) > 1 for one in gates.values())


def test_digits_are_enough_to_see_how_far_gates_moved():
    said = dict(moved_rows(moved({"a": [0.2488, 0.2522, 0.2490, 0.2500]})))
    assert said["largest weight, mean"] == "0.2522; even weights would be 0.2500"
    assert said["furthest from even"] == "0.88 % above; 0 of 1 decisions 10 % or more"


def whole(*tests: float, images: int = 450):
    networks = [
        SimpleNamespace(title=title, summary=SimpleNamespace(test=test, test_images=images))
        for title, test in zip(("found", "other", "third"), tests, strict=False)
    ]
    return SimpleNamespace(space=space(), networks=networks)


def test_networks_that_are_not_told_apart_are_named():
    assert verdicts(whole(0.80, 0.60)) == []
    (one,) = verdicts(whole(0.80, 0.79))
    assert one == "What was found and other are not told apart by 450 test images."
    assert verdicts(whole(0.80, 0.79, images=1_000_000)) == []


def test_what_is_chance_is_called_so():
    first, *rest = verdicts(whole(0.11, 0.60))
    assert first.startswith("What was found is not above chance (10.0 %)") and not rest
    assert verdicts(whole(0.60, 0.10))[0].startswith("other is not above chance")


def test_a_reward_is_in_percent_where_it_is_an_accuracy():
    assert worth(0.248889, {"reward": 0.248889, "accuracy": 0.248889}) == "24.9 % accuracy"
    assert worth(0.248889, {"accuracy": 0.5}) == "0.248889"
    assert worth(94.3, {"accuracy": 94.3}) == "94.3"


def test_without_a_terminal_progress_is_a_plain_line_now_and_then(monkeypatch, tmp_path):
    now, out = [0.0], io.StringIO()
    monkeypatch.setattr("sys.stderr", out)
    monkeypatch.setattr(lines.time, "monotonic", lambda: now[0])
    with lines.progress("search", 1000, quiet=False, folder=tmp_path / "a\x1b[2Jb") as advance:
        for step in range(1, 1001):
            now[0] = step / 10
            advance(step, "loss 1.000")
    told = out.getvalue().splitlines()
    assert told[0].startswith("search in ") and told[0].endswith(": 1,000 steps")
    assert [line.split(": ")[1] for line in told[1:]] == [
        f"{10 * s} of 1,000 after {s} s, loss 1.000".replace("1000 of", "1,000 of")
        for s in (30, 60, 90)
    ]
    assert all(c.isprintable() for line in told for c in line)


def test_quiet_progress_says_nothing(capsys, tmp_path):
    with lines.progress("search", 10, quiet=True, folder=tmp_path) as advance:
        advance(10)
    with lines.progress("verify", 10, quiet=False) as advance:
        advance(10)
    assert capsys.readouterr().err == ""


def test_of_texts_that_differ_the_lines_that_do_are_told(tmp_path):
    program, path = space().program, tmp_path / "settings.json"
    text = "method a {\n  epochs = 3\n  batch_size = 8\n}\n"
    remember(path, program, RunSettings(), {"method": text})
    (tmp_path / "checkpoint.safetensors").touch()
    with pytest.raises(ArchError) as caught:
        remember(path, program, RunSettings(), {"method": text.replace("3", "4")})
    (finding,) = caught.value.diagnostics
    assert (finding.found, finding.expected) == ("method: epochs = 4", "method: epochs = 3")
