# SPDX-License-Identifier: Apache-2.0
"""What the bench asks of anything that codes a pair, and what it gets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from crossband.pair import Modality, Pair


@dataclass(frozen=True, slots=True)
class CodedFile:
    """One file and the pictures in it."""

    data: bytes
    holds: tuple[Modality, ...]


@dataclass(frozen=True, slots=True)
class CodedPair:
    """Everything that a decoder gets for one pair."""

    files: tuple[CodedFile, ...]
    bytes_visible: int
    bytes_infrared: int
    """Together the size of all files."""
    settings: str
    """Everything that made these bytes and not others."""
    pixel_format: str
    """As the encoder got the pictures, visible and infrared."""


@dataclass(frozen=True, slots=True)
class Shapes:
    """Shapes of the samples of a pair, None for a missing picture."""

    visible: tuple[int, ...] | None
    infrared: tuple[int, ...] | None

    @staticmethod
    def of(pair: Pair) -> Shapes:
        """Those of a pair."""
        return Shapes(
            visible=None if pair.visible is None else pair.visible.samples.shape,
            infrared=None if pair.infrared is None else pair.infrared.samples.shape,
        )

    def get(self, modality: Modality) -> tuple[int, ...] | None:
        """That of one camera's picture."""
        return self.visible if modality is Modality.VISIBLE else self.infrared


class PairCoder(Protocol):
    """Codes a pair to files and back."""

    @property
    def name(self) -> str:
        """What it is called on the command line and in rows."""

    @property
    def spec(self) -> str:
        """What `coders.find` makes the same coder from, in another process."""

    def available(self) -> bool:
        """Whether what it needs is installed."""

    def version(self) -> str:
        """Library and version; for crossband also the weights."""

    def prepare(self) -> None:
        """Loads what is loaded once, so that it counts in no picture's time."""

    def encode(self, pair: Pair, quality: float) -> CodedPair:
        """The files of a pair.

        Raises:
            CrossbandError: the pair cannot be coded so.
        """

    def decode(self, files: Sequence[CodedFile], shapes: Shapes) -> Pair:
        """The pair in the files.

        Raises:
            CrossbandError: they hold no such pair.
        """
