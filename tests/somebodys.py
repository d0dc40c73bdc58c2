"""Evaluators and controllers as a user would write them, for tests: functions and a program."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from archdsl.controllers import Told
from archdsl.evaluate.candidate import Candidate
from archdsl.library import Library
from archdsl.space.view import SearchSpace


def length(candidate: Candidate) -> float:
    """Something that every architecture has."""
    return len(candidate.text) / 100


def traced(candidate: Candidate) -> dict[str, float]:
    """The same, and a line in a file for every call: the step, and when it began."""
    with Path(os.environ["TRACE"]).open("a", encoding="utf-8") as file:
        file.write(f"{candidate.step} {time.time()}\n")
    time.sleep(float(os.environ.get("PAUSE", "0")))
    return {"reward": length(candidate), "step": candidate.step}


WAYS = {0: "nan", 1: "raises", 2: "hangs", 3: "dies"}
"""How an evaluation fails, by the rest of its seed by 20."""


def faulty(candidate: Candidate) -> float:
    """One in five fails in one of four ways; a worker that dies over one does so once."""
    match WAYS.get(candidate.seed % 20):
        case "nan":
            return float("nan")
        case "raises":
            raise RuntimeError("as it happens")
        case "hangs":
            time.sleep(600)
        case "dies":
            once = Path(os.environ["DEATHS"]) / str(candidate.step)
            if not once.exists():
                once.touch()
                os.kill(os.getpid(), signal.SIGKILL)
    return length(candidate)


def parameters(candidate: Candidate) -> dict[str, float]:
    """Counted on the module itself."""
    return {"reward": float(sum(p.numel() for p in candidate.network().parameters()))}


def worse(candidate: Candidate) -> str:
    """No number."""
    return candidate.text


class Drawer:
    """Draws by its seed, and from what it heard."""

    def __init__(self, space: SearchSpace, seed: int) -> None:
        self.space, self.rng = space, random.Random(seed)

    def ask(self, n: int) -> list[str]:
        return [self.space.sample(self.rng).text for _ in range(n)]

    def tell(self, results: Sequence[Told]) -> None:
        self.rng = random.Random(f"{self.rng.random()} {[one.reward for one in results]}")


class Nonsense(Drawer):
    def ask(self, n: int) -> list[str]:
        return ["nothing of this space"] * n


def drawn(message: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """`Drawer` as a program."""
    if "begin" in message:
        space = Library().text(message["begin"]["space"]).space
        known["drawer"] = Drawer(space, message["begin"]["seed"])
        return {}
    if "ask" in message:
        return {"architecture": known["drawer"].ask(1)[0]}
    known["drawer"].tell([Told(one["architecture"], one["reward"]) for one in message["tell"]])
    return {}


def main() -> None:
    """Answer lines of JSON; what is asked of it is the first argument."""
    known: dict[str, Any] = {}
    for line in sys.stdin:
        message = json.loads(line)
        match sys.argv[1]:
            case "length":
                print(json.dumps({"reward": len(message["architecture"]) / 100}), flush=True)
            case "source":
                print(json.dumps({"reward": len(message["network"])}), flush=True)
            case "refuse":
                print(json.dumps({"failed": "memory", "message": "too large"}), flush=True)
            case "garble":
                print("what?", flush=True)
            case "sleep":
                time.sleep(600)
            case "draw":
                print(json.dumps(drawn(message, known)), flush=True)
            case "end":
                return


if __name__ == "__main__":
    main()
