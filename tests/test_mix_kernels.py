"""Mixed kernels: random mixtures are what their spaces say, and slips in the pass are noticed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from archdsl.ops.linear import Linear
from archdsl.passes import mix_kernels
from archdsl.verify.mixtures import verify_mixture
from tests.random_mixtures import fires, space

COUNT = 60
RIGHT_ALIKE, RIGHT_MARGINS = mix_kernels.alike, mix_kernels.margins


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.mark.parametrize("first", range(0, COUNT, 20))
def test_random_mixtures_are_the_sums_that_they_say(first: int) -> None:
    for number in range(first, first + 20):
        verdict = verify_mixture(space(number), batch=3)
        assert verdict.ok, f"mixture {number}\n{verdict}"


def test_layers_of_both_kinds_are_mixed() -> None:
    fired = Counter(kind for number in range(COUNT) for kind in set(fires(space(number))))
    assert fired["conv"] >= 10 and fired["linear"] >= 5


def transposed(layer, whole):
    """Rows and columns of zeros confused."""
    return RIGHT_MARGINS(layer, whole)[::-1]


def off_centre(layer, inputs):
    """Dilations taken for alike, wherever kernels have their centre."""
    key = RIGHT_ALIKE(layer, inputs)
    return key if key is None or isinstance(layer, Linear) else (*key[:3], *key[4:5])


def groups_alike(layer, inputs):
    """Convolutions of groups taken for those of all channels."""
    key = RIGHT_ALIKE(layer, inputs)
    return key if key is None or isinstance(layer, Linear) else (key[0], *key[2:])


def first_gate(self, terms, name, layer, stem):
    """Biases under the gate of the first layer."""
    if name == "bias":
        terms = [replace(term, gate=terms[0].gate) for term in terms]
    return RIGHT_WEIGHT(self, terms, name, layer, stem)


RIGHT_WEIGHT = mix_kernels._Mixer._weight
SLIPS: tuple[tuple[object, str, Callable[..., object]], ...] = (
    (mix_kernels, "margins", transposed),
    (mix_kernels, "alike", off_centre),
    (mix_kernels, "alike", groups_alike),
    (mix_kernels._Mixer, "_weight", first_gate),
)


@pytest.mark.parametrize("slip", SLIPS, ids=lambda slip: slip[2].__name__)
def test_slips_are_noticed(slip, monkeypatch) -> None:
    monkeypatch.setattr(*slip)
    for number in range(COUNT):
        try:
            if not verify_mixture(space(number), batch=3).ok:
                return
        except Exception:  # what the pass left cannot be written or run
            return
    pytest.fail(f"not noticed within {COUNT} mixtures")
