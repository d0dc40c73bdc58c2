"""Recipes: how networks are trained, as text. `train NAME { epochs = 600 ... }`."""

from __future__ import annotations

from archdsl.recipes.read import whole_recipe
from archdsl.recipes.recipe import Recipe

__all__ = ["Recipe", "whole_recipe"]
