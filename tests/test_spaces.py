"""What holds for every space that ships."""

from __future__ import annotations

import pytest
import torch

from archdsl.resources import shipped_space, shipped_spaces
from archdsl.syntax.printer import format_text
from tests.regen import sampled
from tests.verify_spaces import mismatches, names, tiny

MOST_LINES = 80
SAMPLES = 2


@pytest.mark.parametrize("name", shipped_spaces())
def test_is_short_and_formatted(name: str) -> None:
    text = shipped_space(name)
    assert text is not None
    assert text == format_text(text)
    assert len(text.splitlines()) <= MOST_LINES


@pytest.mark.parametrize("name", shipped_spaces())
def test_has_a_sample_and_a_tiny_form(name: str) -> None:
    assert name in sampled()
    assert name in names()
    assert tiny(name).program.space == name


@pytest.mark.parametrize("name", shipped_spaces())
def test_supernet_path_and_networks_are_equal(name: str) -> None:
    torch.set_num_threads(1)
    found = [message for message in mismatches(name, SAMPLES, batch=8, steps=1) if message]
    assert not found, "\n".join(found)
