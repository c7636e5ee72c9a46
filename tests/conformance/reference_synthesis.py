# SPDX-License-Identifier: Apache-2.0
"""Turns decoded latents into samples by nothing but docs/format.md §13, in 64-bit floats.

Position by position where the codec works on whole tensors: slow, and hard to get wrong in the same
way.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from crossband.container import PictureRecord

Reals = npt.NDArray[np.float64]
"""(rows, columns, channels)."""
Tensors = dict[str, np.ndarray]


@dataclass(frozen=True)
class Shown:
    """A picture and what its partner may see of it."""

    values: Reals
    """What samples are rounded from, (height, width, channels)."""
    sixteenth: Reals
    eighth: Reals


def leaky(x: Reals) -> Reals:
    """0.1 of what is negative."""
    return np.where(x >= 0, x, 0.1 * x)


def gate(x: Reals) -> Reals:
    """First half times the sigmoid of the second."""
    a, b = np.split(x, 2, -1)
    return a / (1 + np.exp(-b))


def shuffle(x: Reals, n: int) -> Reals:
    """n x n positions of each, in the order of §13.2."""
    rows, columns, channels = x.shape
    out = np.zeros((rows * n, columns * n, channels // n**2))
    for i in range(n):
        for j in range(n):
            out[i::n, j::n] = x[:, :, i * n + j :: n**2]
    return out


def bilinear(x: Reals, rows: int, columns: int) -> Reals:
    """A grid of another size (§13.3)."""
    for axis, size in ((0, rows), (1, columns)):
        there = x.shape[axis]
        at = np.maximum(0, (np.arange(size) + 0.5) * there / size - 0.5)
        low = np.floor(at).astype(int)
        share = (at - low).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
        above = np.minimum(low + 1, there - 1)
        x = np.take(x, low, axis) * (1 - share) + np.take(x, above, axis) * share
    return x


def at_places(x: Reals, places: Any) -> Reals:
    """A grid read at the places of §5a, bilinear."""
    found = np.zeros((len(places.exact), len(places.exact[0]), x.shape[2]))
    for y, column in np.ndindex(*found.shape[:2]):
        v, u = (
            min(max(at - 0.5, 0), n - 1)
            for at, n in zip(places.exact[y][column], x.shape, strict=False)
        )
        for row in {math.floor(v), math.ceil(v)}:
            for line in {math.floor(u), math.ceil(u)}:
                share = (1 - abs(v - row)) * (1 - abs(u - line))
                found[y, column] += share * x[row, line]
    return found


def where(places: Any, times: int) -> Reals:
    """1 where a registered picture's positions are not outside, 0 where they are."""
    inside = 1 - np.array(places.outside, np.float64)
    return inside.repeat(times, 0).repeat(times, 1)[:, :, None]


class Transforms:
    """The float weights of one modality."""

    def __init__(self, tensors: Tensors, modality: str, quality_index: int) -> None:
        self.tensors, self.start, self.q = tensors, f"{modality}.transforms.", quality_index

    def __getitem__(self, name: str) -> Reals:
        return self.tensors[self.start + name].astype(np.float64)

    def pointwise(self, name: str, x: Reals) -> Reals:
        """A 1x1 layer."""
        weight = self[f"{name}.weight"]
        return x @ weight.reshape(len(weight), -1).T + self[f"{name}.bias"]

    def mix(self, name: str, x: Reals) -> Reals:
        """A 3x3 layer."""
        weight, total = self[f"{name}.weight"], self[f"{name}.bias"] + np.zeros_like(x)
        padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
        for i in range(3):
            for j in range(3):
                total += padded[i : i + len(x), j : j + x.shape[1]] * weight[:, 0, i, j]
        return total

    def block(self, name: str, x: Reals) -> Reals:
        """A gated block."""
        entered = leaky(self.pointwise(f"{name}.enter", x))
        x = x + self.pointwise(f"{name}.leave", self.mix(f"{name}.mix", entered))
        expanded = self.pointwise(f"{name}.expand", x)
        return x + self.pointwise(f"{name}.project", gate(expanded))

    def gain(self, name: str) -> Reals:
        """A gain of this quality (§13.1)."""
        low = min(self.q // 9, 6)
        share = self.q / 9 - low
        knots = self[f"{name}.knots"]
        return np.exp(1.5 * np.tanh((knots[low] * (1 - share) + knots[low + 1] * share) / 1.5))

    def step(self) -> Reals:
        """Quantiser steps."""
        weight = 0.0003 * (1 / 0.0003) ** (self.q / 63)
        return math.sqrt(12 / (2 * math.log(2) * weight * 255**2)) * self.gain("step_gain")

    def look(self, name: str, x: Reals, partner: Reals, window: int, reach: int) -> Reals:
        """Attention, one query at a time."""
        place = self[f"{name}.place"]
        query = self.pointwise(f"{name}.query", x)
        key, value = np.split(self.pointwise(f"{name}.key_value", partner), 2, -1)
        rows, columns, _ = x.shape
        found = np.zeros((rows, columns, 64))
        for y, column in np.ndindex(rows, columns):
            top, left = y // window * window - reach, column // window * window - reach
            number = y % window * window + column % window
            span = window + 2 * reach
            seen = [
                (k, top + k // span, left + k % span)
                for k in range(span * span)
                if 0 <= top + k // span < rows and 0 <= left + k % span < columns
            ]
            k, ys, xs = (list(each) for each in zip(*seen, strict=True))
            for head in range(2):
                part = slice(32 * head, 32 * head + 32)
                score = key[ys, xs, part] @ query[y, column, part] / math.sqrt(32)
                score += place[head, number, k]
                score = np.exp(score - score.max())
                found[y, column, part] = score @ value[ys, xs, part] / score.sum()
        return x + self.pointwise(f"{name}.leave", found)


def synthesize(
    record: PictureRecord,
    latents: Reals,
    coefficients: Reals | None,
    partner: Shown | None,
    tensors: Tensors,
    looks: Callable[[int], Any] | None = None,
) -> Shown:
    """§13.3 and §13.5 up to the rounding.

    Args:
        record: of the picture.
        latents: Y of §10.4, in 1/64 of a step.
        coefficients: of §12, for a conditional picture.
        partner: the picture before, for a conditional picture.
        tensors: the weight file.
        looks: for a registered picture, where its grid of a cell looks (§5a).
    """
    net = Transforms(tensors, record.modality.value, record.quality_index)
    rows, columns, _ = latents.shape
    there: Reals | float = 1.0
    x = net.pointwise("synthesis.head", latents / 64 * net.step())
    for n in range(2):
        x = net.block(f"synthesis.deep.{n}", x)
    if partner is not None:
        seen = bilinear(partner.sixteenth, rows, columns)
        if looks is not None:
            seen, there = at_places(partner.sixteenth, looks(16)), where(looks(16), 1)
        x = x + (net.look("synthesis.look_deep", x, seen, 4, 4) - x) * there
    sixteenth = x
    x = shuffle(net.pointwise("synthesis.up", x), 2)
    for n in range(2):
        x = net.block(f"synthesis.before.{n}", x)
    if partner is not None and coefficients is not None:
        seen = bilinear(partner.eighth, 2 * rows, 2 * columns)
        if looks is not None:
            seen, there = at_places(partner.eighth, looks(8)), where(looks(16), 2)
        x = x + (net.look("synthesis.look_wide", x, seen, 8, 4) - x) * there
        scale, shift = np.split(coefficients, 2)
        aligned = net.pointwise("alignment.project", seen) * (1 + scale / 16) + shift / 16
        entered = leaky(net.pointwise("synthesis.context.enter", np.concatenate([x, aligned], -1)))
        mixed = net.mix("synthesis.context.mix", entered)
        x = x + net.pointwise("synthesis.context.leave", mixed) * there
    for n in range(3):
        x = net.block(f"synthesis.after.{n}", x)
    eighth = x
    x = shuffle(net.pointwise("synthesis.tail", x * net.gain("synthesis.gain")), 8) + 0.5
    x = x[: record.height, : record.width]
    if record.channels == 1:
        x = x.mean(-1, keepdims=True)
    values = np.clip(x, 0, 1) * (record.high - record.low) + record.low
    return Shown(values, sixteenth, eighth)
