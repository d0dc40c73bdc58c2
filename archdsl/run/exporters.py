"""Networks as files that need no archdsl: `torch.export` archives and ONNX models.

An exporter gives the bytes of the file, and what it holds as a function, so that it can be run
before it is written. Nothing in a file tells where it was made: the places in source files that
torch notes at every operation are taken out.
"""

from __future__ import annotations

import io
import json
import logging
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from archdsl import __version__
from archdsl.ir.graph import Program
from archdsl.syntax.errors import ArchError, fault

if TYPE_CHECKING:
    from onnx import ModelProto

Outputs = tuple[Tensor, ...]
OPSET = 20
"""Of ONNX: with it torch 2.10 and later write what they write by default."""

ONNX_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
LARGEST_ONNX = 2**31 - 2**20
"""Bytes of weights: protobuf ends at 2 GiB, and the graph needs a little."""

TRACES = "stack_trace"


@dataclass(frozen=True, slots=True)
class Exported:
    """The bytes of a file, and what it holds, to be called with the inputs of the network."""

    content: bytes
    run: Callable[..., Outputs]


def traced(network: nn.Module, inputs: tuple[Tensor, ...]) -> ExportedProgram:
    """The network as `torch.export` sees it in evaluation, for batches of any size.

    `inputs` are examples (B, ...) with B > 1. Raises ArchError E0816.
    """
    network.eval()
    shapes = tuple({0: Dim("batch")} for _ in inputs)
    with _refusals("torch.export"), torch.no_grad():
        program = torch.export.export(network, inputs, dynamic_shapes=shapes)
    for module in program.graph_module.modules():
        for node in getattr(module, "graph", torch.fx.Graph()).nodes:
            node.meta.pop(TRACES, None)
    return program


def as_archive(program: ExportedProgram, network: Program) -> Exported:
    """A `.pt2` file, for `torch.export.load`. Raises ArchError E0816."""
    buffer = io.BytesIO()
    with _refusals("torch.export.save"):
        torch.export.save(program, buffer, extra_files={"archdsl.json": _about(network)})
    module = program.module()
    return Exported(buffer.getvalue(), lambda *inputs: outputs_of(module(*inputs)))


def as_onnx(program: ExportedProgram, network: Program) -> Exported:
    """An `.onnx` file, weights within. Raises ArchError E0816, and E0817 as `need_onnx` does."""
    need_onnx()
    size = sum(tensor.nbytes for tensor in program.state_dict.values())
    if size > LARGEST_ONNX:
        raise fault(
            "E0816",
            "the weights are too large for one ONNX file",
            found=f"{size:,} bytes",
            expected=f"at most {LARGEST_ONNX:,}",
            hint="write a .pt2 file",
        )
    with _refusals("torch.onnx.export"):
        made = torch.onnx.export(
            program,
            dynamo=True,
            opset_version=OPSET,
            output_names=_outputs(program, network),
            external_data=False,
            verbose=False,
        )
        assert made is not None
        content = _told(made.model_proto, network).SerializeToString(deterministic=True)
    return Exported(content, _session(content))


def need_onnx() -> None:
    """Raise ArchError E0817 where a package is missing that ONNX files need."""
    missing = [name for name in ONNX_PACKAGES if find_spec(name) is None]
    if missing:
        raise fault(
            "E0817",
            f"ONNX files need packages that are missing: {', '.join(missing)}",
            expected=", ".join(ONNX_PACKAGES),
            hint="pip install 'archdsl[export]'",
        )


def outputs_of(result: Tensor | Outputs) -> Outputs:
    """What a network returned, as a tuple."""
    return (result,) if isinstance(result, Tensor) else tuple(result)


def _about(network: Program) -> str:
    """What the file is, for whoever opens it: the architecture and the text of its space."""
    known = {
        "archdsl": __version__,
        "architecture": network.genotype,
        "hash": network.hash,
        "space": network.text,
    }
    return json.dumps(known, sort_keys=True, ensure_ascii=False)


def _outputs(program: ExportedProgram, network: Program) -> list[str]:
    """Names of the outputs that no input has."""
    stem = "output"
    while any(str(name).startswith(stem) for name in program.graph_signature.user_inputs):
        stem += "_"
    count = len(network.net.outputs)
    return [stem] if count == 1 else [f"{stem}{number}" for number in range(1, count + 1)]


def _told(model: ModelProto, network: Program) -> ModelProto:
    """The model with its batch axis named, what it is, and no traces of the machine."""
    first = model.graph.input[0].type.tensor_type.shape.dim[0].dim_param
    symbol = re.compile(rf"\b{re.escape(first)}\b")
    graph = model.graph
    for value in (*graph.input, *graph.output, *graph.value_info):
        for axis in value.type.tensor_type.shape.dim:
            if axis.dim_param:
                axis.dim_param = symbol.sub("batch", axis.dim_param)
    for part in (graph, *model.functions):
        _forget(part)
    for key, text in json.loads(_about(network)).items():
        model.metadata_props.add(key=key, value=text)
    return model


def _forget(part: Any) -> None:
    """Remove what torch notes of where each operation and value came from."""
    del part.metadata_props[:]
    for value in (*getattr(part, "value_info", ()), *getattr(part, "initializer", ())):
        del value.metadata_props[:]
    for node in part.node:
        del node.metadata_props[:]
        for attribute in node.attribute:
            if attribute.HasField("g"):
                _forget(attribute.g)


def _session(content: bytes) -> Callable[..., Outputs]:
    """The model in onnxruntime, on as many threads as torch has."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = torch.get_num_threads()
    with _refusals("onnxruntime"):
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]

    def run(*inputs: Tensor) -> Outputs:
        given = {name: x.numpy() for name, x in zip(names, inputs, strict=True)}
        return tuple(torch.from_numpy(found) for found in session.run(None, given))

    return run


@contextmanager
def _refusals(tool: str) -> Iterator[None]:
    """A tool's chatter kept back, its failure told in one line. Raises ArchError E0816."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with (
            warnings.catch_warnings(action="ignore"),
            redirect_stdout(io.StringIO()),
            redirect_stderr(io.StringIO()),
        ):
            yield
    except (ArchError, MemoryError):
        raise
    except Exception as error:  # whatever their insides raise
        said = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
        raise fault(
            "E0816",
            f"{tool} cannot write this network: {type(error).__name__}",
            found=said[:200],
            hint="archdsl compile -O 2 --weights writes every network as Python",
        ) from error
    finally:
        logging.disable(before)
