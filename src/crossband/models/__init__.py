# SPDX-License-Identifier: Apache-2.0
"""Named weights: what is shipped, what a file needs, and how it is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossband.models.cards import ModelCard, describe, find, names, of_films

if TYPE_CHECKING:
    from crossband.models.network import Model

__all__ = ["ModelCard", "describe", "find", "load", "names", "of_films"]


def load(name: str) -> Model:
    """The weights called `name` (or a path of a weight file) with their networks.

    Raises:
        PictureError: there are no such weights.
    """
    from crossband.models.network import load_model

    return load_model(describe(name))
