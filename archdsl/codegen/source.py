"""A program as the text of a Python file."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from archdsl import __version__
from archdsl.codegen.check import check_source
from archdsl.codegen.checkpoint import IMPORT, checkpointed
from archdsl.codegen.choice import Layout
from archdsl.codegen.classes import Classes, reachable
from archdsl.codegen.code import join
from archdsl.codegen.flow import Flow
from archdsl.codegen.gates import GateTypes
from archdsl.codegen.literals import comment, in_docstring, paragraphs, quoted, quoted_part, wrap
from archdsl.codegen.naming import camel
from archdsl.codegen.needs import TooLarge
from archdsl.codegen.paths import PathTypes, single
from archdsl.codegen.render import Renderer, all_helpers
from archdsl.codegen.types import Types
from archdsl.codegen.view import CheckView, FileView
from archdsl.ir.cost import cost
from archdsl.ir.graph import Program
from archdsl.ir.types import TensorType
from archdsl.ops.base import Helper
from archdsl.passes.device import CPU, Device, told
from archdsl.passes.driver import Watch
from archdsl.passes.mixed import mixture
from archdsl.passes.paths import paths
from archdsl.resources import environment
from archdsl.space.view import SearchSpace
from archdsl.space.wording import number
from archdsl.syntax.errors import fault

TYPES = {"choice": Types, "gates": GateTypes, "paths": PathTypes}
"""What a supernet takes, by what its `forward` calls it."""


def network_source(
    program: Program, *, format: bool = True, checkpoint: bool = False, device: str = ""
) -> str:
    """`network.py` for one architecture: a program without holes.

    `device`: the name of the one that it was optimised for, where that is not the default.
    `format`: lay it out with Black; without, the code is the same but for its line breaks.
    `checkpoint`: cells and blocks that the net uses run again in the backward pass instead of
    keeping what they compute. Raises ArchError E0907 where there are none.
    """
    return _source(program, supernet=False, format=format, checkpoint=checkpoint, device=device)


def supernet_source(program: Program, *, format: bool = True, checkpoint: bool = False) -> str:
    """`supernet.py` for a space: all its architectures, of which each call runs one."""
    return _source(program, supernet=True, format=format, checkpoint=checkpoint)


def mixture_source(
    program: Program,
    *,
    level: int = 1,
    format: bool = True,
    checkpoint: bool = False,
    device: Device | None = CPU,
    watch: Watch | None = None,
) -> str:
    """`supernet.py` whose calls run all architectures at once, weighed by gates, for a device.

    At level 0 nothing is optimised. `watch` is told what the passes do. Raises ArchError E0906
    where a hole has no mixture.
    """
    mixed = mixture(program, device, watch, level=level)
    shown = told(device) if level else ""
    return relaxed_source(mixed, format=format, checkpoint=checkpoint, device=shown)


def relaxed_source(
    program: Program, *, format: bool = False, checkpoint: bool = False, device: str = ""
) -> str:
    """The same for a program that is a mixture by now, after whichever passes."""
    return _source(
        program,
        supernet=True,
        format=format,
        argument="gates",
        checkpoint=checkpoint,
        device=device,
    )


def paths_source(program: Program, *, format: bool = True, checkpoint: bool = False) -> str:
    """`supernet.py` whose calls run the alternatives that have a gate, each times it.

    Raises ArchError E0906 where a choice has no sum.
    """
    return _source(
        paths(program), supernet=True, format=format, checkpoint=checkpoint, argument="paths"
    )


def _source(
    program: Program,
    *,
    supernet: bool,
    format: bool,
    checkpoint: bool,
    argument: str = "choice",
    device: str = "",
) -> str:
    try:
        view = file_view(
            program, supernet=supernet, argument=argument, checkpoint=checkpoint, device=device
        )
    except TooLarge as problem:
        raise fault(
            "E0904",
            f"the conditions of {program.space} are too entangled for a supernet",
            problem.span,
            hint="fewer holes in one cell, or blocks, which are decided one by one",
        ) from None
    text = environment(autoescape=False).get_template("file.py.jinja").render(file=view)
    text = f"{text.strip()}\n"
    check_source(text)
    return _format(text) if format else text


def _format(text: str) -> str:
    import black  # slow to import
    from black.mode import TargetVersion

    mode = black.Mode(line_length=100, target_versions={TargetVersion.PY311})
    return black.format_str(text, mode=mode)


# --- the view ------------------------------------------------------------------------------------


def file_view(
    program: Program,
    *,
    supernet: bool,
    argument: str = "choice",
    checkpoint: bool = False,
    device: str = "",
) -> FileView:
    """Everything that a generated file says, decided."""
    flow = Flow(program)
    layout = Layout(program, argument)
    types = TYPES[argument](layout)
    helpers = all_helpers(reachable(flow))
    again = checkpointed(flow) if checkpoint else frozenset()
    classes = Classes.of(flow, layout, frozenset(helpers))
    name = "Supernet" if supernet else camel(program.title or program.space)
    renderer = Renderer(classes=classes, types=types, root_name=name, helpers=helpers, again=again)
    parts = tuple(renderer.parts())
    choices = types.choice_views()
    texts = [str(part) for part in parts]
    return FileView(
        doc=tuple(_header(program, supernet, argument, device)),
        imports=tuple(sorted(_imports(helpers.values(), texts))),
        typing=join(
            word
            for word, wanted in (
                ("Any", checkpoint),
                ("Literal", any("Literal[" in str(c) for c in (*choices, *types.alias_views()))),
                ("NamedTuple", bool(choices)),
            )
            if wanted
        ),
        functional=any("F." in text for text in texts),
        torch_imports=(IMPORT,) if checkpoint else (),
        constant="SPACE" if supernet else "ARCHITECTURE",
        text=_constant(program.genotype),
        aliases=types.alias_views(),
        choices=choices,
        parts=parts,
        check=_check(program, renderer, types),
        origin=tuple(_origin(program)),
    )


def _imports(helpers: Iterable[Helper], texts: Iterable[str]) -> set[str]:
    """The modules besides torch that a file needs."""
    needed = {name for helper in helpers for name in helper.imports}
    return needed | ({"math"} if any("math.prod(" in text for text in texts) else set())


def _header(program: Program, supernet: bool, argument: str, device: str) -> list[str]:
    title = in_docstring(program.title or program.space)
    docs = paragraphs(program.doc)
    total = cost(program)
    net = program.net
    into = "; ".join(_shape(net.nodes[i].type.shape) for i in net.inputs)
    out = "; ".join(_shape(net.nodes[i].type.shape) for i in net.outputs)
    genotype = [f"    {line}" for line in textwrap.wrap(in_docstring(program.genotype), 90)]
    if supernet:
        size = SearchSpace(single(program)).size
        genotype.append(f"    {number(size)} architectures")
    wide = max(22, len(into), 0 if supernet else len(out))
    rows = [f"    input   {into:<{wide}}  parameters  {total.params:,}"]
    rows.append(
        f"    output  {out}"
        if supernet
        else f"    output  {out:<{wide}}  MACs        {total.macs:,}"
    )
    first = docs[0] if docs else ""
    kind = {"gates": "mixture supernet", "paths": "supernet of several paths"}.get(
        argument, "supernet"
    )
    lines = [f"{title} {kind}." if supernet else f"{title}.", "", *genotype, "", *rows, ""]
    lines += [*wrap(first), ""] if first else []
    if program.deployed:
        lines += ["For inference: norms and factors are part of its weights.", ""]
    if device:
        lines += [f"Optimised for the device {in_docstring(device)}.", ""]
    lines += [
        f"Generated by archdsl {__version__} from space {program.hash[:8]}. Needs torch only; edit"
        " it as you like.",
        "Run this file to check it.",
    ]
    return [line.rstrip() for line in lines]


def _shape(shape: tuple[int, ...]) -> str:
    return f"({join(('B', *map(str, shape)))})"


def _constant(text: str) -> str:
    """A string literal, on several lines where it is long."""
    parts = textwrap.wrap(text, 84, drop_whitespace=False, break_long_words=False)
    if len(parts) < 2:
        return quoted(text)
    return f"({' '.join(quoted_part(part) for part in parts)})"


def _check(program: Program, renderer: Renderer, types: Types) -> CheckView:
    net = program.net
    inputs = [_zeros(net.nodes[i].type) for i in net.inputs]
    choices = types.layout.of(program.root)
    return CheckView(
        model=renderer.names[renderer.classes.root.number],
        inputs=join(inputs),
        choice=types.example(choices) if choices else "",
        argument=types.layout.argument,
        parameters=f"{cost(program).params:_}",
        shapes=tuple(f"({join(map(str, (1, *t.shape)))})" for t in net.result_types),
        several=len(net.outputs) > 1,
    )


def _zeros(type_: TensorType) -> str:
    """A batch of one for the self-check."""
    shape = join(map(str, (1, *type_.shape)))
    kind = "" if type_.below is None else ", dtype=torch.long"
    return f"torch.zeros({shape}{kind})"


def _origin(program: Program) -> list[str]:
    lines = [f"The space this came from, SHA-256 {program.hash}:", ""]
    return comment("\n".join([*lines, *program.text.strip("\n").split("\n")]))
