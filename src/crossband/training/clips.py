# SPDX-License-Identifier: Apache-2.0
"""Short clips to train films on: real ones, and motion made from stills.

There are few paired films and their cameras stand still, so most clips are stills in motion: the
camera pans, zooms and shakes, a patch of another picture crosses the scene on a way of its own, and
every frame has its own noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from crossband.training.data import Batch, Sampler

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Motion:
    """How clips move. Lengths are pixels, rates are per frame."""

    real_share: float = 0.3
    """Of clips taken from films, where the sources have any."""
    standing_share: float = 0.3
    """Of made clips whose camera stands still."""
    pan: float = 3.0
    """Standard deviation of the camera's speed."""
    shake: float = 0.3
    """Standard deviation of each frame's place around it."""
    zoom: float = 0.01
    """Standard deviation of the relative change of scale."""
    crossing_share: float = 0.7
    """Of made clips that a patch of another picture crosses."""
    crossing_speed: float = 5.0
    """Standard deviation of its speed."""
    noise: float = 2.5
    """Largest standard deviation of a camera's noise, in levels of 255."""
    jump_share: float = 0.15
    """Of frames at which a camera's brightness and contrast change at once: automatic gain."""
    cut_share: float = 0.03
    """Of frames at which a camera shows something else: a shutter, or a cut that was not seen."""


@dataclass(frozen=True, slots=True)
class _Way:
    """Where each frame of each clip looks, in pixels away from its patch's middle."""

    rows: Numbers
    """(clips, frames)."""
    columns: Numbers
    scale: Numbers
    """Pixels of the patch a pixel of the frame."""


class ClipSampler:
    """Draws clips; its whole state is the generator of the sampler of pairs.

    Args:
        sampler: gives the pictures, their variation and the random numbers.
        frames: of each clip.
        motion: how they move.
    """

    def __init__(self, sampler: Sampler, *, frames: int, motion: Motion) -> None:
        self.sampler, self.frames, self.motion = sampler, frames, motion
        self.store, self.size, self.random = sampler.store, sampler.size, sampler.random
        self.films = [clip for clip in self.store.clips if clip.stop - clip.start >= frames]

    def draw(self, count: int) -> tuple[Batch, ...]:
        """`count` clips as one batch for each frame."""
        real = int(self.random.binomial(count, self.motion.real_share)) if self.films else 0
        parts = [self._real() for _ in range(real)]
        if count > real:
            parts.append(self._made(count - real))
        return tuple(
            Batch(
                torch.cat([part[number].visible for part in parts]),
                torch.cat([part[number].infrared for part in parts]),
            )
            for number in range(self.frames)
        )

    def _real(self) -> list[Batch]:
        """One clip of a film, forwards or backwards, at one or two frames a step."""
        random, store, size = self.random, self.store, self.size
        film = self.films[int(random.integers(len(self.films)))]
        length = film.stop - film.start
        stride = int(random.integers(1, max(1, min(2, (length - 1) // (self.frames - 1))) + 1))
        first = film.start + int(random.integers(length - stride * (self.frames - 1)))
        numbers = [first + stride * number for number in range(self.frames)]
        if random.random() < 0.5:
            numbers.reverse()
        _, height, width = store.visible_at[store.pairs[first][0]]
        top = int(random.integers(height - size + 1))
        left = int(random.integers(width - size + 1))
        place = (top + np.arange(size))[:, None] * width + left + np.arange(size)
        turn = self._turn()
        clip = []
        for number in numbers:
            shown = []
            for flat, places, picture in (
                (store.visible_bytes, store.visible_at, store.pairs[number][0]),
                (store.infrared_bytes, store.infrared_at, store.pairs[number][1]),
            ):
                index = torch.from_numpy(places[picture, 0] + place).to(store.device)
                shown.append(flat[index].permute(2, 0, 1)[None].float() / 255)
            clip.append(Batch(_turned(shown[0], turn), _turned(shown[1], turn)))
        return clip

    def _made(self, count: int) -> list[Batch]:
        """Clips that move over stills."""
        motion, random = self.motion, self.random
        standing = random.random(count) < motion.standing_share
        way = self._way(count, np.where(standing, 0.0, motion.pan), zooms=~standing)
        scene = self._patches(count)
        crossing = self._patches(count)
        own = self._way(count, np.full(count, motion.crossing_speed), zooms=standing)
        crosses = random.random(count) < motion.crossing_share
        mask_rows = random.uniform(0, self.size, (count, 1)) + own.rows
        mask_columns = random.uniform(0, self.size, (count, 1)) + own.columns
        radius = np.where(crosses, np.exp(random.uniform(np.log(8), np.log(40), count)), 0.0)
        aspect = np.exp(random.normal(0, 0.4, count))
        # The patch moves with its outline: looked at where the outline is not.
        own = _Way(-own.rows, -own.columns, own.scale)
        levels = random.uniform(0, motion.noise, (count, 2)) * (random.random((count, 2)) < 0.6)
        noise = self._to_device(levels).float()[:, :, None, None, None] / 255
        turns = [self._turn() for _ in range(count)]
        jumps = random.random((count, 2, self.frames)) < motion.jump_share
        jumps[:, :, 0] = False
        changes = random.normal(0, (0.12, 0.06), (*jumps.shape, 2)) * jumps[..., None]
        light = self._to_device(changes.cumsum(2)).float()
        cuts = random.random((count, 2, self.frames)) < motion.cut_share
        cuts[:, :, 0] = False
        clip = []
        for number in range(self.frames):
            mask = self._outline(
                mask_rows[:, number], mask_columns[:, number], radius * aspect, radius / aspect
            )
            shown = []
            for camera in range(2):
                behind = self._seen(scene[camera], way, number)
                before = self._seen(crossing[camera], own, number)
                picture = torch.lerp(behind, before, mask)
                cut = self._to_device(cuts[:, camera, number])[:, None, None, None]
                picture = torch.where(cut, before, picture)
                gain, offset = light[:, camera, number, :, None, None, None].unbind(1)
                picture = (picture - 0.5) * torch.exp(gain) + 0.5 + offset
                grain = torch.randn(picture.shape, device=picture.device) * noise[:, camera]
                picture = torch.round((picture + grain).clamp(0, 1) * 255) / 255
                shown.append(
                    torch.cat([_turned(p[None], t) for p, t in zip(picture, turns, strict=True)])
                )
            clip.append(Batch(*shown))
        return clip

    def _way(self, count: int, speed: Numbers, *, zooms: npt.NDArray[np.bool_]) -> _Way:
        random, motion = self.random, self.motion
        time = np.arange(self.frames) - (self.frames - 1) / 2
        places = []
        for _ in range(2):
            velocity = random.normal(0, 1, count) * speed
            bend = random.normal(0, 0.1, count) * speed
            shake = random.normal(0, motion.shake, (count, self.frames)) * (speed > 0)[:, None]
            places.append(velocity[:, None] * time + bend[:, None] * time**2 / 2 + shake)
        rate = random.normal(0, motion.zoom, count) * zooms
        # Mostly made smaller: what is made larger is blurred.
        scale = np.exp(random.uniform(-0.1, 0.45, count)[:, None] + rate[:, None] * time)
        return _Way(places[0], places[1], scale)

    def _patches(self, count: int) -> tuple[Tensor, Tensor]:
        """Squares of twice the crop's side: (count, 3 and 1, 2 * size, 2 * size) in 0 to 1."""
        side = 2 * self.size
        vary, random, store = self.sampler.variation, self.random, self.store
        found: tuple[list[Tensor], list[Tensor]] = ([], [])
        for _ in range(count):
            visible, infrared, _ = self.sampler.pick()
            shift = np.zeros(2)
            if random.random() < vary.shift_share:
                shift = np.round(random.normal(0, 5, 2))
            corner = random.random(2)
            for camera, flat, (offset, height, width) in (
                (0, store.visible_bytes, store.visible_at[visible]),
                (1, store.infrared_bytes, store.infrared_at[infrared]),
            ):
                # Pictures smaller than the patch repeat their border.
                top = (corner[0] * max(height - side, 0)).round() + camera * shift[0]
                left = (corner[1] * max(width - side, 0)).round() + camera * shift[1]
                rows = np.clip(top + np.arange(side), 0, height - 1).astype(np.int64)
                columns = np.clip(left + np.arange(side), 0, width - 1).astype(np.int64)
                index = self._to_device(offset + rows[:, None] * width + columns)
                found[camera].append(flat[index].permute(2, 0, 1).float() / 255)
        return torch.stack(found[0]), torch.stack(found[1])

    def _seen(self, patches: Tensor, way: _Way, number: int) -> Tensor:
        """One frame of each clip, bicubic."""
        middle = (2 * self.size - 1) / 2
        offsets = np.arange(self.size) - (self.size - 1) / 2
        scale = way.scale[:, number, None]
        rows = middle + way.rows[:, number, None] + offsets * scale
        columns = middle + way.columns[:, number, None] + offsets * scale
        grid = np.empty((len(patches), self.size, self.size, 2))
        grid[..., 0] = (columns / middle - 1)[:, None, :]
        grid[..., 1] = (rows / middle - 1)[:, :, None]
        return F.grid_sample(
            patches,
            self._to_device(grid).float(),
            mode="bicubic",
            padding_mode="border",
            align_corners=True,
        )

    def _outline(self, row: Numbers, column: Numbers, tall: Numbers, wide: Numbers) -> Tensor:
        """Soft ellipses, (count, 1, size, size); empty where a radius is zero."""
        place = np.arange(self.size)
        down = (place - row[:, None]) / np.maximum(tall, 1e-3)[:, None]
        across = (place - column[:, None]) / np.maximum(wide, 1e-3)[:, None]
        distance = np.sqrt(down[:, :, None] ** 2 + across[:, None, :] ** 2)
        edge = np.minimum(tall, wide)[:, None, None]  # one pixel of softness
        return self._to_device(np.clip((1 - distance) * edge + 0.5, 0, 1) * (edge > 0)).float()[
            :, None
        ]

    def _turn(self) -> tuple[bool, bool, bool]:
        """Transposed, flipped down, flipped across."""
        down, across, other = self.random.random(3) < 0.5
        return bool(down), bool(across), bool(other)

    def _to_device(self, values: npt.NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.store.device)


def _turned(pictures: Tensor, turn: tuple[bool, bool, bool]) -> Tensor:
    transposed, down, across = turn
    if transposed:
        pictures = pictures.transpose(2, 3)
    axes = [axis for axis, flipped in ((2, down), (3, across)) if flipped]
    return pictures.flip(axes) if axes else pictures
