"""What the elaboration of one module shares: its builder and those who write into it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from archdsl.ir.apply import Applier
from archdsl.ir.builder import Builder
from archdsl.ir.evaluate import Evaluator
from archdsl.ir.guards import Guards
from archdsl.ir.holes import Holes
from archdsl.ir.joining import Joiner
from archdsl.ir.lifting import Lifter
from archdsl.ir.uses import Uses

if TYPE_CHECKING:
    from archdsl.ir.elaborate import Elaborator


@dataclass(slots=True)
class Work:
    """One module under elaboration. Evaluating, applying and choosing call each other."""

    elaborator: Elaborator
    builder: Builder
    lifter: Lifter = field(init=False)
    evaluator: Evaluator = field(init=False)
    applier: Applier = field(init=False)
    holes: Holes = field(init=False)
    guards: Guards = field(init=False)
    joiner: Joiner = field(init=False)
    uses: Uses = field(init=False)

    def __post_init__(self) -> None:
        self.lifter = Lifter(self.builder)
        self.evaluator = Evaluator(self)
        self.applier = Applier(self)
        self.holes = Holes(self)
        self.guards = Guards(self)
        self.joiner = Joiner(self)
        self.uses = Uses(self)
