# SPDX-License-Identifier: Apache-2.0
"""The exported entropy model of one picture: the only thing that writes or reads a stream."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from crossband.entropy.arithmetic import MEAN_BITS, IntegerArithmetic, StepTables
from crossband.entropy.coder import (
    LARGEST_SYMBOL,
    Integers,
    SymbolReader,
    SymbolWriter,
    TableModels,
)
from crossband.entropy.prior import HYPER_FACTOR, PASS_COUNT, Past, Prior
from crossband.homography import Places

ONE = 1 << MEAN_BITS
"""Decoded latents are integers in 1/64 of a step."""
MAX_COEFFICIENT_BITS = 800
"""What the alignment coefficients may take: 100 bytes."""


@dataclass(frozen=True, slots=True)
class Partner:
    """What the prior may know of the other picture: integers only."""

    signal: Tensor
    """Its decoded latents as activations, (1, height, width, channels), float64."""
    coefficients: Tensor
    """Scales then shifts of the channel alignment, (1, 2 * alignment channels), float64."""
    inside: Tensor | None = None
    """(1, height, width, 1), 0 where it does not see what this picture shows; None: everywhere."""


@dataclass(frozen=True, slots=True)
class CodedLatents:
    """The integers of one picture, as both sides hold them."""

    latents: Tensor
    """In 1/64 of a step, (1, height, width, channels), float64."""
    signal: Tensor
    """The same as activations: the partner's context."""
    checksum: int
    """CRC-32C of all symbols."""


def seen_at(signal: Tensor, places: Places) -> Tensor:
    """Activations (1, rows, columns, channels) at the nearest positions, 0 outside, likewise."""
    rows, columns = torch.from_numpy(places.rows), torch.from_numpy(places.columns)
    inside = torch.from_numpy(places.inside)
    return signal[:, rows, columns] * inside[None, :, :, None]


@dataclass(frozen=True, slots=True)
class Prices:
    """What latents would take; all but `bits` (1, height, width, channels), float64."""

    latents: Tensor
    """As they would be decoded, in steps."""
    bits: float
    """Of all of them; hyper-latents are not in it."""
    up: Tensor
    """How many bits more each symbol would take if it were larger by 1."""
    down: Tensor
    """Likewise, smaller by 1."""


@dataclass(frozen=True, slots=True)
class QualityTables:
    """Rows of integers for each of the 64 qualities."""

    step: StepTables
    hyper_value: Tensor
    """(qualities, hyper channels): activation of one hyper-latent step in 2^-16."""
    hyper_index: Tensor
    """(qualities, hyper channels): table of each hyper-latent."""
    features: Tensor
    """(qualities, width) activations."""


# Symbols for wanted latents, means and table indices: the encoder rounds, the decoder reads.
_Exchange = Callable[[Tensor, Tensor, Tensor], Tensor]


class IntegerModel:
    """Codes latents with probabilities that are integers from integers (rule 1)."""

    def __init__(
        self,
        prior: Prior,
        qualities: QualityTables,
        coefficient_index: Tensor,
        models: TableModels,
    ) -> None:
        self.prior = prior
        self.qualities = qualities
        self.coefficient_index = coefficient_index.numpy().astype(np.int32)
        self.models = models

    def arithmetic(self, quality_index: int) -> IntegerArithmetic:
        """The integer arithmetic of one quality."""
        tables = self.qualities
        return IntegerArithmetic(
            tables.step.signal[quality_index].double(),
            tables.step.mean(quality_index).double(),
            tables.step.offset[quality_index].double(),
            tables.hyper_value[quality_index].double(),
            tables.features[quality_index].double(),
        )

    def encode_coefficients(self, wanted: Tensor, writer: SymbolWriter) -> Tensor:
        """Codes rounded alignment coefficients; all zero where they would exceed 100 bytes.

        Args:
            wanted: (1, 2 * alignment channels), rounded or not.
            writer: the picture's stream, nothing written yet.

        Returns:
            The coefficients as the decoder will read them, float64.
        """
        symbols = torch.round(wanted).flatten().numpy().astype(np.int32)
        if self.models.bits(symbols, self.coefficient_index) > MAX_COEFFICIENT_BITS:
            symbols = np.zeros_like(symbols)
        writer.put(symbols, self.coefficient_index)
        return torch.from_numpy(symbols).double()[None]

    def unaligned(self, signal: Tensor, inside: Tensor | None) -> Partner:
        """A partner that no coefficients are coded for; arguments as the fields of `Partner`."""
        still = torch.zeros(1, len(self.coefficient_index), dtype=torch.float64)
        return Partner(signal, still, inside)

    def decode_coefficients(self, reader: SymbolReader) -> Tensor:
        """The coefficients at the start of a stream."""
        return torch.from_numpy(reader.get(self.coefficient_index)).double()[None]

    def encode(
        self,
        latents: Tensor,
        hyper: Tensor,
        quality_index: int,
        partner: Partner | None,
        writer: SymbolWriter,
        *,
        past: Past | None = None,
    ) -> CodedLatents:
        """Quantises and codes latents.

        Args:
            latents: in steps, not rounded, (1, height, width, channels).
            hyper: hyper-latents in their steps, not rounded, (1, height / 4, width / 4, channels).
            quality_index: 0 to 63.
            partner: the other picture's integers, or None to code alone.
            writer: the picture's stream, after its coefficients if it has a partner.
            past: `CodedLatents.signal` of the same camera's earlier frames; weights of films only.
        """
        wanted, hyper_symbols = _codable(latents, hyper)
        index = self._hyper_index(quality_index, hyper_symbols.shape[1] * hyper_symbols.shape[2])
        writer.put(_flat(hyper_symbols), index)

        def exchange(target: Tensor, mean: Tensor, index: Tensor) -> Tensor:
            symbols = torch.round(target - mean / ONE)
            writer.put(_flat(symbols), _flat(index))
            return symbols

        decoded, signal = self._walk(
            hyper_symbols, wanted, quality_index, partner, past, exchange, wanted.shape[1:3]
        )
        return CodedLatents(decoded, signal, writer.checksum)

    def prices(
        self,
        latents: Tensor,
        hyper: Tensor,
        quality_index: int,
        partner: Partner | None,
        *,
        past: Past | None = None,
    ) -> Prices:
        """What `encode` would code of latents, and at what price; arguments as there."""
        wanted, hyper_symbols = _codable(latents, hyper)
        _, height, width, channels = wanted.shape
        found = torch.zeros(3, 1, height * width, channels, dtype=torch.float64)
        places = iter(self.prior.geometry)

        def exchange(target: Tensor, mean: Tensor, index: Tensor) -> Tensor:
            symbols = torch.round(target - mean / ONE)
            prices = torch.from_numpy(self.models.prices(_flat(symbols), _flat(index)))
            place = next(places)
            positions = place.positions(height, width)
            found[:, :, positions, place.channels] = prices.reshape(3, *symbols.shape)
            return symbols

        decoded, _ = self._walk(
            hyper_symbols, wanted, quality_index, partner, past, exchange, wanted.shape[1:3]
        )
        bits, up, down = found.reshape(3, *wanted.shape)
        return Prices(decoded / ONE, float(bits.sum()), up, down)

    def decode(
        self,
        height: int,
        width: int,
        quality_index: int,
        partner: Partner | None,
        reader: SymbolReader,
        *,
        past: Past | None = None,
    ) -> CodedLatents:
        """The inverse of `encode` for a grid of `height` x `width` latent positions."""
        rows, columns = -(-height // HYPER_FACTOR), -(-width // HYPER_FACTOR)
        index = self._hyper_index(quality_index, rows * columns)
        hyper = torch.from_numpy(reader.get(index)).double().reshape(1, rows, columns, -1)

        def exchange(target: Tensor, mean: Tensor, index: Tensor) -> Tensor:
            return torch.from_numpy(reader.get(_flat(index))).double().reshape(index.shape)

        empty = torch.zeros(1, height, width, self.prior.settings.latent_channels).double()
        decoded, signal = self._walk(
            hyper, empty, quality_index, partner, past, exchange, (height, width)
        )
        return CodedLatents(decoded, signal, reader.checksum)

    def _hyper_index(self, quality_index: int, positions: int) -> Integers:
        row = self.qualities.hyper_index[quality_index].numpy().astype(np.int32)
        return np.tile(row, positions)

    def _walk(
        self,
        hyper: Tensor,
        wanted: Tensor,
        quality_index: int,
        partner: Partner | None,
        past: Past | None,
        exchange: _Exchange,
        size: tuple[int, int] | torch.Size,
    ) -> tuple[Tensor, Tensor]:
        """The four passes, the same for both sides; `exchange` gives each pass's symbols."""
        height, width = size
        arithmetic = self.arithmetic(quality_index)
        features = self.prior.features(
            hyper,
            None if partner is None else partner.signal,
            None if partner is None else partner.coefficients,
            None if partner is None else partner.inside,
            arithmetic,
            height=height,
            width=width,
            past=past,
        )
        channels = self.prior.settings.latent_channels
        decoded = torch.zeros(1, height * width, channels, dtype=torch.float64)
        signal = torch.zeros(1, height, width, channels, dtype=torch.float64)
        flat = wanted.flatten(1, 2)
        for number in range(PASS_COUNT):
            geometry = self.prior.geometry[number]
            positions = geometry.positions(height, width)
            mean, index = self.prior.read(number, features, signal, arithmetic)
            target = flat[:, positions, geometry.channels]
            symbols = exchange(target, mean, index)
            decoded[:, positions, geometry.channels] = symbols * ONE + mean
            signal = arithmetic.signal(decoded.reshape(1, height, width, channels))
        return decoded.reshape(1, height, width, channels), signal


def _codable(latents: Tensor, hyper: Tensor) -> tuple[Tensor, Tensor]:
    """Latents within what symbols can say, and hyper-latents as symbols, float64."""
    return (
        latents.double().clamp(-LARGEST_SYMBOL / ONE, LARGEST_SYMBOL / ONE),
        torch.round(hyper.double().clamp(-LARGEST_SYMBOL, LARGEST_SYMBOL)),
    )


def _flat(values: Tensor) -> Integers:
    return values.flatten().numpy().astype(np.int32)
