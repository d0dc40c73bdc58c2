"""Pictures as text for other tools: DOT for Graphviz, Mermaid for Markdown pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from archdsl.ir.graph import Program
from archdsl.show.view import Box, Panel, Sort, panels, printable

SHAPES = {
    Sort.INPUT: ("ellipse", "([", "])"),
    Sort.OUTPUT: ("ellipse", "([", "])"),
    Sort.MODULE: ("box3d", "[[", "]]"),
    Sort.WEIGHTS: ("box", "[", "]"),
    Sort.PLAIN: ("box", "(", ")"),
    Sort.CHOICE: ("diamond", "{{", "}}"),
}
"""For each sort of box: DOT's shape, and Mermaid's brackets."""


def as_dot(program: Program, module: str | None = None) -> str:
    """The network and its modules as clusters of one DOT graph."""
    lines = [
        "digraph architecture {",
        f"  label={dot_text(program.genotype)};",
        '  labelloc="t"; fontname="Helvetica";',
        '  node [fontname="Helvetica", fontsize=11, shape=box, style="rounded"];',
    ]
    for number, panel in enumerate(panels(program, module)):
        lines += [
            f"  subgraph cluster_{number} {{",
            f"    label={dot_text(_title(panel))};",
            *_nodes(panel, number, _dot_node),
            *_arrows(panel, number, "    {} -> {};"),
            "  }",
        ]
    return "\n".join([*lines, "}"]) + "\n"


def as_mermaid(program: Program, module: str | None = None) -> str:
    """The network and its modules as subgraphs of one Mermaid flowchart."""
    lines = ["flowchart TD"]
    for number, panel in enumerate(panels(program, module)):
        lines += [
            f"  subgraph p{number}[{mermaid_text(_title(panel))}]",
            *_nodes(panel, number, _mermaid_node),
            *_arrows(panel, number, "    {} --> {}"),
            "  end",
        ]
    return "\n".join(lines) + "\n"


def dot_text(text: str, *more: str) -> str:
    """A quoted text of DOT, in lines; backslashes stay backslashes."""
    lines = [line.replace("\\", "\\\\").replace('"', '\\"') for line in _lines(text, *more)]
    return '"' + "\\n".join(lines) + '"'


def mermaid_text(text: str, *more: str) -> str:
    """A quoted text of Mermaid, in lines: everything but letters and digits as a number."""
    lines = ["".join(_entity(letter) for letter in line) for line in _lines(text, *more)]
    return '"' + "<br/>".join(lines) + '"'


def _entity(letter: str) -> str:
    return letter if letter.isalnum() or letter in " .,:_-/()=;×·" else f"#{ord(letter)};"


def _lines(*texts: str) -> list[str]:
    return [printable(text) for text in texts if text]


def _title(panel: Panel) -> str:
    sizes = f" for {'; '.join(panel.sizes)}" if len(panel.sizes) > 1 else ""
    return f"{panel.kind} {panel.title}{sizes}"


def _nodes(panel: Panel, number: int, write: Callable[[str, Box], str]) -> Iterator[str]:
    return (write(f"p{number}n{i}", box) for i, box in enumerate(panel.boxes))


def _arrows(panel: Panel, number: int, form: str) -> Iterator[str]:
    for i, box in enumerate(panel.boxes):
        for arg in box.args:
            yield form.format(f"p{number}n{arg}", f"p{number}n{i}")


def _dot_node(name: str, box: Box) -> str:
    return f"    {name} [label={dot_text(box.heading, box.caption)}, shape={SHAPES[box.sort][0]}];"


def _mermaid_node(name: str, box: Box) -> str:
    _, left, right = SHAPES[box.sort]
    return f"    {name}{left}{mermaid_text(box.heading, box.caption)}{right}"
