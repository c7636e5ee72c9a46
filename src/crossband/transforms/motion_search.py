# SPDX-License-Identifier: Apache-2.0
"""The encoder's choice of motion vectors: smooth fields that predict well and cost little.

coarse matches ─ finer matches ─┐
no motion, references ──────────┼─► each block settles on one of these or a neighbour's ─► Field
the commonest match ────────────┘
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from crossband.transforms.motion import BLOCK, PARTS
from crossband.transforms.quality import lagrangian

_COPY_BITS, _OWN_BITS, _COMPONENT_BITS = 5.0, 5.0, 1.5
"""About what a vector takes that is not the expected one: a neighbour's, one of its own, and each
component of that besides its size."""
_COARSE = 4
_REACH = 7
"""Coarse pixels that the search looks away from a block's own place."""
_STAGES = ((2, (8, 4)), (1, (2, 1)))
"""How many times as small the pictures are, and the units by which matches are refined."""
_EVERY = 2
"""Rows of which one is compared."""
THOROUGH, QUICK = 4, 2
"""Times that every block is offered its neighbours' vectors; twice takes two thirds of the time,
and errors and bits are 0.1 to 0.8 % more."""
_AROUND = ((1, 0), (-1, 0), (0, 1), (0, -1))


def vector_price(quality_index: Tensor) -> Tensor:
    """Absolute errors, in levels of 255, that a bit of a vector is worth, (batch,)."""
    price: Tensor = 0.8 * lagrangian(quality_index) ** -0.5
    return price


@dataclass(frozen=True, slots=True)
class Field:
    """Vectors of a batch, coded as differences from a reference."""

    vectors: Tensor
    """Integers as floats, (batch, height / 16, width / 16, 2)."""
    bits: Tensor
    """About what they take, (batch,)."""
    cost: Tensor
    """Absolute errors in levels of 255, and the bits at their price, (batch,)."""

    def or_cheaper(self, other: Field) -> Field:
        """Of each picture the cheaper one."""
        wins = other.cost < self.cost
        return Field(
            torch.where(wins[:, None, None, None], other.vectors, self.vectors),
            torch.where(wins, other.bits, self.bits),
            torch.minimum(other.cost, self.cost),
        )


@torch.no_grad()
def search(
    current: Tensor,
    past: Tensor,
    price: Tensor,
    furthest: int,
    references: Sequence[Tensor] = (),
    *,
    passes: int = THOROUGH,
) -> list[Field]:
    """Vectors that predict the current picture from the past one at little cost.

    A coarse search of all places within 28 px, and smaller and smaller steps, find what matches
    each block best. A field then begins as its reference; where that is zero, another one begins
    as the commonest of those matches. Blocks take one of these vectors or a neighbour's where that
    lowers the cost of the whole field. (Begun with the best matches it ends as a patchwork
    that no change of a single block improves, and takes up to ten times the bits.)

    Args:
        current: samples in 0 to 1, (batch, channels, height, width), sides multiples of 16.
        past: what was shown last, likewise.
        price: absolute errors, in levels of 255, that a bit is worth, (batch,).
        furthest: largest component of a vector, in units.
        references: fields from whose difference this one may be coded.
        passes: THOROUGH or QUICK.

    Returns:
        The best field coded as it is, then the best one coded from each reference.
    """
    here, there = (each.mean(1, keepdim=True).float() for each in (current, past))
    matches = _matches(here, there, price, furthest)
    zero, common = torch.zeros_like(matches), _commonest(matches).expand_as(matches)
    settling = _Settling(
        fields=torch.stack([common, zero, *references]),
        references=torch.stack([zero, zero, *references]),
        known=torch.stack([matches, common, zero, *references]),
        matcher=_Matcher(here, there, 1),
        price=price[:, None, None],
        furthest=furthest,
    )
    for _ in range(passes):
        before = settling.fields
        settling.settle()
        if torch.equal(settling.fields, before):
            break
    common_first, zero_first, *others = settling.found()
    return [zero_first.or_cheaper(common_first), *others]


def field_bits(field: Tensor) -> Tensor:
    """About what each vector takes (`entropy/vectors.py` codes them).

    Args:
        field: vectors less their reference, (..., rows, columns, 2).

    Returns:
        (..., rows, columns).
    """
    padded = F.pad(field, (0, 0, 1, 1, 1, 0))
    left, above, right = padded[..., 1:, :-2, :], padded[..., :-1, 1:-1, :], padded[..., :-1, 2:, :]
    middle = torch.maximum(
        torch.minimum(left, above), torch.minimum(torch.maximum(left, above), right)
    )
    middle[..., :1, :, :] = left[..., :1, :, :]
    away = (field - middle).abs()
    own = _OWN_BITS + (_COMPONENT_BITS + 2 * torch.log2(1 + away)).sum(-1)
    copied = (field == left).all(-1) | (field == above).all(-1) | (field == right).all(-1)
    return torch.where(copied, _COPY_BITS, own) * (away.sum(-1) > 0)


class _Settling:
    """Fields that take better vectors block by block, several of a batch at once."""

    def __init__(
        self,
        *,
        fields: Tensor,
        references: Tensor,
        known: Tensor,
        matcher: _Matcher,
        price: Tensor,
        furthest: int,
    ) -> None:
        self.fields, self.references, self.known = fields, references, known
        """(fields or known, batch, rows, columns, 2)."""
        self.matcher, self.price, self.furthest = matcher, price, furthest
        self.known_errors = torch.stack([matcher.everywhere(each) for each in known])
        self.errors = torch.stack([matcher.everywhere(each) for each in fields])

    def settle(self) -> None:
        """Offers every block all known vectors, its neighbours' and the expected one."""
        offered = self._offered()
        candidates = torch.cat(
            [offered, self.known[:, None].expand(-1, len(self.fields), -1, -1, -1, -1)]
        )
        errors = torch.cat(
            [
                self._errors_of(offered),
                self.known_errors[:, None].expand(-1, len(self.fields), -1, -1, -1),
            ]
        )
        rows, columns = self.fields.shape[-3:-1]
        row = torch.arange(rows, device=self.fields.device)[:, None]
        column = torch.arange(columns, device=self.fields.device)
        # A vector counts for its own cost and for its right, lower and lower left neighbours'.
        for down in range(2):
            for across in range(3):
                self._choose((row % 2 == down) & (column % 3 == across), candidates, errors)

    def found(self) -> list[Field]:
        """The fields as they are now."""
        bits = field_bits(self.fields - self.references)
        costs = (self.errors + self.price * bits).sum((-2, -1))
        every = zip(self.fields, bits.sum((-2, -1)), costs, strict=True)
        return [Field(*each) for each in every]

    def _choose(self, chosen: Tensor, candidates: Tensor, errors: Tensor) -> None:
        """The best vectors of blocks that are too far apart to change each other's cost."""
        candidates = torch.cat([self.fields[None], candidates])
        errors = torch.cat([self.errors[None], errors])
        tried = torch.where(chosen[..., None], candidates, self.fields)
        bits = field_bits(tried - self.references)
        around = F.pad(bits, (1, 1, 0, 1))
        bits = bits + around[..., :-1, 2:] + around[..., 1:, 1:-1] + around[..., 1:, :-2]
        best = (errors + self.price * bits).argmin(0, keepdim=True)
        best = torch.where(chosen, best, 0)
        self.errors = errors.gather(0, best)[0]
        self.fields = candidates.gather(0, best[..., None].expand(*best.shape, 2))[0]

    def _offered(self) -> Tensor:
        return torch.stack([torch.roll(self.fields, each, (-3, -2)) for each in _AROUND])

    def _errors_of(self, offered: Tensor) -> Tensor:
        """Infinite where the vector is a known one: it is among the candidates anyway."""
        errors = offered.new_full(offered.shape[:-1], torch.inf)
        new = (offered != self.fields).any(-1)
        for each in self.known:
            new &= (offered != each).any(-1)
        places = new.nonzero(as_tuple=True)
        errors[places] = self.matcher.errors(offered[places], *places[-3:])
        return errors


class _Matcher:
    """How well blocks match others of the past picture, both `size` times as small."""

    def __init__(self, here: Tensor, there: Tensor, size: int) -> None:
        if size > 1:
            here, there = F.avg_pool2d(here, size), F.avg_pool2d(there, size)
        self.block, self.parts = BLOCK // size, PARTS * size
        self.scale = 255 * _EVERY * size * size
        # Beyond this margin every block is the border's, however far it lies.
        self.margin = self.block + 1
        around = F.pad(there, (self.margin,) * 4, mode="replicate")[:, 0]
        self.windows = around.unfold(1, self.block, 1).unfold(2, self.block + 1, 1)
        batch, _, height, width = here.shape
        self.blocks = (
            here.view(batch, height // self.block, self.block, width // self.block, self.block)
            .transpose(2, 3)[..., ::_EVERY, :]
            .contiguous()
        )

    def everywhere(self, vectors: Tensor) -> Tensor:
        """Of a whole field (batch, rows, columns, 2): (batch, rows, columns)."""
        places = torch.ones_like(vectors[..., 0], dtype=torch.bool).nonzero(as_tuple=True)
        return self.errors(vectors[places], *places).view(vectors.shape[:-1])

    def errors(self, vectors: Tensor, picture: Tensor, row: Tensor, column: Tensor) -> Tensor:
        """Absolute errors in levels of 255, bilinear between pixels; the border goes on.

        Args:
            vectors: (blocks, 2).
            picture: of the batch, (blocks,).
            row: of each block, likewise.
            column: likewise.
        """
        whole = torch.floor(vectors / self.parts)
        down, across = (vectors / self.parts - whole).unbind(-1)
        height, width = self.windows.shape[1:3]
        top = (self.margin + row * self.block + whole[:, 0].long()).clamp(0, height - 1)
        left = (self.margin + column * self.block + whole[:, 1].long()).clamp(0, width - 1)
        found = self.windows[picture, top, left]
        upper, lower = found[:, ::_EVERY], found[:, 1::_EVERY]
        taken = torch.lerp(upper, lower, down[:, None, None])
        taken = torch.lerp(taken[..., :-1], taken[..., 1:], across[:, None, None])
        differences = (taken - self.blocks[picture, row, column]).abs_()
        return differences.sum((-2, -1)) * self.scale


def _commonest(vectors: Tensor) -> Tensor:
    """What most vectors of each picture are, (batch, 1, 1, 2)."""
    found = []
    for each in vectors.flatten(1, 2):
        kinds, counts = torch.unique(each, dim=0, return_counts=True)
        found.append(kinds[counts.argmax()])
    return torch.stack(found)[:, None, None]


def _matches(here: Tensor, there: Tensor, price: Tensor, furthest: int) -> Tensor:
    """The best match of each block, near places before far ones."""
    vectors = _coarse(here, there).clamp(-furthest, furthest)
    for size, steps in _STAGES:
        matcher = _Matcher(here, there, size)

        def cost(candidate: Tensor, matcher: _Matcher = matcher) -> Tensor:
            bits = torch.log2(1 + candidate.abs()).sum(-1)
            return matcher.everywhere(candidate) + price[:, None, None] * bits

        least = cost(vectors)
        steps_around = [(down * step, across * step) for step in steps for down, across in _AROUND]
        for move in (None, *steps_around):
            # Away from what the moves before have found.
            candidate = (
                torch.zeros_like(vectors) if move is None else vectors + vectors.new_tensor(move)
            )
            candidate = candidate.clamp(-furthest, furthest)
            found = cost(candidate)
            wins = found < least
            least = torch.where(wins, found, least)
            vectors = torch.where(wins[..., None], candidate, vectors)
    return vectors


def _coarse(here: Tensor, there: Tensor) -> Tensor:
    """The best of all whole coarse pixels, judged by twice the block's side."""
    here, there = F.avg_pool2d(here, _COARSE), F.avg_pool2d(there, _COARSE)
    padded = F.pad(there, (_REACH,) * 4, mode="replicate")
    height, width = here.shape[-2:]
    side = BLOCK // _COARSE
    vectors = here.new_zeros(len(here), height // side, width // side, 2)
    least = torch.full_like(vectors[..., 0], torch.inf)
    for down in range(-_REACH, _REACH + 1):
        for across in range(-_REACH, _REACH + 1):
            top, left = _REACH + down, _REACH + across
            error = (padded[:, :, top : top + height, left : left + width] - here).abs()
            found = F.avg_pool2d(error, 2 * side, side, side // 2, count_include_pad=False)[:, 0]
            wins = found < least
            least = torch.where(wins, found, least)
            place = vectors.new_tensor((down, across)) * (_COARSE * PARTS)
            vectors = torch.where(wins[..., None], place, vectors)
    return vectors
