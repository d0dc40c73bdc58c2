"""Reports in a real browser: all of it is seen, nothing is asked of the network, no complaints.

Chromium of Debian's packages (`apt-get install chromium`); skipped where there is none.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from archdsl.report import report_html
from tests.finished_runs import KINDS, make

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--enable-logging=stderr", "--virtual-time-budget=5000"),
    "--host-resolver-rules=MAP * ~NOTFOUND",  # what the browser asks on its own stays here too
]
ASKED = re.compile(r'"initiator":"(?!not an origin")[^\n]*"url":"((?:https?|wss?|ftp)://[^"]*)"')
"""A request that a page made: those of the browser itself come from no origin."""
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
LOOK = """<script>
addEventListener("load", () => {
  const box = e => { const r = e.getBoundingClientRect(); return [r.width, r.height]; };
  const seen = {
    sections: [...document.querySelectorAll("section")].map(s => [s.id, ...box(s)]),
    empty: [...document.querySelectorAll("section > *, td, th, nav a")]
      .filter(e => !e.closest("details") && e.textContent && box(e).some(x => x == 0)).length,
    images: [...document.images].map(i => [i.naturalWidth, ...box(i), !!i.closest("details")]),
    wide: document.documentElement.scrollWidth - innerWidth,
    ink: getComputedStyle(document.body).color,
    page: getComputedStyle(document.body).backgroundColor,
  };
  const told = document.createElement("script");
  told.type = "application/json"; told.id = "seen"; told.textContent = JSON.stringify(seen);
  document.body.append(told);
});
</script>"""
"""What a page looks like from within; only copies of a report, without its policy, run it."""

pytestmark = pytest.mark.skipif(not BROWSER, reason="no chromium: apt-get install chromium")


@dataclass(frozen=True)
class Shown:
    dom: str
    complaints: list[str]
    requests: list[str]


def shown(page: Path, folder: Path, *flags: str) -> Shown:
    """A page in the browser: its elements, what the console says, addresses that it asked for."""
    log = folder / "net.json"
    done = subprocess.run(
        [BROWSER, *FLAGS, *flags, f"--user-data-dir={folder / 'profile'}", f"--log-net-log={log}",
         "--dump-dom", page.as_uri()],
        capture_output=True, text=True, timeout=180,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    text = log.read_text(encoding="utf-8", errors="replace")
    return Shown(
        dom=done.stdout,
        complaints=[line for line in done.stderr.splitlines() if "CONSOLE" in line],
        requests=sorted(set(ASKED.findall(text))),
    )


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The report of a run of each kind."""
    folder = tmp_path_factory.mktemp("reports")
    found = {}
    for kind in KINDS:
        run = make(kind, folder / kind, folder)
        found[kind] = run / "report.html"
        retrainings = [folder / "retrained"] if (folder / "retrained").exists() else []
        found[kind].write_text(report_html(run, retrainings=retrainings))
    return found


def looked(page: Path, folder: Path, *flags: str) -> dict:
    html = page.read_text()
    copy = folder / "copy.html"
    copy.write_text(POLICY.sub("", html).replace("</body>", f"{LOOK}</body>"))
    dom = shown(copy, folder, *flags).dom
    (seen,) = re.findall(r'id="seen">(.*?)</script>', dom, re.DOTALL)
    return json.loads(seen)


@pytest.mark.parametrize("kind", KINDS)
def test_all_is_seen_and_nothing_asked(pages: dict[str, Path], tmp_path: Path, kind: str) -> None:
    found = shown(pages[kind], tmp_path)
    assert found.complaints == [] and found.requests == []
    titles = re.findall(r"<h2>(.*?)</h2>", pages[kind].read_text())
    assert len(titles) >= 8 and all(f"<h2>{title}</h2>" in found.dom for title in titles)
    seen = looked(pages[kind], tmp_path)
    assert len(seen["sections"]) == len(titles)
    assert all(width > 500 and height > 40 for _, width, height in seen["sections"])
    assert seen["images"] and seen["empty"] == 0
    for natural, width, height, folded in seen["images"]:
        assert natural > 100 and (folded or (width > 100 and height > 100))
    assert seen["wide"] <= 0


@pytest.mark.parametrize("width", [400, 800])
def test_narrow_screens_scroll_one_way(pages: dict[str, Path], tmp_path: Path, width: int) -> None:
    seen = looked(pages["explored"], tmp_path, f"--window-size={width},900")
    assert seen["wide"] <= 0


def brightness(colour: str) -> float:
    return sum(map(float, re.findall(r"[\d.]+", colour)[:3])) / 3


def test_light_and_dark(pages: dict[str, Path], tmp_path: Path) -> None:
    for flag, dark in (("1", False), ("0", True)):
        seen = looked(pages["shared"], tmp_path, f"--blink-settings=preferredColorScheme={flag}")
        lighter, darker = (seen["ink"], seen["page"]) if dark else (seen["page"], seen["ink"])
        assert brightness(lighter) > 200 and brightness(darker) < 60


def test_it_prints(pages: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "report.pdf"
    subprocess.run(
        [BROWSER, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", f"--print-to-pdf={out}",
         pages["explored"].as_uri()],
        capture_output=True, check=True, timeout=180,
    )  # fmt: skip
    assert out.read_bytes().startswith(b"%PDF")


def test_the_test_sees_requests_and_complaints(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text('<img src="http://nowhere.invalid/a.png"><script>nothing()</script>')
    found = shown(page, tmp_path)
    assert found.requests == ["http://nowhere.invalid/a.png"]
    assert any("nothing is not defined" in line for line in found.complaints)


def test_the_policy_stops_what_gets_into_a_page(pages: dict[str, Path], tmp_path: Path) -> None:
    """Were a text to become markup, it could neither run nor ask for anything."""
    page = tmp_path / "page.html"
    evil = '<img src="http://nowhere.invalid/a.png"><script>document.title = "mine"</script>'
    page.write_text(pages["shared"].read_text().replace("<main>", f"<main>{evil}"))
    found = shown(page, tmp_path)
    assert found.requests == [] and "<title>mine" not in found.dom
    assert len(found.complaints) >= 2
