"""The pipeline on one page: from text to programs, and from programs to files.

    text --parse--> tree --elaborate--> program with holes --resolve--> network --optimise-->
    program --codegen--> Python

The first half is behind `Library.find` (library.py), the second is here. Everything handles text
only; torch is never imported. Stages are imported where they are used: what only checks a
string need not wait for the generator.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from archdsl.files import write_whole
from archdsl.ir.graph import Program
from archdsl.library import Found, Library, open_space
from archdsl.passes.device import CPU, Device, told
from archdsl.passes.figures import figures

if TYPE_CHECKING:
    from archdsl.passes.driver import Watch

NETWORK, WEIGHTS = "network.py", "weights.safetensors"
"""The files of a network, and of weights that fit it."""


class Stage(Enum):
    """Where `--emit` stops."""

    TREE = "tree"
    IR = "ir"
    IR_OPT = "ir-opt"
    CODE = "code"


class Mode(Enum):
    """What a call of a supernet runs: one path, those with a gate, or all, weighed by gates."""

    PATH = "path"
    PATHS = "paths"
    MIXTURE = "mixture"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How files are written: the options of `compile`.

    `level`: of optimisation, of a network or a mixture; `device`: what it should be fast on, None
    for no device. `supernet`: the whole space, whose calls run as `mode` says. `format`: laid out
    with Black. `checkpoint`: cells and blocks run again in the backward pass instead of keeping
    what they compute.
    """

    level: int = 1
    device: Device | None = CPU
    supernet: bool = False
    mode: Mode = Mode.PATH
    format: bool = True
    checkpoint: bool = False


DEFAULT = Options()


def emit(found: Found, stage: Stage, options: Options = DEFAULT) -> str:
    """The text of one stage of the pipeline. Raises ArchError E0906 where nothing can be mixed."""
    from archdsl.ir.printer import print_program
    from archdsl.passes.driver import optimised

    program = found.space.program if options.supernet else found.program
    match stage:
        case Stage.TREE:
            return program.text
        case Stage.IR:
            return print_program(program)
        case Stage.IR_OPT:
            if options.supernet and options.mode is not Mode.PATH:
                return print_program(_weighed(program, options))
            return print_program(optimised(program, options.level, device=options.device))
        case Stage.CODE:
            whole = options.supernet or found.architecture is None
            return source(found, replace(options, supernet=whole))


def _weighed(program: Program, options: Options) -> Program:
    """A space whose alternatives have gates: those that run, or all."""
    from archdsl.passes.mixed import mixture
    from archdsl.passes.paths import paths

    if options.mode is Mode.PATHS:
        return paths(program)
    return mixture(program, options.device, level=options.level)


def source(found: Found, options: Options = DEFAULT, *, watch: Watch | None = None) -> str:
    """The Python of a network, or of the whole space.

    `watch` is told what the passes do to a network or a mixture. Raises ArchError E0906 where
    alternatives have no sum, E0907 where nothing can be checkpointed.
    """
    from archdsl.codegen import mixture_source, paths_source, supernet_source

    if not options.supernet:
        return network_code(found.network(), options, watch=watch)
    program, how = found.space.program, {"format": options.format, "checkpoint": options.checkpoint}
    match options.mode:
        case Mode.PATH:
            return supernet_source(program, **how)
        case Mode.PATHS:
            return paths_source(program, **how)
        case Mode.MIXTURE:
            return mixture_source(
                program, **how, level=options.level, device=options.device, watch=watch
            )


def network_code(
    network: Program, options: Options = DEFAULT, *, watch: Watch | None = None
) -> str:
    """The Python of a network at an optimisation level, as it pays on a device.

    `watch` is told what the passes do. Raises ArchError E0907.
    """
    from archdsl.codegen import network_source
    from archdsl.passes.driver import optimised

    return network_source(
        optimised(network, options.level, device=options.device, watch=watch),
        format=options.format,
        checkpoint=options.checkpoint,
        device=told(options.device) if options.level else "",
    )


def partial(
    found: Found, tokens: Fraction | None = None, channels: Fraction | None = None
) -> Found:
    """A space whose choices run on this share of their tokens, or of the channels of their maps.

    Raises ArchError E0908 and E0909 where none can.
    """
    from archdsl.passes.partial_channels import partial_channels
    from archdsl.passes.partial_tokens import partial_tokens
    from archdsl.space.view import SearchSpace

    program = found.space.program
    if tokens is not None:
        program = partial_tokens(program, tokens)
    if channels is not None:
        program = partial_channels(program, channels)
    return replace(found, space=SearchSpace(program))


def compile_to(
    found: Found, folder: Path, options: Options = DEFAULT, *, watch: Watch | None = None
) -> list[Path]:
    """Write `network.py`, and `supernet.py` where asked for or nothing else is there.

    Files are replaced whole. `watch` is told what the passes do. Raises ArchError
    E0707 where the folder cannot be written, E0906 where alternatives have no sum.
    """
    written = []
    if found.architecture is not None:
        code = network_code(found.network(), options, watch=watch)
        written.append(write_whole(folder / NETWORK, code))
    if options.supernet or found.architecture is None:
        text = source(found, replace(options, supernet=True), watch=watch)
        written.append(write_whole(folder / "supernet.py", text))
    return written


def write_network(network: Program, folder: Path, *, level: int = 1) -> Path:
    """Write `network.py` of a network. Raises ArchError E0707."""
    return write_whole(folder / NETWORK, network_code(network, Options(level=level)))


__all__ = [
    "Found",
    "Library",
    "Mode",
    "Options",
    "Stage",
    "compile_to",
    "emit",
    "figures",
    "network_code",
    "open_space",
    "partial",
    "source",
    "write_network",
]
