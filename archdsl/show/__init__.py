"""Pictures and tables of one program: SVG by our own layout, DOT, Mermaid, text.

What is drawn is decided once (view.py); each format only writes it down.
"""

from __future__ import annotations

from archdsl.show.graphs import as_dot, as_mermaid
from archdsl.show.svg import as_svg
from archdsl.show.text import as_text

__all__ = ["as_svg", "as_dot", "as_mermaid", "as_text"]
