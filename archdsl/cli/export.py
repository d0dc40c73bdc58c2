"""The command that writes networks for other tools: export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from archdsl.cli.command import For, Level, Named, Session, command
from archdsl.cli.output import put, put_json

app = typer.Typer()


@command(app)
def export(
    session: Session,
    named: Named,
    weights: Annotated[
        Path, typer.Option(metavar="WEIGHTS", help="Weights of X: a safetensors file.")
    ],
    out: Annotated[
        list[Path],
        typer.Option("-o", "--out", metavar="FILE", help="FILE.pt2 or FILE.onnx; may be repeated."),
    ],
    level: Level = 2,
    device: For = "cpu",
) -> None:
    """Write X and its weights for torch.export (.pt2) or ONNX (.onnx).

    Batches may have any size. The file is run against the network as written, at two sizes, in
    onnxruntime if it is ONNX; nothing is written where outputs differ by more than 1e-4 of the
    largest. Prints the paths.
    """
    found = session.library.find(named)
    if found.architecture is None:
        raise typer.BadParameter(
            "a supernet is not exported: name an architecture (archdsl sample X)"
        )

    from archdsl.passes.device import device_of

    rates = device_of(device)

    from archdsl.run.export import export as write

    for path in write(found.network(), weights, out, level=level, device=rates):
        put_json({"path": str(path)}) if session.json else put(str(path))
