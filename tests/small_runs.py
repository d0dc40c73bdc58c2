"""Whole runs at the smallest scale: the methods of four papers on the digits, seconds each."""

from __future__ import annotations

from pathlib import Path

MIXER = "metaformer_nas(classes=10, size=9, patch=1, stem_width=4, width1=8, width2=8, width3=8, "
MIXER += "width4=8, depth1=1, depth2=1, depth3=1, depth4=1)"
RUNS: dict[str, tuple[str, ...]] = {
    "metaformer_nas": (
        MIXER,
        *("--set=epochs=2", "--set=controller_steps=2"),
        *("--set=derive_samples=2", "--set=measure_samples=2"),
        *("--against=pooling=metaformer", '--against=metaformer(mixer="mlp")'),
    ),
    "glit": (
        "glit_tiny(classes=10, size=8, patch=2, width=12, depth=2)",
        *("--method=glit", "--recipe=glit"),
        *("--set=kinds_weights.epochs=1", "--set=kinds_weights.measure_samples=2"),
        *("--set=kinds.controller=generations(population=2, outer=5)", "--set=kinds.budget=5"),
        *("--set=details_weights.epochs=1", "--set=details_weights.measure_samples=2"),
        *("--set=details.controller=generations(population=2)", "--set=details.budget=5"),
        "--against=vit=vit_b_16",
    ),
    "dasvit": (
        "dasvit(size=8, patch=4, width=24, depth=2)",
        *("--set=epochs=1", '--set=controller=darts(keep="8, 2", grow="depth=1, 2", tokens="1/2")'),
    ),
    "tnas": (
        "nas_bench_201(width=4, cells=1, size=8)",
        *("--method=tnas", "--recipe=darts", "--set=epochs=2", "--set=frozen=8"),
        "--set=controller=tnas(sampling=4, refit=2, epsilon_step=0.5, steps=3, population=2)",
        *("--set=controller_steps=2", "--set=measure_samples=2"),
    ),
}
"""What stands behind `archdsl run`, but for the folder."""


def words(name: str, out: Path) -> list[str]:
    """The whole command."""
    how = ("--threads=1", "--set=train.epochs=2", "--set=train.judge_every=1")
    return ["--quiet", "run", *RUNS[name], *how, "-o", str(out)]
