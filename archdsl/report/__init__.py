"""One HTML file of a run that needs nothing else: figures, pictures, what was found.

A run's record (run/record.py) becomes sections of finished values (view.py), which a template lays
out. Every text is untrusted and escaped there; pictures are images within the file.
"""

from __future__ import annotations

from archdsl.report.page import report_html

__all__ = ["report_html"]
