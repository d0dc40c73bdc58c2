"""Rules of the project that no single module can keep: who imports whom, and what stays out.

A rule is a table and a function from source text to findings; the functions are tested at the
end of this file. All of them read files and none imports the package.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MAX_LINES = 400


@dataclass(frozen=True, slots=True)
class Layer:
    """Modules (with all below them) that may import one another and every earlier layer."""

    modules: tuple[str, ...]
    never: tuple[str, ...] = ()  # earlier, and forbidden all the same


# Read downwards: a module imports from its own row and the rows above it, never from below.
# The data types of the IR come before the operations, whose definitions elaboration uses.
LAYERS = (
    Layer(("archdsl.resources", "archdsl.spaces")),
    Layer(("archdsl.syntax",)),
    Layer(("archdsl.files", "archdsl.functions", "archdsl.seeds", "archdsl.talk")),
    Layer(("archdsl.ir.types", "archdsl.ir.formula", "archdsl.ir.expression")),
    Layer(("archdsl.ops",)),
    Layer(("archdsl.ir",)),
    Layer(("archdsl.space",)),
    Layer(("archdsl.passes",)),
    Layer(("archdsl.codegen",)),
    Layer(("archdsl.formats",)),
    Layer(("archdsl.diff",)),
    Layer(("archdsl.show",)),
    Layer(("archdsl.carried",)),
    Layer(("archdsl.lint",)),
    Layer(("archdsl.recipes",)),
    Layer(("archdsl.library",)),
    Layer(("archdsl.part",)),
    Layer(("archdsl.grow",)),
    Layer(("archdsl.catalogue",)),
    Layer(("archdsl.compiler",)),
    Layer(("archdsl.load",)),
    Layer(
        ("archdsl.controllers",),
        never=("archdsl.codegen", "archdsl.compiler", "archdsl.load", "archdsl.passes"),
    ),
    Layer(("archdsl.evaluate",)),
    Layer(("archdsl.verify",)),
    Layer(("archdsl.run",)),
    Layer(("archdsl.api",)),
    Layer(("archdsl.cli",)),
    Layer(("archdsl",)),  # __init__ and __main__: the face of the package
)

HEAVY = {"torch", "torchvision", "numpy", "safetensors"}
MAY_IMPORT_HEAVY = (
    "archdsl.controllers",
    "archdsl.evaluate",
    "archdsl.load",
    "archdsl.run",
    "archdsl.verify",
)

UNSAFE_MODULES = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}
UNSAFE_NAMES = {
    "__import__",
    "builtins.eval",
    "builtins.exec",
    "eval",
    "exec",
    "torch.hub.load",
    "torch.jit.load",
    "torch.load",
    "yaml.load",
    "yaml.unsafe_load",
}

# Written with alternatives, so that this file does not match its own patterns.
MACHINE_PATTERNS = (
    r"(?<![\w.~/-])/(?:work|root|home|Users|opt|workspace)(?![\w-])",  # absolute paths
    r"https?://\S+/simple\b",  # package indexes
    r"--(?:extra-)?index-url",
    r"(?:PIP|UV)_(?:EXTRA_)?INDEX(?:_URL)?\b",
    r"://(?:localhost|127\.|10\.|192\.168\.)",
)


# ---- reading the tree ----------------------------------------------------------------------------


def package_files() -> list[Path]:
    return sorted((ROOT / "archdsl").rglob("*.py"))


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def layer_names() -> set[str]:
    return {name for layer in LAYERS for name in layer.modules}


MODULES = {module_of(path) for path in package_files()} | layer_names()


def within(module: str, parents: Iterable[str]) -> bool:
    return any(module == parent or module.startswith(parent + ".") for parent in parents)


def imported(node: ast.AST, package: str) -> Iterator[str]:
    """The dotted names that an import statement, or a call of `import_module`, asks for.

    `from a.b import c` gives `a.b.c`: the caller decides whether `c` is a module.
    """
    match node:
        case ast.Import(names=names):
            yield from (name.name for name in names)
        case ast.ImportFrom(module=module, names=names, level=level):
            above = package.split(".")[: len(package.split(".")) - level + 1] if level else []
            base = ".".join([*above, *([module] if module else [])])
            yield from (f"{base}.{name.name}" for name in names)
        case ast.Call(
            func=ast.Name(id="import_module") | ast.Attribute(attr="import_module"),
            args=[ast.Constant(value=str(name)), *_],
        ):
            yield name


def at_import_time(node: ast.AST) -> Iterator[ast.AST]:
    """Every node that runs when the module is imported: no functions, no TYPE_CHECKING blocks."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            yield from (n for other in child.orelse for n in (other, *at_import_time(other)))
            continue
        yield child
        yield from at_import_time(child)


# ---- the rules -----------------------------------------------------------------------------------


def layer_of(module: str) -> int | None:
    """The row with the longest name that holds the module; the last row holds only the face."""
    if module in ("archdsl", "archdsl.__main__"):
        return len(LAYERS) - 1
    rows = [
        (len(name), row)
        for row, layer in enumerate(LAYERS[:-1])
        for name in layer.modules
        if within(module, [name])
    ]
    return max(rows)[1] if rows else None


def wrong_directions(source: str, module: str, *, package: str) -> Iterator[str]:
    """Imports that point down the table, inside functions too."""
    row = layer_of(module)
    if row is None:
        yield f"{module} has no row in LAYERS: give it one"
        return
    for node in ast.walk(ast.parse(source)):
        for name in imported(node, package):
            if not within(name, ["archdsl"]) or name == "archdsl.__version__":
                continue
            target = name if name in MODULES else name.rpartition(".")[0]
            below = layer_of(target)
            if below is None or below > row or within(target, LAYERS[row].never):
                yield f"{module}:{node.lineno} imports {target}"


def heavy_imports(source: str, module: str, *, package: str) -> Iterator[str]:
    """Tensor libraries imported with the module: text commands must start fast."""
    if within(module, MAY_IMPORT_HEAVY):
        return
    for node in at_import_time(ast.parse(source)):
        for name in imported(node, package):
            if name.partition(".")[0] in HEAVY:
                yield f"{module}:{node.lineno} imports {name}"


def dotted(node: ast.AST, aliases: dict[str, str]) -> str:
    match node:
        case ast.Name(id=name):
            return aliases.get(name, name)
        case ast.Attribute(value=value, attr=attr):
            base = dotted(value, aliases)
            return f"{base}.{attr}" if base else ""
    return ""


def aliases_of(tree: ast.Module) -> dict[str, str]:
    """Local name to full name, for `import torch as t` and `from torch import load`."""
    found = {}
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found |= {name.asname: name.name for name in names if name.asname}
            case ast.ImportFrom(module=str(module), names=names, level=0):
                found |= {name.asname or name.name: f"{module}.{name.name}" for name in names}
    return found


def unsafe_code(source: str, module: str, *, package: str) -> Iterator[str]:
    """Ways to run code that came as data."""
    tree = ast.parse(source)
    aliases = aliases_of(tree)
    for node in ast.walk(tree):
        for name in imported(node, package):
            if name.partition(".")[0] in UNSAFE_MODULES or name in UNSAFE_NAMES:
                yield f"{module}:{node.lineno} imports {name}"
        if isinstance(node, ast.Name | ast.Attribute) and dotted(node, aliases) in UNSAFE_NAMES:
            yield f"{module}:{node.lineno} uses {dotted(node, aliases)}"


def house_rules(source: str, module: str, *, package: str) -> Iterator[str]:
    """A docstring that says what the module is for, and room for one idea only."""
    if not ast.get_docstring(ast.parse(source)):
        yield f"{module} has no docstring"
    if (lines := source.count("\n")) > MAX_LINES:
        yield f"{module} has {lines} lines: look for the second idea in it"


def space_names(text: str, spaces: Iterable[str]) -> list[str]:
    """Spaces named in the text; with an underscore a name counts inside a longer one too."""
    return [
        name
        for name in spaces
        if re.search(re.escape(name) if "_" in name else rf"\b{re.escape(name)}\b", text)
    ]


def machine_traces(text: str) -> list[str]:
    """Lines that hold only on the machine where they were written."""
    return [
        f"{number}: {line.strip()[:80]}"
        for number, line in enumerate(text.splitlines(), 1)
        if any(re.search(pattern, line) for pattern in MACHINE_PATTERNS)
    ]


# ---- the tree keeps the rules --------------------------------------------------------------------


@pytest.mark.parametrize("rule", [wrong_directions, heavy_imports, unsafe_code, house_rules])
def test_package_keeps(rule):
    found = []
    for path in package_files():
        module = module_of(path)
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        found += rule(path.read_text(encoding="utf-8"), module, package=package)
    assert not found, "\n".join(found)


def test_no_space_is_special():
    """Only importers of other people's strings may know a space: the compiler knows none."""
    spaces = [path.stem for path in sorted((ROOT / "archdsl" / "spaces").glob("*.arch"))]
    templates = [path for path in sorted((ROOT / "templates").rglob("*")) if path.is_file()]
    found = []
    for path in package_files() + templates:
        place = path.relative_to(ROOT).as_posix()
        if place.startswith("archdsl/formats/"):
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        found += [f"{place} names {name}" for name in space_names(f"{place}\n{text}", spaces)]
    assert not found, "\n".join(found)


def tracked_files() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file() and not path.is_symlink()]


def test_no_trace_of_a_machine():
    found = []
    for path in tracked_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}:{line}" for line in machine_traces(text)]
    assert not found, "\n".join(found)


# ---- the rules find what they are for ------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "line", "wrong"),
    [
        ("archdsl.ops.conv", "from archdsl.ir.types import Tensor", False),
        ("archdsl.ops.conv", "from archdsl.ir import types", False),
        ("archdsl.ops.conv", "from archdsl.ir import graph", True),
        ("archdsl.ops.conv", "from ..ir import types", False),
        ("archdsl.ops.conv", "from ..ir.elaborate import elaborate", True),
        ("archdsl.ops.conv", "from . import base", False),
        ("archdsl.ir.types", "from archdsl.ops import base", True),
        ("archdsl.ir.verify", "from archdsl.ops import base", False),
        ("archdsl.space.holes", "def f():\n    import archdsl.passes.prune", True),
        ("archdsl.space.holes", "importlib.import_module('archdsl.cli')", True),
        ("archdsl.controllers.lstm", "from archdsl.space import holes", False),
        ("archdsl.controllers.lstm", "from archdsl.codegen.view import View", True),
        ("archdsl.evaluate.train", "from archdsl.codegen.view import View", False),
        ("archdsl.codegen.header", "from archdsl import __version__", False),
        ("archdsl.codegen.header", "import archdsl", True),
        ("archdsl.unheard_of", "", True),
        ("archdsl", "from archdsl.cli import main", False),
    ],
)
def test_wrong_directions(module, line, wrong):
    assert bool([*wrong_directions(line, module, package=module.rpartition(".")[0])]) is wrong


@pytest.mark.parametrize(
    ("module", "source", "wrong"),
    [
        ("archdsl.ops.conv", "import torch", True),
        ("archdsl.ops.conv", "from torch.nn import functional", True),
        ("archdsl.ops.conv", "try:\n    import numpy\nexcept ImportError:\n    pass", True),
        ("archdsl.ops.conv", "class A:\n    import torch", True),
        ("archdsl.ops.conv", "def f():\n    import torch", False),
        ("archdsl.ops.conv", "if TYPE_CHECKING:\n    import torch", False),
        ("archdsl.ops.conv", "if TYPE_CHECKING:\n    pass\nelse:\n    import torch", True),
        ("archdsl.ops.conv", "from archdsl.ops import torch_code", False),
        ("archdsl.run.search", "import torch", False),
        ("archdsl.runner", "import torch", True),
    ],
)
def test_heavy_imports(module, source, wrong):
    assert bool([*heavy_imports(source, module, package="archdsl.ops")]) is wrong


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        ("eval('1')", True),
        ("run = exec", True),
        ("import builtins\nbuiltins.exec('1')", True),
        ("network.eval()", False),
        ("import pickle", True),
        ("from pickle import loads", True),
        ("import torch\ntorch.load(path)", True),
        ("import torch as t\nt.load(path)", True),
        ("from torch import load", True),
        ("import torch.nn\ntorch.jit.load(path)", True),
        ("import yaml\nyaml.load(text)", True),
        ("import json\njson.load(file)", False),
        ("from archdsl.load import load\nload(text)", False),
    ],
)
def test_unsafe_code(source, wrong):
    assert bool([*unsafe_code(source, "archdsl.x", package="archdsl")]) is wrong


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        ("", True),
        ('"""Why."""\n', False),
        ('"""Why."""\n' + "x = 1\n" * MAX_LINES, True),
    ],
)
def test_house_rules(source, wrong):
    assert bool([*house_rules(source, "archdsl.x", package="archdsl")]) is wrong


def test_space_names():
    spaces = ["two_words", "word"]
    assert space_names("from_two_words()", spaces) == ["two_words"]
    assert space_names("a word, quoted", spaces) == ["word"]
    assert space_names("words and sword and word_count", spaces) == []


@pytest.mark.parametrize("folder", ["work", "root", "home", "opt"])
def test_machine_traces(folder):
    assert machine_traces(f"cd /{folder}/project")
    assert machine_traces(f'path = "/{folder}"')
    assert not machine_traces(f"see docs/{folder}/page or https://example.org/{folder}")
    assert not machine_traces(f"/{folder}ing")


def test_machine_traces_finds_package_indexes():
    assert machine_traces("url = http://" + "index.example/simple/")
    assert machine_traces("pip install --" + "index-url x")
    assert not machine_traces("https://pypi.org/project/archdsl")
