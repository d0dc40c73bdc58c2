"""Generated files: they run, name their weights as the IR does, and compute what was chosen."""

from __future__ import annotations

import ast
import os
import random
import subprocess
import sys

import pytest
import torch

from archdsl.codegen import network_source, supernet_source
from archdsl.codegen.check import check_source
from archdsl.codegen.literals import docstring, in_docstring, literal, quoted
from archdsl.codegen.naming import ATTRIBUTES, attribute, camel, safe, state_key
from archdsl.ir.cost import cost
from archdsl.ir.graph import Apply, Invoke, Program
from archdsl.load import imported, load_network, load_supernet
from archdsl.space.architecture import Architecture
from archdsl.space.view import SearchSpace
from tests.codegen_spaces import ROOT, SPACES, case
from tests.operation_module import values
from tests.shipped import shipped


@pytest.fixture(scope="module", params=SPACES)
def space(request) -> SearchSpace:
    return SPACES[request.param]()


def some(space: SearchSpace, count: int) -> list[Architecture]:
    rng = random.Random(5)
    if space.size <= count:
        return [space.unrank(i) for i in range(space.size)]
    return [space.unrank(0), space.unrank(space.size - 1)] + [
        space.sample(rng) for _ in range(count - 2)
    ]


def weight_keys(program: Program) -> dict[str, tuple[int, ...]]:
    """The names and shapes of all weights, from the IR alone."""
    found: dict[str, tuple[int, ...]] = {}

    def walk(module: str, prefix: tuple[str, ...]) -> None:
        graph = program.modules[module]
        for node in graph.nodes:
            if isinstance(node.kind, Apply):
                inputs = tuple(graph.nodes[arg].type for arg in node.args)
                for weight in node.kind.operation.weights(inputs):
                    key = ".".join((*prefix, *node.path, weight.name))
                    found[state_key(key)] = weight.shape
            elif isinstance(node.kind, Invoke):
                walk(node.kind.module, (*prefix, *node.path))

    walk(program.root, ())
    return found


def inputs_of(program: Program) -> list[torch.Tensor]:
    torch.manual_seed(0)
    types = tuple(program.net.nodes[i].type for i in program.net.inputs)
    return list(values(types, 0, batch=3))


def shapes(module: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    return {key: tuple(value.shape) for key, value in module.state_dict().items()}


def flat(output: torch.Tensor | tuple[torch.Tensor, ...]) -> torch.Tensor:
    parts = output if isinstance(output, tuple) else (output,)
    return torch.cat([part.flatten(1) for part in parts], dim=1)


# --- what generated modules are ------------------------------------------------------------------


def test_supernet_owns_what_the_ir_says(space):
    module = load_supernet(space).module
    assert shapes(module) == weight_keys(space.program)
    parameters = sum(p.numel() for p in module.parameters())
    assert parameters == cost(space.program).params


def test_path_equals_network(space):
    """Outputs, gradients and batch statistics, in training and in evaluation, in float64."""
    supernet = load_supernet(space)
    supernet.module.double()
    inputs = inputs_of(space.program)
    for architecture in some(space, 6):
        program = space.resolve(architecture)
        network = load_network(program).double()
        assert shapes(network) == weight_keys(program)
        whole = {key: value.clone() for key, value in supernet.module.state_dict().items()}
        assert shapes(network).keys() <= whole.keys()
        network.load_state_dict({key: whole[key] for key in network.state_dict()})
        for training in (False, True):
            network.train(training)
            supernet.module.train(training)
            check_outputs_and_gradients(supernet, network, architecture, inputs)
        check_statistics(supernet.module, network, whole)
        supernet.module.load_state_dict(whole)


def check_outputs_and_gradients(supernet, network, architecture, inputs):
    supernet.module.zero_grad()
    network.zero_grad()
    expected = flat(network(*inputs))
    found = flat(supernet(*inputs, architecture))
    assert (found - expected).abs().max() <= 1e-12 * expected.abs().max(), architecture.text
    found.square().sum().backward()
    expected.square().sum().backward()
    alone = {key: p.grad for key, p in network.named_parameters() if p.grad is not None}
    scale = max((gradient.abs().max() for gradient in alone.values()), default=1)
    for key, parameter in supernet.module.named_parameters():
        zero = torch.zeros_like(parameter)
        difference = (zero if parameter.grad is None else parameter.grad) - alone.get(key, zero)
        assert difference.abs().max() <= 1e-12 * scale, (architecture.text, key)


def check_statistics(supernet, network, before):
    """What was not chosen has not even counted a batch.

    The network runs its text as written; what nothing reads may stay idle in the supernet.
    """
    alone = network.state_dict()
    unread = {
        name
        for name, module in network.named_modules()
        if isinstance(module, torch.nn.BatchNorm2d) and module.affine and module.weight.grad is None
    }
    for key, value in supernet.state_dict().items():
        idle = key.rpartition(".")[0] in unread and torch.equal(value, before[key])
        expected = before[key] if idle else alone.get(key, before[key])
        torch.testing.assert_close(value, expected, rtol=1e-9, atol=1e-12)


def test_only_what_is_chosen_runs():
    """Modules of other alternatives, and dead ones, are not even called."""
    space = shipped("nas_bench_201", cells=1, width=4, size=8)
    supernet = load_supernet(space)
    called: list[str] = []
    for name, module in supernet.module.named_modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(lambda *_, name=name: called.append(name))
    text = "nas_bench_201(cells=1, width=4, size=8)"
    conv, none = "nor_conv_3x3", "none"
    supernet(torch.zeros(1, 3, 8, 8), f"{text}/infer[{conv}; {conv} {conv}; {conv} {none} {none}]")
    inside = [name for name in called if name.startswith("stage1.0")]
    assert inside == ["stage1.0.nor_conv_3x3_3_0.conv"]


def test_choices_are_checked_against_the_space():
    supernet = load_supernet(case("several"))
    choice = supernet.choice(supernet.space.unrank(0))
    assert type(choice).__name__ == "StageChoice"
    assert len(choice.pair) == 2
    assert choice.pair[0].edge is not None


# --- the files as files ----------------------------------------------------------------------


FILES = (("paper", True), ("nb201", False), ("names", False), ("names", True))
"""Spaces, and whether their supernet is meant."""

EACH = """\
import runpy, sys
for name in sys.argv[1:]:
    print(f"{name}: ", end="")
    runpy.run_path(name, run_name="__main__")
assert not [name for name in sys.modules if name.partition(".")[0] == "archdsl"]
"""


def test_files_check_themselves(tmp_path):
    """Each as a program, in a fresh interpreter, without this package."""
    for number, (name, supernet) in enumerate(FILES):
        space = SPACES[name]()
        if supernet:
            text = supernet_source(space.program)
        else:
            text = network_source(space.resolve(space.unrank(space.size // 3)))
        (tmp_path / f"file{number}.py").write_text(text, encoding="utf-8")
    files = [f"file{number}.py" for number in range(len(FILES))]
    run = subprocess.run(
        [sys.executable, "-I", "-c", EACH, *files],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1"},
    )
    assert run.returncode == 0, run.stderr
    told = run.stdout.splitlines()
    assert [line.split(":")[0] for line in told] == files
    assert all("as expected" in line for line in told)


def test_layout_changes_nothing_else(space):
    """But for the blanks in docstrings."""
    trees = [ast.parse(supernet_source(space.program, format=on)) for on in (False, True)]
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = " ".join(node.value.split())
    assert ast.dump(trees[0]) == ast.dump(trees[1])


def test_same_bytes_under_every_hash_seed():
    code = (
        "import hashlib; from tests.codegen_spaces import SPACES;"
        "from archdsl.codegen import network_source, supernet_source;"
        "spaces = [SPACES[name]() for name in ('paper', 'nb201', 'several', 'some_of')];"
        "texts = [supernet_source(s.program, format=False) for s in spaces];"
        "texts += [network_source(s.resolve(s.unrank(7)), format=False) for s in spaces];"
        "print(hashlib.sha256(''.join(texts).encode()).hexdigest())"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": str(seed), "LC_ALL": ("C", "C.UTF-8")[seed % 2]},
        ).stdout
        for seed in range(6)
    }
    assert len(seen) == 1


def test_lines_fit(space):
    """Code and prose keep to 100 columns; only the origin, a copy of the text, may be wider."""
    code = supernet_source(space.program).partition("\n# The space this came from")[0]
    assert [line for line in code.splitlines() if len(line) > 100] == []


# --- hostile text ------------------------------------------------------------------------------


def test_text_stays_text():
    source = supernet_source(case("names").program)
    names = {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
    assert not names & {"os", "__import__", "print_", "system"}
    assert source.count("{{ file }}") == 2  # in the header and in the origin, both as text
    with imported(source) as module:
        assert "\\" in module.__doc__


HOSTILE = [
    '"""',
    "\\",
    '\\"',
    "\\\\",
    '""" ; import os',
    "\u202e reversed",
    "a\u2028b",
    "x\x00y",
    'ends with quote"',
    "ends with \\",
    "\\N{BULLET}",
    "{{ 1 }}",
    "${x}",
    "\ud800",
    "'''",
    "#",
    "\t tab \x1b[31m",
    '\\"""',
    "\r\nprint(1)\r\n",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_literals_hold_any_text(text):
    assert isinstance(ast.literal_eval(quoted(text)), str)
    body = "\n    ".join(docstring([in_docstring(text) or "x"]))
    tree = ast.parse(f"def f():\n    {body}\n")
    (function,) = tree.body
    assert isinstance(function, ast.FunctionDef)
    assert len(function.body) == 1
    assert all(c.isprintable() for c in in_docstring(text))


@pytest.mark.parametrize(
    "line",
    [
        "import os",
        "from os import path",
        "exec('1')",
        "open('x')",
        "getattr(1, 'x')",
        "x = ().__class__",
        "__import__('os')",
        "from torch import hub\nhub.load('x')",
        "import torch\ntorch.load('x')",
        "def __getattr__(name): pass",
        "print(eval('1'))",
        "import torch.utils.cpp_extension",
        "from torch.utils import data",
    ],
)
def test_the_gate_refuses(line):
    with pytest.raises(ValueError, match="generated line"):
        check_source(line)


# --- names -------------------------------------------------------------------------------------


def test_attributes_of_modules_are_reserved():
    """All that this torch calls its own; a newer one may add names, which then go here."""
    own = {name for name in dir(torch.nn.Module()) if not name.startswith("_")}
    own |= {name for name in dir(torch.nn.ModuleDict()) if not name.startswith("_")}
    own |= {name for name in dir(torch.nn.ModuleList()) if not name.startswith("_")}
    own |= {name for name in dir(torch.nn.Sequential()) if not name.startswith("_")}
    assert own <= ATTRIBUTES


def test_safe_names_stay_apart():
    names = ["training", "training_", "training__", "class", "class_", "x", "x_", "forward", "1a"]
    made = [attribute(name) for name in names]
    assert len(set(made)) == len(names)
    assert all(name.isidentifier() and name not in ATTRIBUTES for name in made)
    assert safe("x", {"x"}) == "x_"
    assert camel("relu_conv_bn") == "ReluConvBn"
    assert camel("MetaFormer-NAS") == "MetaFormerNAS"


@pytest.mark.parametrize(
    ("value", "text"), [(1e-5, "1e-5"), (0.5, "0.5"), (3, "3"), (True, "True"), ((1, 2), "(1, 2)")]
)
def test_literal(value, text):
    assert literal(value) == text
