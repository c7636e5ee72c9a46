# SPDX-License-Identifier: Apache-2.0
"""Where the infrared picture lies in the visible one, and whether to believe it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from crossband.errors import PictureError
from crossband.homography import Homography, Size, homography_of
from crossband.pair import Raster
from crossband.registration.edges import likeness, oriented_edges
from crossband.registration.refine import nearly, refined
from crossband.registration.search import Candidate, Search
from crossband.registration.views import Map, magnification, shrunk, shrunk_to, view, warped

CLEAR = 6.0
"""Clearness from which an estimate is believed. Of 23 pairs of other scenes' pictures two came
above, by likenesses of at most 0.14; of 23 pairs of one scene, all but one, by at least 0.22."""
LIKE = 0.15
"""Likeness from which it is."""
LEAST_SIDE_PX = 48
"""Smaller pictures have too few edges to be told from chance."""
_LEAST_MOVE_PX = 4.0
"""Half a position of the features at 1/8: what moves less gains nothing."""
_ALIKE = 0.05
"""Maps whose corners are nearer than this share of the sides climb to the same place."""
_STARTS = 2
_JUDGED_PX = 320
_PLAIN: Map = np.eye(3)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a registration found."""

    homography: Homography | None
    """None if nothing was found that can be believed or is of use."""
    before: float
    """Likeness of the edges of both pictures by plain scaling, -1 to 1; 0 of strangers."""
    after: float
    """The same by the homography, or by what came nearest to one."""
    clearness: float
    """Height of the correlation's peak there, in standard deviations; see `CLEAR`."""
    reason: str
    """Why there is no homography, in words; empty if there is one."""


@torch.inference_mode()
def estimate(visible: Raster, infrared: Raster) -> Estimate:
    """The homography from the infrared picture to the visible one at which their edges agree.

    Depth at which a homography does not hold (parallax) and lenses are not told: the map is that
    of most edges.
    """
    sides = (*visible.samples.shape[:2], *infrared.samples.shape[:2])
    if min(sides) < LEAST_SIDE_PX:
        return Estimate(
            None,
            0,
            0,
            0,
            f"a picture has a side of {min(sides)} px, at least {LEAST_SIDE_PX} are needed",
        )
    seen, felt = view(visible), view(infrared)
    search = Search(seen)
    starts = [_PLAIN, *(each.where for each in _distinct(search.candidates(felt)))]
    before = _likeness(seen, felt, _PLAIN)
    near = [nearly(seen, felt, start) for start in starts]
    best = max(near, key=lambda each: search.clearness(felt, each))
    found = refined(seen, felt, best)
    after, clearness = _likeness(seen, felt, found), search.clearness(felt, found)

    def refused(reason: str) -> Estimate:
        return Estimate(None, before, after, clearness, reason)

    if clearness < CLEAR or after < LIKE:
        return refused(
            f"the edges of both pictures agree nowhere clearly: {clearness:.1f} standard deviations"
            f" and a likeness of {after:.2f} at best, {CLEAR:g} and {LIKE:g} are needed"
        )
    if after <= before:
        return refused(
            f"no homography is better than plain scaling: the likeness of edges is {before:.2f} by"
            f" that, {after:.2f} at best"
        )
    if (move_px := _move_px(found, seen)) < _LEAST_MOVE_PX:
        return refused(
            f"the pictures lie on each other as they are, to {move_px:.1f} px; less than"
            f" {_LEAST_MOVE_PX:g} gain nothing"
        )
    sizes = [Size(*each.samples.shape[:2]) for each in (infrared, visible)]
    try:
        return Estimate(_coded(found, *sizes), before, after, clearness, "")
    except PictureError as error:
        return refused(str(error))


def _coded(where: Map, infrared: Size, visible: Size) -> Homography:
    """The map of shares as one of pixels, and that as it can be coded."""
    shares = [
        np.array([[each.width, 0, -0.5], [0, each.height, -0.5], [0, 0, 1]])
        for each in (infrared, visible)
    ]
    return homography_of(shares[1] @ where @ np.linalg.inv(shares[0]), infrared, visible)


def _distinct(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The first few that lie apart."""
    chosen: list[Candidate] = []
    for each in candidates:
        if all(_apart(each.where, other.where) > _ALIKE for other in chosen):
            chosen.append(each)
        if len(chosen) == _STARTS:
            break
    return chosen


def _apart(first: Map, second: Map) -> float:
    """Mean distance of the corners, in shares of the visible picture's sides."""
    corners = np.array([[0, 1, 1, 0], [0, 0, 1, 1], [1, 1, 1, 1]])
    a, b = first @ corners, second @ corners
    return float(np.hypot(*(a[:2] / a[2] - b[:2] / b[2])).mean())


def _move_px(where: Map, visible: Tensor) -> float:
    """Mean distance from plain scaling over the visible picture, in its pixels."""
    down, right = np.mgrid[0:1:9j, 0:1:9j]
    points = np.stack([right, down, np.ones_like(right)]).reshape(3, -1)
    seen = np.linalg.inv(where) @ points
    away = seen[:2] / seen[2] - points[:2]
    return float(np.hypot(away[0] * visible.shape[1], away[1] * visible.shape[0]).mean())


def _likeness(visible: Tensor, infrared: Tensor, where: Map) -> float:
    """Of the edges of both pictures where they overlap."""
    seen = shrunk_to(visible, _JUDGED_PX)
    small = shrunk(infrared, magnification(where, infrared, seen.shape))
    laid = warped(small, where, seen.shape)
    return likeness(oriented_edges(seen, 0.5), oriented_edges(laid.gray, 0.5), laid.inside)
