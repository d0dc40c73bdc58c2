"""archdsl from Python: the names of the package, and that they do what the commands do."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import archdsl
from archdsl.evaluate.two_paths import two_paths
from archdsl.load import load_mixture, load_paths, load_supernet
from archdsl.syntax.errors import ArchError

NET = "nas_bench_201(cells=1, width=4)"
A = f"{NET}/infer[skip_connect; avg_pool_3x3 none; nor_conv_1x1 none nor_conv_3x3]"
B = f"{NET}/infer[nor_conv_3x3; none none; nor_conv_1x1 none nor_conv_3x3]"
TEXT = """\
archdsl 1

space own(width=8) {
  net network(image: 3 x 8 x 8) {
    y = image -> conv(width, k=3) -> {a = relu | b = gelu}
    return y -> global_pool -> linear(2)
  }
}
"""


@pytest.fixture(scope="module")
def space():
    return archdsl.Space("nas_bench_201", cells=1, width=4)


def python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    return done.stdout.strip()


def test_the_package_offers_its_names():
    assert set(archdsl.__all__) <= set(dir(archdsl)) | set(archdsl.__all__)
    for name in archdsl.__all__:
        assert getattr(archdsl, name) is not None


def test_importing_the_package_imports_nothing():
    loaded = python(
        "import sys; before = set(sys.modules); import archdsl; archdsl.__version__;"
        "print(*sorted(m for m in set(sys.modules) - before if m.startswith('archdsl.')))"
    )
    assert loaded == ""


@pytest.mark.parametrize("name", ["diff", "load"])
def test_functions_win_over_modules_of_their_name(name):
    """Whatever was imported before: `archdsl.diff` is the function, its module stays reachable."""
    code = f"import archdsl; import archdsl.{name}; from archdsl.{name} import *;"
    code += f"import archdsl.api; assert archdsl.{name} is archdsl.api.{name}; print('same')"
    assert python(code) == "same"
    code = f"from archdsl import {name}; import archdsl.{name}; print({name}.__name__)"
    assert python(code) == name


def test_text_functions_need_no_torch():
    code = (
        "import sys, archdsl;"
        f"archdsl.cost({A!r}); archdsl.identity({A!r}); archdsl.diff({A!r}, {B!r});"
        f"archdsl.compile({A!r}); archdsl.Space('nas_bench_201').sample(1);"
        "print([m for m in ('torch', 'numpy', 'safetensors') if m in sys.modules])"
    )
    assert python(code) == "[]"


def test_parse_gives_the_tree():
    assert archdsl.parse(TEXT).spaces[0].name == "own"
    with pytest.raises(archdsl.ArchError) as caught:
        archdsl.parse("archdsl 1\nspace s { op f = relu -> }", "mine")
    (finding, *_) = caught.value.diagnostics
    assert isinstance(finding, archdsl.Diagnostic)
    assert finding.span is not None and finding.span.source.name == "mine"


# ---- spaces --------------------------------------------------------------------------------------


def test_space(space):
    assert space.size == len(space) == 15625
    assert space.name == NET and repr(space) == f"Space({NET!r}, size=15625)"
    assert archdsl.Space(NET).name == NET
    a = space.sample(7)
    assert a == space.sample(seed=7) == space.parse(a.text) == space.unrank(space.rank(a))
    assert len({x.text for x in space.samples(20, seed=1)}) > 10
    assert len(list(space.neighbours(a))) == 6 * 4
    assert space.mutate(a, seed=2) in set(space.neighbours(a.text))
    b = space.sample(8)
    child = space.crossover(a, b, seed=3)
    assert all(c in (x, y) for c, x, y in zip(child.choices, a.choices, b.choices, strict=True))


def test_a_random_generator_is_advanced(space):
    rng = random.Random(0)
    assert [space.sample(rng) for _ in range(5)] == space.samples(5, seed=0)


def test_legal_tokens_lead_to_a_string(space):
    prefix, rng = "", random.Random(0)
    while (token := rng.choice(space.legal(prefix))) != "":
        prefix = space.extend(prefix, token)
    assert space.parse(prefix).text == prefix


def test_own_space_from_text_and_file(tmp_path):
    own = archdsl.Space(TEXT, width=3)
    assert own.size == 2 and own.name == "own(width=3)"
    path = tmp_path / "own.arch"
    path.write_text(TEXT)
    assert archdsl.Space(path).name == archdsl.Space(str(path)).name == "own"
    a = own.sample(0)
    assert archdsl.cost(a, own)["params"] == 3 * 3 * 9 + 3 + 3 * 2 + 2
    assert archdsl.cost(a) == archdsl.cost(a, own)  # an architecture knows its space
    with pytest.raises(archdsl.ArchError, match="no space is called own"):
        archdsl.cost(a.text)
    with pytest.raises(archdsl.ArchError, match="no parameter"):
        archdsl.Space(TEXT, heigth=3)


# ---- one architecture ----------------------------------------------------------------------------


def test_cost_identity_diff(space):
    costs = archdsl.cost(A)
    assert costs["params"] == 8366 and costs["flops"] == 2 * costs["macs"]
    assert costs == archdsl.cost(space.parse(A)) == archdsl.cost(A, space)
    assert archdsl.identity(A) != archdsl.identity(B)
    assert not archdsl.diff(A, A)
    changes = archdsl.diff(A, B).changes
    assert ("infer", "node 1", "skip_connect", "nor_conv_3x3") in [
        (c.where, c.what, c.before, c.after) for c in changes
    ]
    with pytest.raises(archdsl.ArchError, match="whole space"):
        archdsl.cost(space)


def test_compile(tmp_path):
    text = archdsl.compile(A)
    assert text.startswith('"""')
    written = archdsl.compile(A, tmp_path / "out", supernet=True)
    assert [path.name for path in written] == ["network.py", "supernet.py"]
    assert written[0].read_text() == text
    twice = f"{NET}/infer[avg_pool_3x3; avg_pool_3x3 none; none nor_conv_3x3 nor_conv_1x1]"
    assert archdsl.compile(twice, level=0) != archdsl.compile(twice)
    assert archdsl.cost(written[0]) == archdsl.cost(A)
    assert archdsl.Space(written[1]).name == NET
    assert archdsl.compile(A, supernet=True) == written[1].read_text()


@pytest.mark.parametrize("level", [0, 1])
def test_load(level):
    network = archdsl.load(A, level=level)
    assert isinstance(network, nn.Module) and network.training
    assert sum(p.numel() for p in network.parameters()) == 8366
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


def test_supernet_is_called_with_an_architecture(space):
    supernet = archdsl.load(space, supernet=True).eval()
    network = archdsl.load(A).eval()
    weights = supernet.state_dict()
    network.load_state_dict({name: weights[name] for name in network.state_dict()})
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        expected = network(x)
        torch.testing.assert_close(supernet(x, A), expected)
        torch.testing.assert_close(supernet(x, space.parse(A)), expected)
        assert not torch.equal(supernet(x, B), expected)
    with pytest.raises(archdsl.ArchError):
        supernet(x, A.replace("none", "nothing"))


def test_supernet_of_a_text_of_its_own():
    own = archdsl.Space(TEXT)
    supernet = archdsl.load(own, supernet=True)
    for a in (own.unrank(0), own.unrank(1).text):
        assert supernet(torch.zeros(1, 3, 8, 8), a).shape == (1, 2)


def test_supernet_with_nothing_to_decide():
    fixed = TEXT.replace("{a = relu | b = gelu}", "relu")
    supernet = archdsl.load(archdsl.Space(fixed), supernet=True)
    assert supernet(torch.zeros(1, 3, 8, 8), "own").shape == (1, 2)
    assert supernet(torch.zeros(1, 3, 8, 8)).shape == (1, 2)


def test_docstrings():
    from archdsl import api

    for name in api.__all__:
        assert getattr(api, name).__doc__, name
    assert Path(api.__file__).name == "api.py"


def test_an_architecture_of_another_space_is_read_as_its_string():
    """Whatever takes an architecture refuses one that is not its own, as it would the string."""
    space, other = archdsl.Space("nas_bench_201"), archdsl.Space("nas_bench_201", width=4)
    foreign = other.sample(seed=0)
    for use in (
        space.parse,
        space.rank,
        space.mutate,
        lambda a: archdsl.costs(space, [a]),
        lambda a: archdsl.ids(space, [a]),
        lambda a: next(space.neighbours(a)),
    ):
        with pytest.raises(archdsl.ArchError):
            use(foreign)
    same = archdsl.Space("nas_bench_201").sample(seed=0)
    assert space.parse(same) == same


def test_a_mixture_takes_weights_or_an_architecture():
    space = archdsl.Space("nas_bench_201", cells=1, width=2)
    mixture = archdsl.load(space, supernet=True, mode="mixture").eval()
    path = archdsl.load(space, supernet=True).eval()
    path.load_state_dict(mixture.state_dict())
    one, x = space.sample(seed=3), torch.randn(2, 3, 32, 32)
    assert torch.allclose(mixture(x, one), path(x, one), atol=1e-5)
    assert torch.allclose(mixture(x, one.text), path(x, one), atol=1e-5)
    weights = {key: torch.ones(5) / 5 for key in load_mixture(space.view).sizes}
    assert mixture(x, weights).shape == (2, 10)


@pytest.mark.parametrize("checkpoint", [False, True])
def test_several_paths_take_the_gates_of_those_that_run(checkpoint):
    space = archdsl.Space("nas_bench_201", cells=1, width=2)
    paths = archdsl.load(space, supernet=True, mode="paths", checkpoint=checkpoint).eval()
    path = archdsl.load(space, supernet=True).eval()
    path.load_state_dict(paths.state_dict())
    one, x = space.sample(seed=3), torch.randn(2, 3, 32, 32)
    sizes = load_paths(space.view).sizes
    logits = {key: torch.zeros(size, requires_grad=True) for key, size in sizes.items()}
    gates = {key: {one.assignment[key][0]: torch.ones(())} for key in sizes}
    assert torch.allclose(paths(x, gates), path(x, one), atol=1e-5)
    drawn = two_paths(logits, torch.Generator().manual_seed(0))
    paths(x, drawn).square().sum().backward()
    assert all(one.grad is None or one.grad.count_nonzero() in (0, 2) for one in logits.values())
    assert any(one.grad is not None and one.grad.any() for one in logits.values())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "mix"}, "no such mode"),
        ({"mode": "mixture"}, "one network is no mixture"),
        ({"mode": "paths"}, "one network has no paths"),
        ({"partial_tokens": 0.25}, "a part of the tokens is for a mixture"),
        ({"supernet": True, "partial_tokens": 0.25}, "a part of the tokens is for a mixture"),
        ({"supernet": True, "mode": "mixture", "partial_tokens": 2}, "out of range"),
        ({"supernet": True, "partial_channels": 0.25}, "a part of the channels is for a mixture"),
        ({"supernet": True, "mode": "mixture", "partial_channels": 0}, "channels is out of range"),
    ],
)
def test_what_loading_has_no_use_for_is_refused(options, message):
    with pytest.raises(archdsl.ArchError, match=message) as caught:
        archdsl.load("dasvit", **options)
    assert caught.value.diagnostics[0].code == "E0709"


@pytest.mark.parametrize("level", [2, 3, -1])
def test_a_network_without_weights_has_two_levels(level: Any) -> None:
    for ask in (archdsl.load, archdsl.compile):
        with pytest.raises(ArchError, match="no such level"):
            ask("mobilenet_v2", level=level)


def test_supernets_are_loaded_from_a_space() -> None:
    space = archdsl.Space("nas_bench_201", cells=1, width=4)
    for load in (load_mixture, load_paths, load_supernet):
        assert load(space).space.size == space.size
