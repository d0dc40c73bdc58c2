"""What changed from one architecture to another, as edits that can be applied and read.

`diff` aligns two programs (align.py), lists the edits (script.py) and says them in the words
of the text (story.py); `apply` carries them out; text.py and data.py print and store them.
"""

from __future__ import annotations

from archdsl.diff.align import align
from archdsl.diff.apply import apply
from archdsl.diff.data import as_json, from_json
from archdsl.diff.edits import Change, Diff, Edit, Insert, Move, Remove, Rewire, Subject, Update
from archdsl.diff.script import script
from archdsl.diff.story import story
from archdsl.diff.text import as_text
from archdsl.ir.cost import cost
from archdsl.ir.graph import Program


def diff(a: Program, b: Program, space: Program | None = None) -> Diff:
    """What turns `a` into `b`.

    `space` is the program with holes that both were taken from, where they share one and the
    caller has it at hand; otherwise it is read again from the text that `a` carries.
    """
    alignment = align(a, b)
    edits = script(a, b, alignment)
    return Diff(
        before=Subject(genotype=a.genotype, hash=a.hash, cost=cost(a)),
        after=Subject(genotype=b.genotype, hash=b.hash, cost=cost(b)),
        edits=edits,
        changes=story(a, b, alignment, space) if edits else (),
    )


__all__ = [
    "diff",
    "apply",
    "as_text",
    "as_json",
    "from_json",
    "Diff",
    "Edit",
    "Insert",
    "Remove",
    "Update",
    "Move",
    "Rewire",
    "Change",
    "Subject",
]
