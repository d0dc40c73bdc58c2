"""The committed samples are what the compiler writes today."""

from __future__ import annotations

import difflib

import pytest

from tests.regen import GENERATED, sampled, samples


@pytest.mark.parametrize("name", sampled())
def test_samples_are_fresh(name: str) -> None:
    files = dict(samples([name]))
    for path, text in files.items():
        found = path.read_text(encoding="utf-8") if path.exists() else ""
        changes = difflib.unified_diff(
            found.splitlines(), text.splitlines(), "committed", "now", ""
        )
        assert found == text, "\n".join(["run `make regen`, and read the difference:", *changes])
    assert set((GENERATED / name).glob("*.py")) == set(files)
