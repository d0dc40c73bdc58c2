"""Weights of other libraries: `convert --weights`."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

from archdsl.cli.command import Session
from archdsl.cli.output import put, put_json
from archdsl.syntax.errors import fault


def convert_weights(
    session: Session, named: str, weights: Path | None, source: str, out: Path | None, level: int
) -> int:
    """A library's state dict for our network, each tensor in its place."""
    from archdsl.formats import LIBRARIES

    if weights is None or out is None:
        whose = source if source in LIBRARIES else "LIBRARY"
        files = f"--weights {weights or 'theirs.safetensors'} -o {out or 'ours.safetensors'}"
        missing = [name for name, given in (("--weights", weights), ("-o", out)) if given is None]
        raise fault(
            "E0709",
            "weights are converted from one file to another",
            found=f"no {' and no '.join(missing)}",
            expected="a safetensors file of their weights, and where ours go",
            hint=f"archdsl convert {quote(named)} --from {whose} {files}",
        )
    if source not in LIBRARIES:
        raise fault(
            "E0709",
            "weights are converted from a library whose names are known",
            found=source,
            expected=", ".join(LIBRARIES),
            hint="say whose they are with --from",
        )
    program = session.library.find(named).network()

    from archdsl.run.translate import translate

    count = translate(weights, LIBRARIES[source], program, out, level)
    if session.json:
        put_json({"path": str(out), "tensors": count})
    else:
        put(str(out))
        session.tell(f"{count} tensors, each in its place")
    return 0
