"""How much a text may ask for. What is beyond is refused before anything is allocated."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on one program. The defaults suit text from strangers; flags raise them.

    `nodes`: operations, each specialised definition counted once. `uses`: operations with every
    use of a definition counted. `steps`: expressions evaluated. `decisions`: holes, each place
    of decision counted. `params` and `macs`: the whole program, all alternatives together.
    """

    nodes: int = 20_000
    uses: int = 1_000_000
    steps: int = 400_000
    decisions: int = 20_000
    params: int = 2 * 10**9
    macs: int = 10**13
