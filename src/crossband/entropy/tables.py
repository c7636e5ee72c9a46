# SPDX-License-Identifier: Apache-2.0
"""The 64 symbol tables: logistic distributions of log-spaced spread, as integers.

A symbol is `round(latent - mean)`, so every table is centred on zero. Table `i` covers the symbols
-radius to radius and an escape; its 24-bit frequencies add up to 2^24. They are computed once, on
export, and shipped in the weight file: a decoder never evaluates a distribution.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

TABLE_COUNT = 64
FREQUENCY_BITS = 24
SPREAD_LOW = 0.07
"""Standard deviation of table 0: a zero costs 7e-6 bits, so silent channels are free."""
OCTAVES_PER_TABLE = math.log2(200 / SPREAD_LOW) / (TABLE_COUNT - 1)
"""Table 63 has a standard deviation of 200 steps."""
_LOGISTIC = math.sqrt(3.0) / math.pi  # logistic scale of unit standard deviation
_FLOOR = 2.0**-FREQUENCY_BITS
_TAIL = 1 / 64
"""No symbol but +-1 is rarer than this share of its neighbour nearer to zero: where a narrow table
is wrong, it is very wrong, and a logistic's tail would cost such a symbol 24 bits and an escape."""
_ESCAPE = 1 / 4
"""Likewise of the escape and the last symbol."""


@dataclass(frozen=True, slots=True)
class SymbolTables:
    """Integer frequencies of every table."""

    radius: npt.NDArray[np.int32]
    """(tables,): table i covers symbols -radius[i] to radius[i]."""
    frequencies: npt.NDArray[np.int32]
    """All tables one after the other, each 2 * radius + 1 symbols and the escape."""

    def __post_init__(self) -> None:
        start = 0
        for index, radius in enumerate(self.radius):
            stop = start + 2 * int(radius) + 2
            table = self.frequencies[start:stop]
            if len(table) != stop - start or table.min() < 1:
                raise ValueError(f"table {index} is short or has a frequency below 1")
            if int(table.sum()) != 1 << FREQUENCY_BITS:
                raise ValueError(f"table {index} adds up to {table.sum()}, not 2^{FREQUENCY_BITS}")
            start = stop
        if start != len(self.frequencies):
            raise ValueError(f"{len(self.frequencies) - start} frequencies beyond the last table")

    def table(self, index: int) -> npt.NDArray[np.int32]:
        """Frequencies of one table: symbols -radius to radius, then the escape."""
        sizes = 2 * self.radius.astype(np.int64) + 2
        start = int(sizes[:index].sum())
        return self.frequencies[start : start + int(sizes[index])]


def logistic_tables() -> SymbolTables:
    """Tables of logistic distributions with fuller tails; `symbol_bits` trains for them."""
    radii, frequencies = [], []
    for index in range(TABLE_COUNT):
        scale = SPREAD_LOW * 2 ** (OCTAVES_PER_TABLE * index) * _LOGISTIC
        radius = max(2, math.ceil(11 * scale))  # beyond: 2 exp(-11) = 3e-5
        edges = np.arange(-radius, radius + 2) - 0.5
        cumulative = 0.5 * (1 + np.tanh(edges / (2 * scale)))
        half = np.diff(cumulative)[radius:]  # of the symbols 0 to radius
        for symbol in range(2, radius + 1):
            half[symbol] = max(half[symbol], half[symbol - 1] * _TAIL)
        escape = max(2 * cumulative[0], half[-1] * _ESCAPE)
        share = np.concatenate([half[:0:-1], half, [escape]])
        spare = (1 << FREQUENCY_BITS) - len(share)
        table = 1 + np.floor(share / share.sum() * spare).astype(np.int64)
        table[radius] += (1 << FREQUENCY_BITS) - table.sum()
        radii.append(radius)
        frequencies.append(table.astype(np.int32))
    return SymbolTables(np.array(radii, np.int32), np.concatenate(frequencies))


def symbol_bits(residual: Tensor, table_index: Tensor) -> Tensor:
    """Bits of `latent - mean` (with training noise, or rounded) under a real-valued table index.

    Differentiable in both. Every table beyond the ends is the end's. No symbol costs more than the
    rarest that a table can hold, but the gradient is that of the distribution itself: a symbol
    far out, or a table beyond the end, would else teach nothing.
    """
    index = bounded(table_index, 0.0, TABLE_COUNT - 1.0)
    inverse = torch.exp2(-OCTAVES_PER_TABLE * index) * (1 / (SPREAD_LOW * _LOGISTIC))
    # On the left side, where the difference of two sigmoids loses no digits.
    away = -residual.abs()
    upper, lower = (away + 0.5) * inverse, (away - 0.5) * inverse
    # sigmoid(u) - sigmoid(l) = sigmoid(u) sigmoid(-l) (1 - exp(l - u))
    log_share = F.logsigmoid(upper) + F.logsigmoid(-lower) + torch.log(-torch.expm1(-inverse))
    bits = log_share * (-1 / math.log(2))
    with torch.no_grad():
        possible = -torch.log2(torch.exp(log_share) + _FLOOR)
    return bits + (possible - bits).detach()


class _Bounded(torch.autograd.Function):
    """`clamp` whose gradient also passes where it leads back inside."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, low: float, high: float) -> Tensor:
        ctx.save_for_backward(values)
        ctx.low, ctx.high = low, high
        return values.clamp(low, high)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (values,) = ctx.saved_tensors
        # Descent moves against the gradient.
        stuck = ((values < ctx.low) & (gradient > 0)) | ((values > ctx.high) & (gradient < 0))
        return gradient.masked_fill(stuck, 0.0), None, None


def bounded(values: Tensor, low: float, high: float) -> Tensor:
    """Values clamped to low ... high, with a gradient for those outside that should come back."""
    clamped: Tensor = _Bounded.apply(values, low, high)  # type: ignore[no-untyped-call]
    return clamped
