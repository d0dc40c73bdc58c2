"""The samples under `generated/`: what the compiler writes for the spaces that ship.

`python -m tests.regen` writes them anew; a test compares them with what it would write.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from archdsl.codegen import network_source, supernet_source
from archdsl.library import Library

GENERATED = Path(__file__).resolve().parent.parent / "generated"

# One architecture of each space: what its paper found, or the best of its table.
SAMPLES = {
    "metaformer": "metaformer",
    "metaformer_nas": "metaformer_nas/mixer[id; 1 pool; 1 id; 3 pool]",
    "nas_bench_201": "nas_bench_201/infer[nor_conv_3x3; nor_conv_3x3 nor_conv_3x3; "
    "skip_connect nor_conv_3x3 nor_conv_3x3]",
}


def samples() -> Iterator[tuple[Path, str]]:
    """Every file with what belongs in it."""
    for name, text in SAMPLES.items():
        space = Library().space(name, {})
        network = space.resolve(space.parse(text))
        yield GENERATED / name / "network.py", network_source(network)
        if space.decisions:
            yield GENERATED / name / "supernet.py", supernet_source(space.program)


def main() -> None:
    for path, text in samples():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(GENERATED.parent))


if __name__ == "__main__":
    main()
