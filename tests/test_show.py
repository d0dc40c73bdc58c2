"""Pictures and tables: right, readable, and safe whatever the names."""

from __future__ import annotations

import random
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import pytest

from archdsl.ir.cost import cost
from archdsl.ir.graph import Program
from archdsl.show import as_dot, as_mermaid, as_svg, as_text
from archdsl.show.layout import Layout, Size, layout
from archdsl.show.view import Sort, panels
from tests.shipped import shipped, written

CASES = Path(__file__).parent / "cases" / "show"
CELL = "nas_bench_201/infer[nor_conv_3x3; none avg_pool_3x3; skip_connect nor_conv_1x1 none]"
MIXER = "metaformer_nas/mixer[id; 1 pool; 1 id; 3 pool]"
SUFFIXES = {"as_svg": "svg", "as_dot": "dot", "as_mermaid": "mmd", "as_text": "txt"}
FORMATS = (as_svg, as_dot, as_mermaid, as_text)
HOSTILE = '</text><script>alert(1)</script>"];\n--> x\' & \\" %% `$(x)` \x00\u202e'


@cache
def program(text: str) -> Program:
    known = shipped(text.partition("/")[0])
    return known.resolve(known.parse(text))


def random_graph(count: int, seed: int) -> tuple[list[tuple[int, ...]], list[Size]]:
    rng = random.Random(seed)
    args: list[tuple[int, ...]] = [()]
    for i in range(1, count):
        args.append(tuple(sorted(rng.sample(range(i), min(i, rng.choice((1, 1, 2, 3)))))))
    return args, [Size(rng.randrange(40, 160), rng.choice((28, 42))) for _ in range(count)]


# --- layout ----------------------------------------------------------------------------------


def overlapping(found: Layout, sizes: list[Size]) -> list[tuple[int, int]]:
    spots = list(zip(found.centres, sizes, strict=True))
    return [
        (i, j)
        for i, (a, first) in enumerate(spots)
        for j, (b, second) in enumerate(spots[:i])
        if abs(a.x - b.x) < (first.width + second.width) / 2
        and abs(a.y - b.y) < (first.height + second.height) / 2
    ]


@pytest.mark.parametrize("seed", range(30))
def test_boxes_stand_apart_and_arrows_point_down(seed: int) -> None:
    args, sizes = random_graph(5 + 2 * seed, seed)
    found = layout(args, sizes)
    assert not overlapping(found, sizes)
    assert sorted((r.start, r.end) for r in found.routes) == sorted(
        (start, end) for end, inputs in enumerate(args) for start in inputs
    )
    for route in found.routes:
        heights = [point.y for point in route.points]
        assert heights == sorted(heights)
    for point, size in zip(found.centres, sizes, strict=True):
        assert size.width / 2 - 1e-6 <= point.x <= found.size.width - size.width / 2 + 1e-6
        assert size.height / 2 - 1e-6 <= point.y <= found.size.height - size.height / 2 + 1e-6


@pytest.mark.parametrize("seed", range(30))
def test_arrows_pass_boxes_at_their_side(seed: int) -> None:
    """Where an arrow runs upright through a layer, no box stands in its way."""
    args, sizes = random_graph(12, seed)
    found = layout(args, sizes)
    for route in found.routes:
        inner = route.points[1:-1]
        for top, bottom in zip(inner[::2], inner[1::2], strict=True):
            for i, (centre, size) in enumerate(zip(found.centres, sizes, strict=True)):
                beside = abs(centre.x - top.x) >= size.width / 2
                assert beside or not top.y <= centre.y <= bottom.y, (route, i)


def test_a_chain_is_straight() -> None:
    found = layout([(), (0,), (1,), (2,)], [Size(60 + 20 * i, 28) for i in range(4)])
    assert len({round(point.x, 6) for point in found.centres}) == 1


def test_nothing_is_drawn_as_nothing() -> None:
    assert layout([], []).size == Size(0.0, 0.0)


def test_a_thousand_boxes_are_drawn_in_seconds() -> None:
    args, sizes = random_graph(1_000, 1)
    start = time.perf_counter()
    found = layout(args, sizes)
    assert time.perf_counter() - start < 30
    assert not overlapping(found, sizes)


# --- what is drawn ---------------------------------------------------------------------------


def test_the_network_comes_first_and_each_module_once() -> None:
    drawn = panels(program(MIXER))
    assert [panel.title for panel in drawn] == ["network", "encoder", "mixer"]
    assert drawn[1].sizes == ("64×16×16", "128×8×8", "320×4×4", "512×2×2")


def test_blocks_in_a_row_are_one_box() -> None:
    boxes = panels(program(MIXER))[0].boxes
    rows = [(box.heading, box.name) for box in boxes if box.sort is Sort.MODULE]
    assert rows == [
        ("encoder × 2", "stage1"),
        ("encoder × 2", "stage2"),
        ("encoder × 6", "stage3"),
        ("encoder × 2", "stage4"),
    ]


def test_compositions_are_one_box() -> None:
    (cell,) = panels(program(CELL), "infer")
    assert "relu, conv 1x1, batch norm" in {box.detail for box in cell.boxes}
    assert not any(box.title == "relu" for box in cell.boxes)


def test_supernets_are_drawn_with_their_choices() -> None:
    supernet = shipped("metaformer_nas").program
    (mixer,) = panels(supernet, "mixer")
    assert any(box.sort is Sort.CHOICE for box in mixer.boxes)
    for write in FORMATS:
        assert write(supernet)


@pytest.mark.parametrize("write", FORMATS)
def test_one_module_alone(write: Callable[..., str]) -> None:
    assert "linear" in write(program(MIXER))
    assert "attention" in write(program(MIXER), "mixer")
    assert "linear" not in write(program(MIXER), "mixer")


def test_the_table_sums_up() -> None:
    text = as_text(program(MIXER))
    price = cost(program(MIXER))
    assert f"{price.params:,} parameters" in text
    last = text.rstrip().splitlines()[-1].split()
    assert last == ["total", "linear", f"{price.params:,}", f"{price.macs:,}"]
    network = text[text.index("net network") :].splitlines()[3:-2]
    owned = [re.findall(r"[\d,]+", line[-30:]) for line in network]
    assert sum(int(found[0].replace(",", "")) for found in owned if len(found) == 2) <= price.params


# --- golden files ----------------------------------------------------------------------------


def tiny() -> Program:
    known = written((CASES / "tiny.arch").read_text(encoding="utf-8"))
    return known.resolve(known.parse("tiny/mixer[pool; 2]"))


@pytest.mark.parametrize("write", FORMATS, ids=lambda write: write.__name__)
def test_as_before(write: Callable[..., str]) -> None:
    """To accept a change: delete the file under tests/cases/show and run the test twice."""
    path = CASES / f"tiny.{SUFFIXES[write.__name__]}"
    found = write(tiny())
    if not path.exists():
        path.write_text(found, encoding="utf-8")
        pytest.fail(f"wrote {path.name}: look at it and keep it")
    assert found == path.read_text(encoding="utf-8")


def test_the_same_under_every_hash_seed() -> None:
    code = (
        "import sys; sys.path.insert(0, '.');"
        "from tests.test_show import *;"
        "from hashlib import sha256;"
        "print(sha256(''.join(w(program(MIXER)) for w in FORMATS).encode()).hexdigest())"
    )
    root = Path(__file__).parent.parent
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1


# --- hostile names ---------------------------------------------------------------------------


def hostile() -> Program:
    """A program in which every free name tries to become markup."""
    known = program(MIXER)
    modules = {
        key: replace(
            graph,
            definition=HOSTILE + graph.definition,
            nodes=tuple(replace(node, label=HOSTILE) for node in graph.nodes),
        )
        for key, graph in known.modules.items()
    }
    return replace(known, modules=modules, title=HOSTILE, genotype=HOSTILE)


def test_svg_holds_texts_and_no_markup_of_theirs() -> None:
    root = ElementTree.fromstring(as_svg(hostile()))
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert tags <= {"svg", "title", "defs", "marker", "path", "rect", "g", "text"}
    attributes = {name for element in root.iter() for name in element.attrib}
    assert not any(name.startswith("on") or "href" in name for name in attributes)
    assert any("<script>" in (element.text or "") for element in root.iter())


def test_dot_keeps_names_in_quotes() -> None:
    text = as_dot(hostile())
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', "Q", text)
    assert "script" not in bare and "\\" not in bare
    assert all("Q" in line or re.fullmatch(r"[\s{}\w;>-]*", line) for line in bare.splitlines())


def test_mermaid_keeps_names_in_quotes() -> None:
    text = as_mermaid(hostile())
    for line in text.splitlines():
        assert line.count('"') in (0, 2)
        assert not re.search(r"[<>`$\\]", line.replace("<br/>", "").replace("-->", ""))


def test_tables_stay_in_their_lines() -> None:
    assert "\x00" not in as_text(hostile())
    assert as_text(hostile()).count("\n") == as_text(program(MIXER)).count("\n")


def test_boxes_of_one_name_say_what_tells_them_apart():
    space = written(KERNELS)
    program = space.resolve(space.parse("kernels/layer[five; pool; three]"))
    (shown,) = panels(program, "layer")
    said = [box.caption for box in shown.boxes if box.sort is Sort.MODULE]
    assert ["k=5" in one for one in said] == [True, False]
    assert ["k=3" in one for one in said] == [False, True]
    assert "k=5" in as_svg(program, "layer") and "k=3" in as_svg(program, "layer")


CHOICE = "{five = conv_bn(c=8, k=5) | three = conv_bn(c=8, k=3) | pool = max_pool(3)}"
KERNELS = f"""archdsl 1

space kernels {{
  block conv_bn(x; c, k) = x -> conv(c, k=k) -> bn
  cell layer(x) {{
    y = x -> {CHOICE}
    z = y -> {CHOICE}
    w = z -> {CHOICE}
    return w
  }}
  net network(image: 1 x 8 x 8) {{
    return image -> conv(8) -> layer -> global_pool -> linear(10)
  }}
}}
"""
