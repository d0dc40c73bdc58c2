"""Settings under which every controller is past its beginning after a few proposals."""

from __future__ import annotations

from archdsl.controllers import Controller, make_controller
from archdsl.space.view import SearchSpace

QUICK = {
    "random": "",
    "reinforce": "",
    "ppo": "(horizon=2, epochs=1)",
    "evolution": "(population=3, sample=2, crossover=0.5)",
    "generations": "(population=2, parents=2, outer=4)",
    "pareto": "(start=2)",
    "local": "",
    "halving": "(keep=2, rungs=2)",
    "tree": "",
    "qlearning": "(random=2, fall=3)",
    "ddpg": "(start=2, steps=1, hidden=8)",
    "predictor": "(start=3, refit=2, children=5, drawn=5)",
    "tpe": "(start=2)",
    "nsga2": "(population=2)",
    "tnas": "(sampling=4, refit=2, steps=2, population=2)",
    "nao": "(start=2, refit=2, steps=2)",
    "pnas": "(start=2, width=2, beam=2, draws=2)",
}


def quick(name: str) -> str:
    """The controller of that name with those settings."""
    return name + QUICK[name]


def quickly(name: str, space: SearchSpace, seed: int) -> Controller:
    """It, at the beginning of a search."""
    return make_controller(quick(name), space, seed=seed)
