"""Random numbers by purpose: every draw comes from (seed, what it is for, which step it is).

No stream is carried along, so work that is repeated after a crash draws what it drew before.
"""

from __future__ import annotations

import hashlib
import random


def seed_for(seed: int, *purpose: str | int) -> int:
    """A number below 2^63 for one purpose: the same for the same words, on every machine."""
    words = "/".join(str(word) for word in (seed, *purpose))
    return int.from_bytes(hashlib.sha256(words.encode()).digest()[:8], "big") >> 1


def stream(seed: int, *purpose: str | int) -> random.Random:
    """A generator for one purpose."""
    return random.Random(seed_for(seed, *purpose))
