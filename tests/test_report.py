"""Reports of runs: what they show, that bytes repeat, and that no text becomes markup."""

from __future__ import annotations

import base64
import json
import re
import shutil
import sqlite3
from html.parser import HTMLParser
from pathlib import Path

import pytest

from archdsl.report import figure, report_html
from archdsl.run.ledger import open_ledger, read_ledger
from archdsl.run.record import read_record
from archdsl.syntax.errors import ArchError
from tests.finished_runs import EVERY, KINDS, TEXT, change, cut, make
from tests.shipped import written
from tests.test_cli import run
from tests.test_startup import loaded


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A finished run of each kind, never changed."""
    folder = tmp_path_factory.mktemp("runs")
    return {kind: make(kind, folder / kind, folder) for kind in KINDS}


class Read(HTMLParser):
    """A page as a browser takes it apart."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.sections: list[str] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag == "section":
            self.sections.append(dict(attrs)["id"] or "")

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    @property
    def images(self) -> list[str]:
        """The SVGs of the page."""
        begin = "data:image/svg+xml;base64,"
        found = [value for name, value in self.attributes if name == "src"]
        assert all(value.startswith(begin) for value in found)
        return [base64.b64decode(value.removeprefix(begin)).decode() for value in found]


def report(folder: Path, **options: object) -> Read:
    return Read(report_html(folder, **options))  # type: ignore[arg-type]


def code_of(caught: pytest.ExceptionInfo[ArchError]) -> str:
    return caught.value.diagnostics[0].code


# --- what it shows ---------------------------------------------------------------------------

COMMON = ["found", "changes", "costs", "settings", "space", "code"]
SECTIONS = {
    "shared": ["outcome", "curves", "best", *COMMON],
    "gates": ["outcome", "curves", "best", *COMMON],
    "explored": ["outcome", "curves", "best", "front", *COMMON],
    "retrained": ["outcome", "curves", *COMMON],
}


@pytest.mark.parametrize("kind", KINDS)
def test_sections(runs: dict[str, Path], kind: str) -> None:
    page = report(runs[kind])
    assert page.sections == SECTIONS[kind]
    best = read_record(runs[kind]).best()
    assert best is not None and best.text in page.text
    assert "class Small" in page.text and "cell part(x)" in page.text
    assert sum("<path" in svg for svg in page.images) >= 4  # a curve, both cells, networks
    assert all("href" not in svg.replace('xlink:href="#', "") for svg in page.images)


def test_figures_are_those_of_the_ledger(runs: dict[str, Path]) -> None:
    told = json.loads((runs["explored"] / "summary.json").read_text())
    page = report(runs["explored"])
    entries = read_ledger(runs["explored"] / "ledger.sqlite")
    rewards = {e.text: e.reward for e in entries if e.reward is not None}
    failed = sum(e.reward is None for e in entries)
    assert failed and f"missing {failed}" in page.text
    assert f"20 of 20, {told['distinct']} different architectures" in page.text
    best = max(rewards.values())
    row = page.text.partition("The best of the ledger")[2]
    assert re.search(rf"\b1 {100 * best:.1f} % ", row) and told["best"] in row
    assert page.text.count(" dominated by none, in accuracy and latency") == 1
    for one in told["front"]:
        assert f"{one['values']['latency']:.6g} {one['architecture']}" in page.text


def test_of_shared_weights_the_last_epoch_counts(runs: dict[str, Path]) -> None:
    record = read_record(runs["shared"])
    rows = [e for e in record.entries if e.kind != "train" and e.epoch >= 1]
    assert {e.epoch for e in rows if e.kind == "search"} == {1}
    scores = record.scores()
    assert set(scores) == {e.text for e in rows}
    for text, score in scores.items():
        asked = [e for e in rows if e.text == text]
        assert (score.reward, score.times) == (asked[-1].reward, len(asked))
    ratio = json.loads((runs["shared"] / "summary.json").read_text())["signal"]["ratio"]
    assert f"ratio {ratio:.1f}: " in report(runs["shared"]).text


def test_gates_are_drawn_by_decision(runs: dict[str, Path]) -> None:
    drawn = "".join(report(runs["gates"]).images)
    decisions = read_record(runs["gates"]).space.decisions
    assert len(decisions) == 2
    for decision in decisions:
        assert f">{decision.key}: " in drawn
        assert all(f">{label}<" in drawn for label in decision.hole.labels)


def test_stages_decide_less_or_other_things(tmp_path: Path) -> None:
    """Weights of what a later stage has no more end there; strings may be of another size."""
    from archdsl.controllers.gates import DartsSettings
    from archdsl.run.gates import search_gates
    from archdsl.run.settings import SearchSettings

    method = DartsSettings(keep="3, 2", grow="depth=1, 2", learning_rate=0.3)
    out = tmp_path / "run"
    settings = SearchSettings(epochs=1, batch_size=256, threads=1)
    search_gates(written(DEEPER), method, out=out, settings=settings, quiet=True)
    first, last, _ = read_ledger(out / "ledger.sqlite")
    assert first.text.startswith("deeper(depth=1)/") and last.text.startswith("deeper/")
    page = report(out)
    assert first.text in page.text and last.text in page.text
    drawn = "".join(page.images)
    for decision in read_record(out).space.decisions:
        assert f">{decision.key}: " in drawn


DEEPER = """archdsl 1

space deeper(depth=2) {
  block part(x) {
    return x + (x -> {work = conv(4, k=3) -> bn -> relu | pass = id | still = relu})
  }
  net network(image: 1 x 8 x 8) {
    a = image -> conv(4, k=3, s=2) -> bn -> relu
    return a -> part^depth -> global_pool -> linear(10)
  }
}
"""


def test_retrainings_within_and_elsewhere(runs: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(runs["shared"], tmp_path / "run")
    (folder / "notes").mkdir()
    (folder / "notes/settings.json").write_text("somebody else's")
    assert "retraining" not in report(folder).sections
    test = json.loads((runs["retrained"] / "summary.json").read_text())["test"]
    said = f"test accuracy {100 * test:.1f} %"
    assert said in report(folder, retrainings=[runs["retrained"]]).text
    shutil.copytree(runs["retrained"], folder / "final")
    page = report(folder)
    assert "retraining" in page.sections and said in page.text


def test_against(runs: dict[str, Path], tmp_path: Path) -> None:
    page = report(runs["retrained"], against=EVERY[3])
    assert f"--- {EVERY[3]} +++ {EVERY[2]} part: b: tanh -> relu" in page.text
    assert "They are the same." in report(runs["retrained"], against=EVERY[2]).text
    plain = report(runs["retrained"], against="metaformer(size=32, classes=10)")
    assert "space: metaformer -> small" in plain.text and "parameters" in plain.text
    with pytest.raises(ArchError) as caught:
        report(runs["retrained"], against="nothing/x[a]")
    assert code_of(caught) == "E0701"
    with pytest.raises(ArchError) as caught:
        report(runs["retrained"], against="small/part[work; nonsense]")
    assert code_of(caught).startswith("E06")


def test_a_network_without_decisions_has_no_other(tmp_path: Path) -> None:
    from archdsl.run.retrain import retrain
    from archdsl.run.settings import RetrainSettings

    text = """archdsl 1
space one {
  net network(image: 1 x 8 x 8) {
    return image -> conv(4) -> global_pool -> linear(10)
  }
}
"""
    only = written(text)
    settings = RetrainSettings(epochs=1, threads=1)
    retrain(only.resolve(only.unrank(0)), out=tmp_path / "run", settings=settings, quiet=True)
    page = report(tmp_path / "run")
    assert "changes" not in page.sections and "costs" in page.sections
    assert len(page.images) == 2


# --- runs that are not finished --------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_unfinished_runs(runs: dict[str, Path], tmp_path: Path, kind: str) -> None:
    """However far it came: with no row, with one that waits, with all."""
    rows = len(read_ledger(runs[kind] / "ledger.sqlite"))
    for count in sorted({1, 2, min(rows, 3), rows // 2 + 1, rows - 1, rows} - {0}):
        folder = cut(runs[kind], tmp_path / f"{count}", count)
        page = report(folder)
        assert "This run is not finished" in page.text
        assert page.sections[:2] == ["outcome", "curves"]
    change(folder, "DELETE FROM ledger")
    page = report(folder)
    assert "Nothing was told yet" in page.text and "settings" in page.sections


def test_a_run_at_work_is_read_and_nothing_else_written(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(runs["explored"], tmp_path / "run")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    report(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    with open_ledger(folder / "ledger.sqlite") as ledger:
        ledger.ask(20, 0, "search", EVERY[1])
        ledger.tell(20, 0.99, {"values": {"accuracy": 0.99, "latency": 1.0}})
        assert read_ledger(folder / "ledger.sqlite")[-1].reward == 0.99
        assert "reward 99.0 % accuracy" in report(folder).text


# --- the same bytes, and what it needs -------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_the_command_writes_the_same_bytes(
    runs: dict[str, Path], tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In another process, with other hashes, after another report; and without torch."""
    report(runs["gates"])
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    modules = loaded(["report", str(runs[kind]), "-o", str(tmp_path / "r.html")])
    assert "matplotlib" in modules and not modules & {"torch", "torchvision", "safetensors"}
    assert (tmp_path / "r.html").read_text() == report_html(runs[kind])


def test_it_goes_beside_the_run(runs: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(runs["retrained"], tmp_path / "run")
    done = run("report", folder)
    assert done.stdout == f"{folder / 'report.html'}\n"
    assert (folder / "report.html").read_text() == report_html(folder)
    assert json.loads(run("--json", "report", folder).stdout) == {
        "report": f"{folder / 'report.html'}"
    }


def test_somebodys_matplotlib_settings_change_nothing(runs: dict[str, Path]) -> None:
    import matplotlib as mpl

    before = report_html(runs["explored"])
    with mpl.rc_context({"font.size": 30, "svg.fonttype": "path", "axes.grid": False}):
        assert report_html(runs["explored"]) == before
        assert mpl.rcParams["font.size"] == 30


def test_without_matplotlib(runs: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figure, "find_spec", lambda name: None)
    with pytest.raises(ArchError, match="matplotlib") as caught:
        report_html(runs["shared"])
    assert code_of(caught) == "E0821"
    assert caught.value.diagnostics[0].hint == "pip install 'archdsl[report]'"


# --- what is no run, and texts that nobody can trust -----------------------------------------


def refused(folder: Path) -> str:
    """What the command says; it ends with 2 and writes nothing."""
    done = run("report", folder, "-o", folder / "r.html", code=2)
    assert not (folder / "r.html").exists()
    return done.stderr


@pytest.mark.parametrize("name", ["settings.json", "ledger.sqlite"])
@pytest.mark.parametrize("content", [None, b"", b"not what was here" * 500, b"{}", b"[[[", b"\xff"])
def test_broken_files(
    runs: dict[str, Path], tmp_path: Path, name: str, content: bytes | None
) -> None:
    folder = shutil.copytree(runs["shared"], tmp_path / "run")
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    assert "E0807" in refused(folder)


def test_no_folder_at_all(tmp_path: Path) -> None:
    assert "E0807" in refused(tmp_path / "nothing")
    (tmp_path / "file").write_text("x")
    assert "E0807" in run("report", tmp_path / "file", code=2).stderr


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger SET text = 'small/part[nonsense; relu]'",
        "UPDATE ledger SET text = 'other/part[work; relu]'",
        "UPDATE ledger SET detail = '{'",
        "UPDATE ledger SET detail = '[1]'",
        "UPDATE ledger SET detail = '{\"hits\": [[1, 0]]}'",
        "UPDATE ledger SET detail = '{\"hits\": 3}'",
        'UPDATE ledger SET detail = \'{"gates": {"part:a": ["x"]}}\'',
        'UPDATE ledger SET detail = \'{"values": {"accuracy": null}}\'',
        'UPDATE ledger SET detail = \'{"values": {"accuracy": 1' + "0" * 400 + "}}'",
        "UPDATE ledger SET reward = 9e999",
        "UPDATE ledger SET reward = 3.0",
        "ALTER TABLE ledger RENAME TO leger",
        "ALTER TABLE ledger RENAME COLUMN detail TO details",
    ],
)
@pytest.mark.parametrize("kind", ["shared", "gates"])
def test_broken_rows(runs: dict[str, Path], tmp_path: Path, statement: str, kind: str) -> None:
    folder = shutil.copytree(runs[kind], tmp_path / "run")
    change(folder, statement)
    assert "E0807" in refused(folder)


def test_a_ledger_without_types(runs: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(runs["explored"], tmp_path / "run")
    change(folder, "ALTER TABLE ledger RENAME TO old")
    change(folder, "CREATE TABLE ledger AS SELECT * FROM old")
    assert "outcome" in report(folder).sections
    change(folder, "UPDATE ledger SET step = 'first', reward = 'high'")
    assert "E0807" in refused(folder)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("space", 7),
        ("space", ["small"]),
        ("parameter x", {}),
        ("batch_size", "many"),
        ("batch_size", 0),
    ],
)
def test_settings_that_mean_nothing(
    runs: dict[str, Path], tmp_path: Path, name: str, value: object
) -> None:
    folder = shutil.copytree(runs["shared"], tmp_path / "run")
    known = json.loads((folder / "settings.json").read_text())
    known["settings"][name] = value
    (folder / "settings.json").write_text(json.dumps(known))
    assert "error[E" in refused(folder) and "E0905" not in refused(folder)


def test_a_summary_that_is_none(runs: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(runs["retrained"], tmp_path / "run")
    for content in ("[", "[]", '{"test": "good"}', "[" * 100_000):
        (folder / "summary.json").write_text(content)
        assert "E0807" in refused(folder)


EVIL = (
    "</pre></code><script>fetch('http://example.org')</script>"
    "<img src=http://example.org/a onerror=x>"
)


def test_texts_stay_texts(runs: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(runs["explored"], tmp_path / "run")
    failure = json.dumps({"failed": EVIL, "message": EVIL + "\ud800\x00"})
    change(folder, "UPDATE ledger SET reward = NULL, detail = ? WHERE step < 3", failure)
    known = json.loads((folder / "settings.json").read_text())
    known["settings"]["recipe"] = known["settings"][EVIL] = known["environment"]["os"] = EVIL
    (folder / "settings.json").write_text(json.dumps(known))
    page = report(folder)
    assert EVIL in page.text
    assert TEXT.partition("Written by ")[2].partition("\n")[0] in page.text
    assert "script" not in page.tags and page.tags.count("style") == 1
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    links = {value for name, value in page.attributes if name in ("src", "href")}
    assert all(value.startswith(("#", "data:image/svg+xml")) for value in links)
    (policy,) = (value for name, value in page.attributes if value.startswith("default-src"))
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    assert not any("<script" in svg or "<image" in svg for svg in page.images)


def test_sqlite_says_what_is_asked_of_it(runs: dict[str, Path]) -> None:
    """Ledgers are read where nothing can be written: no log, no shared memory beside them."""
    connection = sqlite3.connect(runs["shared"] / "ledger.sqlite")
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()
    read_ledger(runs["shared"] / "ledger.sqlite")
    beside = {path.name for path in runs["shared"].glob("ledger.sqlite-*")}
    assert not beside
