"""The committed samples are what the compiler writes today."""

from __future__ import annotations

import difflib

import pytest

from tests.regen import GENERATED, samples


@pytest.mark.parametrize("sample", list(samples()), ids=lambda s: f"{s[0].parent.name}-{s[0].stem}")
def test_samples_are_fresh(sample):
    path, text = sample
    found = path.read_text(encoding="utf-8") if path.exists() else ""
    changes = difflib.unified_diff(found.splitlines(), text.splitlines(), "committed", "now", "")
    assert found == text, "\n".join(["run `make regen`, and read the difference:", *changes])


def test_every_sample_is_known():
    known = {path for path, _ in samples()}
    assert set(GENERATED.rglob("*.py")) == known
