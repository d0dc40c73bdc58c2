"""The samples under `generated/`: what the compiler writes for the spaces that ship.

`generated/NAME/architecture.txt` holds the architecture of a sample: what its paper found, the
best of its table, or a small form where the whole would be too long to read. Some have the mixture
supernet as well, or that of several paths.
`python -m tests.regen [NAME ...]` writes the samples anew, and the catalogue of the spaces; tests
compare them with what it would write.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from archdsl import catalogue
from archdsl.codegen import mixture_source, network_source, paths_source, supernet_source
from archdsl.library import Library

GENERATED = Path(__file__).resolve().parent.parent / "generated"


def sampled() -> tuple[str, ...]:
    """The spaces that have a sample."""
    return tuple(sorted(path.parent.name for path in GENERATED.glob("*/architecture.txt")))


def samples(names: Sequence[str] = ()) -> Iterator[tuple[Path, str]]:
    """Every file of these spaces, or of all, with what belongs in it."""
    for name in names or sampled():
        text = (GENERATED / name / "architecture.txt").read_text(encoding="utf-8").strip()
        found = Library().find(text)
        yield GENERATED / name / "network.py", network_source(found.network())
        if found.space.decisions:
            yield GENERATED / name / "supernet.py", supernet_source(found.space.program)
        if (GENERATED / name / "mixture.py").is_file():
            yield GENERATED / name / "mixture.py", mixture_source(found.space.program)
        if (GENERATED / name / "paths.py").is_file():
            yield GENERATED / name / "paths.py", paths_source(found.space.program)


def main(names: Sequence[str]) -> None:
    catalogue.FILE.write_text(catalogue.made(Library().space), encoding="utf-8")
    for path, text in samples(names):
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(GENERATED.parent))


if __name__ == "__main__":
    main(sys.argv[1:])
