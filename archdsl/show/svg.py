"""Pictures as SVG: one panel for the network and one for each distinct module.

The file stands alone: no script, no style sheet, no font but the reader's own. Every text that
comes from an architecture is escaped, so names cannot become markup.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from archdsl.ir.cost import cost
from archdsl.ir.graph import Program
from archdsl.show.layout import Layout, Point, Route, Size, layout
from archdsl.show.text import figures
from archdsl.show.view import Box, Panel, Sort, panels, printable

FONT = "ui-sans-serif, system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"
MARGIN, PADDING = 28.0, 22.0
HEAD = 46.0  # the title of a panel
HEADER = 62.0  # title, string and costs of the whole
LETTER, SMALL = 7.2, 6.3  # widths of a letter at 13 and 11 pixels, with room to spare
WIDEST = 1200.0
LONGEST = 44  # letters of one line in a box

FILL = {
    Sort.INPUT: ("#eef1f5", "#9aa7b8"),
    Sort.OUTPUT: ("#eef1f5", "#9aa7b8"),
    Sort.MODULE: ("#e3edfb", "#4b7fcc"),
    Sort.WEIGHTS: ("#fdf1dc", "#cf9736"),
    Sort.PLAIN: ("#ffffff", "#8a94a3"),
    Sort.CHOICE: ("#f3e8fb", "#8d5bb8"),
}
LEGEND = ((Sort.MODULE, "module"), (Sort.WEIGHTS, "learns"), (Sort.PLAIN, "no weights"))


@dataclass(frozen=True, slots=True)
class Picture:
    """Markup with its size, before it has a place."""

    size: Size
    lines: tuple[str, ...]


def as_svg(program: Program, module: str | None = None, *, header: bool = True) -> str:
    """The picture of a network, or of one of its modules, by its name in the text.

    `header`: with title, string and costs of the network above it.
    """
    drawn = [_panel(panel) for panel in panels(program, module)]
    body, size = _arrange(drawn)
    head, head_width = _header(program) if header else ([], 0.0)
    top = MARGIN + (HEADER if header else 0.0)
    width = max(size.width, head_width) + 2 * MARGIN
    height = size.height + top + MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_n(width)}" height="{_n(height)}"'
        f' viewBox="0 0 {_n(width)} {_n(height)}" role="img" font-family="{escape(FONT)}">',
        f"<title>{escape(program.genotype)}</title>",
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7"'
        ' markerHeight="7" orient="auto"><path d="M0 0.8 L7.4 4 L0 7.2 z" fill="#66717f"/>'
        "</marker></defs>",
        f'<rect width="{_n(width)}" height="{_n(height)}" fill="#ffffff"/>',
        *head,
        f'<g transform="translate({_n(MARGIN)} {_n(top)})">',
        *body,
        "</g>",
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Text that is text in XML, in content and in attributes; control characters are shown."""
    clean = printable(text)
    for letter, entity in (("&", "amp"), ("<", "lt"), (">", "gt"), ('"', "quot"), ("'", "#39")):
        clean = clean.replace(letter, f"&{entity};")
    return clean


def _header(program: Program) -> tuple[list[str], float]:
    """The title, the string, the figures and what the colours mean, and how wide they are."""
    string, price = _clip(program.genotype, 150), figures(cost(program))
    lines = [
        _text(MARGIN, MARGIN + 8, _clip(program.title, 80), size=18, weight=600),
        _text(MARGIN, MARGIN + 28, string, size=12, fill="#4a5563", mono=True),
        _text(MARGIN, MARGIN + 46, price, size=12, fill="#4a5563"),
    ]
    x, y = MARGIN + len(price) * 6.6 + 24, MARGIN + 36
    for sort, word in LEGEND:
        fill, stroke = FILL[sort]
        square = f'x="{_n(x)}" y="{_n(y)}" width="12" height="12" rx="3"'
        lines.append(f'<rect {square} fill="{fill}" stroke="{stroke}"/>')
        lines.append(_text(x + 17, y + 10, word, size=11, fill="#66717f"))
        x += 34 + len(word) * SMALL
    return lines, max(x - MARGIN, len(string) * 7.3)


# --- panels ----------------------------------------------------------------------------------


def _arrange(pictures: Sequence[Picture]) -> tuple[list[str], Size]:
    """Panels from left to right, and in a new row where the page ends."""
    lines: list[str] = []
    x = y = row = width = 0.0
    limit = max([WIDEST, *(picture.size.width for picture in pictures)])
    for picture in pictures:
        if x and x + picture.size.width > limit:
            x, y, row = 0.0, y + row + PADDING, 0.0
        lines += [f'<g transform="translate({_n(x)} {_n(y)})">', *picture.lines, "</g>"]
        x += picture.size.width + PADDING
        width, row = max(width, x - PADDING), max(row, picture.size.height)
    return lines, Size(width, y + row)


def _panel(panel: Panel) -> Picture:
    """One module in a frame with its name."""
    sizes = [_size(box) for box in panel.boxes]
    found = layout([box.args for box in panel.boxes], sizes)
    subtitle = _clip("for " + "; ".join(panel.sizes), 60) if len(panel.sizes) > 1 else ""
    title = f"{panel.kind} {panel.title}"
    least = max(len(title) * LETTER * 1.1, len(subtitle) * 6.8, 120.0)
    inner = max(found.size.width, least)
    size = Size(inner + 2 * PADDING, found.size.height + HEAD + 2 * PADDING)
    left = PADDING + (inner - found.size.width) / 2
    lines = [
        f'<rect width="{_n(size.width)}" height="{_n(size.height)}" rx="10" fill="#fafbfc"'
        ' stroke="#d5dbe3"/>',
        _text(PADDING, 26, title, size=14, weight=600),
        _text(PADDING, 43, subtitle, size=11, fill="#66717f") if subtitle else "",
        f'<g transform="translate({_n(left)} {_n(HEAD + PADDING - 6)})">',
        *_groups(panel.boxes, found, sizes),
        *(_arrow(route) for route in found.routes),
        *(_box(box, found.centres[i], sizes[i]) for i, box in enumerate(panel.boxes)),
        "</g>",
    ]
    return Picture(size, tuple(line for line in lines if line))


def _size(box: Box) -> Size:
    """As wide as its texts."""
    width = max(len(_clip(box.heading)) * LETTER, len(_clip(box.caption)) * SMALL)
    spare = 32 if box.sort in (Sort.INPUT, Sort.OUTPUT) else 24
    return Size(max(width + spare, 56.0), 42.0 if box.caption else 28.0)


def _box(box: Box, centre: Point, size: Size) -> str:
    fill, stroke = FILL[box.sort]
    x, y = centre.x - size.width / 2, centre.y - size.height / 2
    round_ = size.height / 2 if box.sort in (Sort.INPUT, Sort.OUTPUT) else 6
    rect = f'x="{_n(x)}" y="{_n(y)}" width="{_n(size.width)}" height="{_n(size.height)}"'
    lines = [f'<rect {rect} rx="{_n(round_)}" fill="{fill}" stroke="{stroke}"/>']
    if box.times > 1:  # a second sheet behind the first
        behind = f'x="{_n(x + 4)}" y="{_n(y + 4)}" width="{_n(size.width)}"'
        lines.insert(
            0,
            f'<rect {behind} height="{_n(size.height)}" rx="6" fill="{fill}" stroke="{stroke}"/>',
        )
    middle = centre.y + (-3 if box.caption else 4.5)
    lines.append(_text(centre.x, middle, _clip(box.heading), anchor="middle"))
    if box.caption:
        small = _text(
            centre.x, centre.y + 13, _clip(box.caption), size=11, fill="#5b6675", anchor="middle"
        )
        lines.append(small)
    return "".join(lines)


def _groups(boxes: Sequence[Box], found: Layout, sizes: Sequence[Size]) -> Iterator[str]:
    """A dashed frame around a stage, where nothing else stands inside it."""
    names = dict.fromkeys(box.group for box in boxes if box.group)
    for name in names:
        members = [i for i, box in enumerate(boxes) if box.group == name]
        frame = _hull(members, found, sizes)
        others = (i for i in range(len(boxes)) if i not in members)
        if len(members) < 2 or any(_overlaps(frame, _hull([i], found, sizes)) for i in others):
            continue
        left, top, right, bottom = frame
        yield (
            f'<rect x="{_n(left)}" y="{_n(top)}" width="{_n(right - left)}"'
            f' height="{_n(bottom - top)}" rx="9" fill="none" stroke="#b9c3d0"'
            ' stroke-dasharray="4 4"/>'
        )


Frame = tuple[float, float, float, float]


def _hull(members: Iterable[int], found: Layout, sizes: Sequence[Size]) -> Frame:
    spots = [(found.centres[i], sizes[i]) for i in members]
    return (
        min(centre.x - size.width / 2 for centre, size in spots) - 10,
        min(centre.y - size.height / 2 for centre, size in spots) - 10,
        max(centre.x + size.width / 2 for centre, size in spots) + 10,
        max(centre.y + size.height / 2 for centre, size in spots) + 10,
    )


def _overlaps(first: Frame, second: Frame) -> bool:
    return (
        first[0] < second[2]
        and second[0] < first[2]
        and first[1] < second[3] - 10
        and second[1] + 10 < first[3]
    )


# --- strokes ---------------------------------------------------------------------------------


def _arrow(route: Route) -> str:
    """A line that leaves and enters boxes upright: straight in lanes, curved between layers."""
    points = route.points
    path = [f"M{_n(points[0].x)} {_n(points[0].y)}"]
    for before, point in itertools.pairwise(points):
        if abs(before.x - point.x) < 0.5:
            path.append(f"L{_n(point.x)} {_n(point.y)}")
            continue
        bend = (point.y - before.y) / 2
        path.append(
            f"C{_n(before.x)} {_n(before.y + bend)} {_n(point.x)} {_n(point.y - bend)}"
            f" {_n(point.x)} {_n(point.y)}"
        )
    return (
        f'<path d="{" ".join(path)}" fill="none" stroke="#66717f" stroke-width="1.2"'
        ' marker-end="url(#arrow)"/>'
    )


def _text(
    x: float,
    y: float,
    text: str,
    *,
    size: int = 13,
    fill: str = "#1d2733",
    weight: int = 400,
    anchor: str = "start",
    mono: bool = False,
) -> str:
    extra = f' font-weight="{weight}"' if weight != 400 else ""
    extra += f' text-anchor="{anchor}"' if anchor != "start" else ""
    extra += ' font-family="ui-monospace, Menlo, Consolas, monospace"' if mono else ""
    place = f'x="{_n(x)}" y="{_n(y)}"'
    return f'<text {place} font-size="{size}" fill="{fill}"{extra}>{escape(text)}</text>'


def _clip(text: str, longest: int = LONGEST) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _n(value: float) -> str:
    """A coordinate: one decimal, no more digits than needed, never -0."""
    return f"{round(value, 1) + 0.0:.1f}".removesuffix(".0")
