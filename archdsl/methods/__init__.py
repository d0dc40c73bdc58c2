"""Methods: how a space is searched, as text. `method NAME { controller = random ... }`."""

from __future__ import annotations

from archdsl.methods.change import changed
from archdsl.methods.method import Method, Stage
from archdsl.methods.read import whole_method

__all__ = ["Method", "Stage", "changed", "whole_method"]
