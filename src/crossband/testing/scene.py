# SPDX-License-Identifier: Apache-2.0
"""A road scene as a visible and an infrared camera see it, drawn with numpy alone.

    seed ──► layout (where everything stands) ──► paint(size) ──► colour planes ──► visible
                                                             └──► warmth plane  ──► infrared

Both pictures are painted from one layout, each at its own size, so edges lie in the same places
while contrast differs: glass mirrors the cold sky, tyres and people glow, lane marks nearly vanish.

Geometry: a camera 1.4 m above the road looks along it. `scale` is 1 where the picture's lower
edge meets the road and 0 at the horizon; a thing of size S at that scale covers S * scale of the
picture's width. Heights count in camera heights above the road.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crossband.errors import PictureError
from crossband.pair import MAX_SIDE, Pair, Raster
from crossband.testing.chance import Chance, FloatArray, fractal_noise, lattice_noise

# Across the road, in picture widths at scale 1 (one width is about 3 m there); our lane is at 0.
_ROAD_LEFT, _ROAD_RIGHT = -1.78, 1.08
_CENTRE_LINE = -0.55
_EDGE_LINE = 0.44
_PARKED = 0.77
_FACADE_LEFT, _FACADE_RIGHT = -2.75, 2.3


@dataclass(frozen=True, slots=True)
class _Colour:
    """What a surface sends to each camera, 0 to 1: three colours and its warmth."""

    red: float
    green: float
    blue: float
    warmth: float

    def lit(self, light: float, heat: float = 0.0) -> _Colour:
        """The surface with its colours times `light` and its warmth raised by `heat`."""
        return _Colour(self.red * light, self.green * light, self.blue * light, self.warmth + heat)


@dataclass(frozen=True, slots=True)
class _Building:
    """One house of the row along a side of the road."""

    near: float
    """Distance of its nearer end: 1 / scale."""
    far: float
    height: float
    wall: _Colour
    window_step: float
    lit_windows: float
    """Share of windows with light behind them."""


@dataclass(frozen=True, slots=True)
class _Thing:
    """A tree, car, person or lamp post that faces the camera."""

    kind: str
    across: float
    scale: float
    size: float
    colour: _Colour
    seed: int


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where everything stands: all that a seed decides before any pixel is painted."""

    seed: int
    horizon: float
    vanishing: float
    light: float
    """Daylight: 1 at noon, 0.35 at dusk."""
    sun_from_left: bool
    buildings: tuple[tuple[_Building, ...], tuple[_Building, ...]]
    """Left row, right row; near to far."""
    things: tuple[_Thing, ...]
    """Far to near."""


def synthetic_pair(
    *,
    visible: tuple[int, int] | None = (512, 640),
    infrared: tuple[int, int] | None = (512, 640),
    seed: int = 0,
    infrared_bit_depth: int = 8,
    visible_channels: int = 3,
    shift: tuple[float, float] = (0.0, 0.0),
    noise: float = 1.0,
) -> Pair:
    """A road scene with houses, trees, cars and people, the same for a seed on every machine.

    Args:
        visible: (height, width) of the visible picture, None for none.
        infrared: (height, width) of the infrared picture, None for none.
        seed: decides the scene and the noise; scenes of different sizes show the same layout.
        infrared_bit_depth: 8 to 16. Above 8 the picture fills about a quarter of the range around
            its lower half, as a radiometric camera's does.
        visible_channels: 3 for RGB, 1 for gray.
        shift: (down, right) by which the infrared camera's picture is displaced against the
            visible one, in picture heights and widths.
        noise: strength of both cameras' sensor noise; 0 for none.

    Returns:
        The pair, 8-bit visible, infrared of the asked depth.

    Raises:
        PictureError: both sizes are None, a side is outside 1 to 65,535, or a depth or a number of
            channels is not one of the allowed.

    Example:
        >>> pair = synthetic_pair(visible=(48, 64), infrared=(24, 32), infrared_bit_depth=14)
        >>> pair.visible.samples.shape, pair.infrared.samples.dtype.name
        ((48, 64, 3), 'uint16')
    """
    if not 8 <= infrared_bit_depth <= 16:
        raise PictureError(f"infrared bit depth is {infrared_bit_depth}; allowed are 8 to 16")
    if visible_channels not in (1, 3):
        raise PictureError(f"visible picture of {visible_channels} channels; allowed are 1 and 3")
    for size in (visible, infrared):
        if size is not None and not (1 <= size[0] <= MAX_SIDE and 1 <= size[1] <= MAX_SIDE):
            raise PictureError(
                f"picture is {size[1]}x{size[0]} pixels; each side must be 1 to {MAX_SIDE:,}"
            )
    layout = _lay_out(seed)
    canvas = None
    visible_raster = infrared_raster = None
    if visible is not None:
        canvas = _paint(layout, visible[0], visible[1], (0.0, 0.0))
        visible_raster = _expose_visible(layout, canvas, visible_channels, noise)
    if infrared is not None:
        if canvas is None or infrared != visible or shift != (0.0, 0.0):
            canvas = _paint(layout, infrared[0], infrared[1], shift)
        infrared_raster = _expose_infrared(layout, canvas, infrared_bit_depth, noise)
    return Pair(visible=visible_raster, infrared=infrared_raster)


# ---------------------------------------------------------------------------------------- layout


def _lay_out(seed: int) -> _Layout:
    chance = Chance(seed, 1)
    light = chance.number(0.8, 1.0) if seed == 0 or chance.flip(0.7) else chance.number(0.35, 0.6)
    sun_from_left = chance.flip(0.5)
    horizon = chance.number(0.40, 0.46)
    vanishing = chance.number(-0.05, 0.12)
    rows = []
    for _side in range(2):
        row = []
        distance = chance.number(2.0, 4.0)
        while distance < 38:
            length = chance.number(3.0, 8.0)
            shade = chance.number(0.32, 0.72)
            warm = chance.number(-0.06, 0.1)
            row.append(
                _Building(
                    near=distance,
                    far=distance + length,
                    height=chance.number(3.2, 7.5),
                    wall=_Colour(
                        shade + warm, shade, shade - warm * 1.2, chance.number(0.34, 0.46)
                    ),
                    window_step=chance.number(0.7, 1.1),
                    lit_windows=chance.number(0.02, 0.15) if light > 0.7 else 0.45,
                )
            )
            distance += length + (chance.number(1.0, 6.0) if chance.flip(0.4) else 0.0)
        rows.append(tuple(row))
    things = sorted(_place_things(chance), key=lambda thing: thing.scale)
    return _Layout(
        seed=seed,
        horizon=horizon,
        vanishing=vanishing,
        light=light,
        sun_from_left=sun_from_left,
        buildings=(rows[0], rows[1]),
        things=tuple(things),
    )


_PAINTS = (
    (0.62, 0.08, 0.07),
    (0.10, 0.20, 0.45),
    (0.75, 0.75, 0.74),
    (0.16, 0.16, 0.17),
    (0.35, 0.37, 0.38),
    (0.70, 0.62, 0.45),
)


def _place_things(chance: Chance) -> list[_Thing]:
    def thing(kind: str, across: float, scale: float, size: float, colour: _Colour) -> _Thing:
        return _Thing(kind, across, scale, size, colour, chance.whole(0, 2**32))

    def paint(warmth: float) -> _Colour:
        red, green, blue = _PAINTS[chance.whole(0, len(_PAINTS) - 1)]
        return _Colour(red, green, blue, warmth)

    things = []
    for left in (True, False):
        distance = chance.number(3.2, 5.0)
        while distance < 24:
            across = -2.2 if left else 1.5
            green = chance.number(0.26, 0.4)
            leaf = _Colour(green * 0.72, green, green * 0.38, chance.number(0.26, 0.32))
            things.append(thing("tree", across, 1 / distance, chance.number(0.8, 1.25), leaf))
            distance *= chance.number(1.35, 1.9)
        distance = chance.number(3.6, 4.6)
        while distance < 40:
            post = _Colour(0.3, 0.31, 0.32, 0.36)
            things.append(thing("lamp", -1.92 if left else 1.2, 1 / distance, 1.0, post))
            distance *= 1.8
    things.append(
        thing("car back", chance.number(-0.08, 0.08), chance.number(0.17, 0.24), 1.0, paint(0.44))
    )
    for _ in range(chance.whole(1, 3)):
        things.append(
            thing(
                "car front", chance.number(-1.25, -1.05), chance.number(0.07, 0.3), 1.0, paint(0.5)
            )
        )
    for _ in range(chance.whole(1, 3)):
        things.append(thing("car back", _PARKED, chance.number(0.07, 0.22), 1.0, paint(0.36)))
    for _ in range(chance.whole(3, 6)):
        across = chance.number(1.25, 1.9) if chance.flip(0.6) else chance.number(-2.1, -1.85)
        cloth = _Colour(
            chance.number(0.08, 0.6), chance.number(0.08, 0.45), chance.number(0.1, 0.5), 0.72
        )
        things.append(
            thing("person", across, chance.number(0.1, 0.28), chance.number(0.92, 1.08), cloth)
        )
    if chance.flip(0.8):  # somebody crossing the road
        things.append(
            thing(
                "person",
                chance.number(-0.8, -0.3),
                chance.number(0.16, 0.24),
                1.0,
                _Colour(0.55, 0.5, 0.2, 0.74),
            )
        )
    return things


# --------------------------------------------------------------------------------------- painting


@dataclass(frozen=True, slots=True)
class _Canvas:
    """Four planes (red, green, blue, warmth) and where each of their pixels lies in the scene."""

    planes: FloatArray
    """(4, height, width), 0 to 1."""
    x: FloatArray
    """(width,): -0.5 at the left edge, 0.5 at the right."""
    y: FloatArray
    """(height,): 0 at the upper edge, 1 at the lower."""

    @property
    def height(self) -> int:
        return int(self.planes.shape[1])

    @property
    def width(self) -> int:
        return int(self.planes.shape[2])

    def patch(self, left: float, right: float, top: float, bottom: float) -> _Canvas | None:
        """The part of the canvas between scene positions, one pixel wider; None when outside."""
        margin_x, margin_y = 1.0 / self.width, 1.0 / self.height
        first = int(np.searchsorted(self.x, left - margin_x))
        last = int(np.searchsorted(self.x, right + margin_x))
        upper = int(np.searchsorted(self.y, top - margin_y))
        lower = int(np.searchsorted(self.y, bottom + margin_y))
        if first >= last or upper >= lower:
            return None
        return _Canvas(
            self.planes[:, upper:lower, first:last], self.x[first:last], self.y[upper:lower]
        )

    def blend(self, cover: FloatArray, colour: _Colour, shade: FloatArray | None = None) -> None:
        """Lay a colour over the planes where `cover` says; `shade` multiplies the colours."""
        values = (colour.red, colour.green, colour.blue)
        for plane, value in zip(self.planes, values, strict=False):
            target = np.float32(value) if shade is None else np.float32(value) * shade
            plane += cover * (target - plane)
        self.planes[3] += cover * (np.float32(colour.warmth) - self.planes[3])

    def warm(self, cover: FloatArray, warmth: float) -> None:
        """Lay a warmth over the infrared plane alone."""
        self.planes[3] += cover * (np.float32(warmth) - self.planes[3])


def _soft(distance: FloatArray, per_pixel: float) -> FloatArray:
    """1 inside, 0 outside, one pixel wide in between; `distance` is positive inside."""
    softened: FloatArray = np.clip(distance * np.float32(1 / per_pixel) + np.float32(0.5), 0, 1)
    return softened


def _paint(layout: _Layout, height: int, width: int, shift: tuple[float, float]) -> _Canvas:
    columns = (np.arange(width, dtype=np.float32) + np.float32(0.5)) / np.float32(width)
    rows = (np.arange(height, dtype=np.float32) + np.float32(0.5)) / np.float32(height)
    canvas = _Canvas(
        np.empty((4, height, width), np.float32),
        columns - np.float32(0.5 + shift[1]),
        rows - np.float32(shift[0]),
    )
    painter = _Painter(layout, canvas, 1.0 / width, 1.0 / height)
    painter.sky()
    painter.ground()
    painter.far_town()
    for right_side in (False, True):
        painter.buildings(right_side=right_side)
    for thing in layout.things:
        painter.thing(thing)
    return canvas


class _Painter:
    """Paints a layout onto one canvas, far to near."""

    def __init__(
        self, layout: _Layout, canvas: _Canvas, pixel_width: float, pixel_height: float
    ) -> None:
        self.layout = layout
        self.canvas = canvas
        self.pixel_width = pixel_width
        self.pixel_height = pixel_height
        self.depth = 1.0 - layout.horizon
        """Picture heights between the horizon and the lower edge: one camera height at scale 1."""

    def sky(self) -> None:
        """Blue above, pale below, with clouds; to the infrared camera cold, coldest above."""
        layout, canvas = self.layout, self.canvas
        clouds = fractal_noise(
            Chance(layout.seed, 2), canvas.height, canvas.width, cells=5, octaves=6, rough=0.55
        )
        clouds = np.clip((clouds - np.float32(0.47)) * np.float32(4.0), 0, 1)
        low = np.clip(canvas.y / np.float32(layout.horizon), 0, 1)[:, None]
        light = np.float32(layout.light)
        for plane, zenith, haze, cloud in zip(
            canvas.planes, (0.28, 0.46, 0.76), (0.78, 0.84, 0.90), (0.93, 0.93, 0.94), strict=False
        ):
            clear = np.float32(zenith) + np.float32(haze - zenith) * low
            plane[:] = (clear + (np.float32(cloud) - clear) * clouds * np.float32(0.8)) * light
        canvas.planes[3] = (
            np.float32(0.04) + np.float32(0.16) * low * low + clouds * np.float32(0.07)
        )

    def ground(self) -> None:
        """Grass, pavement, asphalt and lane marks, each with a texture that recedes."""
        layout, canvas = self.layout, self.canvas
        below = canvas.patch(-9, 9, layout.horizon, 9)
        if below is None:
            return
        chance = Chance(layout.seed, 3)
        scale = np.maximum(
            (below.y - np.float32(layout.horizon)) / np.float32(self.depth), np.float32(1e-3)
        )[:, None]
        across = (below.x - np.float32(layout.vanishing))[None, :] / scale
        along = 1 / scale
        cover = _soft(below.y - np.float32(layout.horizon), self.pixel_height)[:, None]
        whole = np.broadcast_to(cover, below.planes.shape[1:])

        # Textures of the ground plane; the finer ones only where a step covers some pixels.
        coarse = lattice_noise(
            chance.uniform(64, 64), along * np.float32(3), across * np.float32(5)
        ) - np.float32(0.5)
        fine = lattice_noise(
            chance.uniform(128, 128), along * np.float32(28), across * np.float32(60)
        ) - np.float32(0.5)
        gravel = lattice_noise(
            chance.uniform(256, 256), along * np.float32(130), across * np.float32(170)
        ) - np.float32(0.5)
        near = np.clip(scale * np.float32(2.0), 0, 1)
        texture = (
            coarse * np.float32(0.5)
            + fine * near * np.float32(0.45)
            + gravel * near * scale * np.float32(0.6)
        )
        light = np.float32(layout.light)

        grass = _Colour(0.30, 0.36, 0.18, 0.30).lit(layout.light)
        below.blend(whole, grass, 1 + texture * np.float32(0.9))
        paving = cover * _soft(
            np.minimum(across - np.float32(_FACADE_LEFT), np.float32(_FACADE_RIGHT) - across)
            * scale,
            self.pixel_width,
        )
        slabs = self._joints(along * np.float32(1.5), across * np.float32(3.0), scale)
        below.blend(
            paving,
            _Colour(0.56, 0.54, 0.51, 0.40).lit(layout.light),
            (1 + texture * np.float32(0.35)) * (1 - slabs * np.float32(0.18)),
        )
        road_edge = np.minimum(across - np.float32(_ROAD_LEFT), np.float32(_ROAD_RIGHT) - across)
        kerb = cover * _soft((road_edge + np.float32(0.07)) * scale, self.pixel_width)
        below.blend(kerb, _Colour(0.66, 0.65, 0.62, 0.42).lit(layout.light))
        road = cover * _soft(road_edge * scale, self.pixel_width)
        below.blend(
            road,
            _Colour(0.30, 0.30, 0.315, 0.47).lit(layout.light),
            1 + texture * np.float32(0.5),
        )
        # wheels have warmed two tracks in each lane
        for lane in (0.0, -1.15):
            for wheel in (-0.25, 0.25):
                beside = np.abs(across - np.float32(lane + wheel)) * np.float32(1 / 0.16)
                track = road * np.clip(1 - beside, 0, 1)
                below.planes[3] += track * np.float32(0.045)
                below.planes[:3] *= 1 - track * np.float32(0.07)
        below.planes[3] += cover * coarse * np.float32(0.05)

        worn = np.clip(np.float32(1.0) + fine * np.float32(0.7), 0, 1)
        dash = self._dashes(along * np.float32(0.55), scale)
        for at, half, share in (
            (_ROAD_LEFT + 0.13, 0.025, None),
            (_CENTRE_LINE, 0.025, dash),
            (_EDGE_LINE, 0.02, None),
        ):
            inside = (np.float32(half) - np.abs(across - np.float32(at))) * scale
            # a line thinner than a pixel covers its share of the pixel
            line = cover * np.minimum(
                _soft(inside, self.pixel_width), 2 * half * scale / self.pixel_width
            )
            if share is not None:
                line = line * share
            below.blend(line * worn, _Colour(0.86, 0.86, 0.82, 0.455).lit(float(light)))

    def _dashes(self, position: FloatArray, scale: FloatArray) -> FloatArray:
        """1 on the dashes of a broken line, 0 between; blurred into half where too small."""
        part = position - np.floor(position)
        pixels = np.clip(scale * scale * np.float32(0.6 / self.pixel_height), 0, 1)
        on = np.clip((np.float32(0.22) - np.abs(part - np.float32(0.5))) * 40, 0, 1)
        mixed: FloatArray = np.float32(0.44) + (on - np.float32(0.44)) * pixels
        return mixed

    def _joints(self, along: FloatArray, across: FloatArray, scale: FloatArray) -> FloatArray:
        """1 in the joints of a paving of unit slabs; fades with distance."""
        to_row = np.abs(along - np.floor(along) - np.float32(0.5))
        to_column = np.abs(across - np.floor(across) - np.float32(0.5))
        joint = np.clip((np.maximum(to_row, to_column) - np.float32(0.46)) * 50, 0, 1)
        faded: FloatArray = joint * np.clip(scale * np.float32(4), 0, 1)
        return faded

    def far_town(self) -> None:
        """Hazy roofs and trees along the horizon."""
        layout, canvas = self.layout, self.canvas
        chance = Chance(layout.seed, 4)
        at = -0.55
        while at < 0.55:
            wide, high = chance.number(0.02, 0.07), chance.number(0.01, 0.055)
            patch = canvas.patch(at, at + wide, layout.horizon - high, layout.horizon + 0.004)
            shade = chance.number(0.5, 0.62)
            warmth = chance.number(0.27, 0.34)
            if patch is not None:
                cover = self._box(
                    patch, at, at + wide, layout.horizon - high, layout.horizon + 0.004
                )
                haze = _Colour(shade, shade + 0.03, shade + 0.07, warmth).lit(layout.light)
                patch.blend(cover, haze)
            at += wide * chance.number(0.6, 1.3)

    def _box(
        self, patch: _Canvas, left: float, right: float, top: float, bottom: float
    ) -> FloatArray:
        """Cover of an upright rectangle."""
        beside = np.minimum(patch.x - np.float32(left), np.float32(right) - patch.x)
        above = np.minimum(patch.y - np.float32(top), np.float32(bottom) - patch.y)
        # never more than the rectangle's own share of a pixel
        thin = np.float32(
            min(1.0, (right - left) / self.pixel_width)
            * min(1.0, (bottom - top) / self.pixel_height)
        )
        cover: FloatArray = thin * (
            _soft(beside, self.pixel_width)[None, :] * _soft(above, self.pixel_height)[:, None]
        )
        return cover

    def _oval(
        self, patch: _Canvas, x: float, y: float, half_width: float, half_height: float
    ) -> FloatArray:
        """Cover of an upright ellipse."""
        across = (patch.x - np.float32(x))[None, :] / np.float32(half_width)
        down = (patch.y - np.float32(y))[:, None] / np.float32(half_height)
        radius = np.sqrt(across * across + down * down)
        small = min(half_width / self.pixel_width, half_height / self.pixel_height)
        inside: FloatArray = (1 - radius) * np.float32(small) + np.float32(0.5)
        return np.clip(inside, 0, 1) * np.float32(min(1.0, small * 2))

    def buildings(self, *, right_side: bool) -> None:
        """A row of houses along one side of the road, seen along the street."""
        layout, canvas = self.layout, self.canvas
        row = layout.buildings[right_side]
        facade = _FACADE_RIGHT if right_side else _FACADE_LEFT
        sign = 1.0 if right_side else -1.0
        sunny = layout.sun_from_left == right_side
        chance = Chance(layout.seed, 5, right_side)
        for building in reversed(row):
            lattice = chance.uniform(32, 32)
            rooms = chance.uniform(16, 64)
            ends = sorted(
                layout.vanishing + facade / distance for distance in (building.near, building.far)
            )
            # the far edge is a sharp corner; the near one may lie outside the picture
            patch = canvas.patch(ends[0], ends[1], -9, 9)
            if patch is None:
                continue
            scale = np.maximum(
                (patch.x - np.float32(layout.vanishing)) / np.float32(facade), np.float32(1e-3)
            )
            base = np.float32(layout.horizon) + np.float32(self.depth) * scale
            top = base - np.float32(self.depth * building.height) * scale
            beside = _soft(
                np.minimum(patch.x - np.float32(ends[0]), np.float32(ends[1]) - patch.x),
                self.pixel_width,
            )
            rows = patch.y[:, None]
            cover = (
                beside[None, :]
                * _soft(rows - top[None, :], self.pixel_height)
                * _soft(base[None, :] - rows, self.pixel_height)
            )
            up = (base[None, :] - rows) / (np.float32(self.depth) * scale[None, :])
            along = (1 / scale)[None, :] - np.float32(building.near)
            grain = lattice_noise(lattice, up * np.float32(7), along * np.float32(4) + up * 0)
            bricks = np.abs(up * 9 - np.floor(up * 9) - np.float32(0.5))
            near = np.clip(scale * np.float32(6), 0, 1)[None, :]
            shade = (
                np.float32(0.9)
                + (grain - np.float32(0.5)) * np.float32(0.25)
                - np.clip(bricks - np.float32(0.42), 0, 1) * near
            )
            light = layout.light * (1.0 if sunny else 0.62)
            haze = np.clip(1 - scale * np.float32(7), 0, 1)[None, :] * np.float32(0.45)
            patch.blend(cover, building.wall.lit(light, 0.05 if sunny else 0.0), shade)
            # ground floors keep the street's warmth
            patch.planes[3] += cover * np.clip(1 - up, 0, 1) * np.float32(0.06)
            self._windows(patch, building, facade, cover, up, along, rooms, scale, light)
            cornice = cover * np.clip(
                1 - np.abs(up - np.float32(building.height - 0.1)) * np.float32(9), 0, 1
            )
            patch.blend(cornice, building.wall.lit(light * 1.2))
            for plane, value in zip(patch.planes, (0.74, 0.79, 0.86), strict=False):
                plane += cover * haze * (np.float32(value * layout.light) - plane)
            self._end_wall(building, facade, sign, sunny)

    def _windows(
        self,
        patch: _Canvas,
        building: _Building,
        facade: float,
        cover: FloatArray,
        up: FloatArray,
        along: FloatArray,
        rooms: FloatArray,
        scale: FloatArray,
        light: float,
    ) -> None:
        """Panes that mirror the sky, some lit; cold to the infrared camera, lit ones less so."""
        storey = up * np.float32(1 / 1.5) - np.float32(0.25)
        column = along * np.float32(1 / building.window_step)
        floor, place = np.floor(storey), np.floor(column)
        in_floor = np.abs(storey - floor - np.float32(0.52))
        in_place = np.abs(column - place - np.float32(0.5))
        # edges about a pixel wide at every distance, and nothing where panes are below two pixels
        tall = (1.5 * self.depth / self.pixel_height) * scale[None, :]
        wide = (
            np.float32(building.window_step * abs(facade) / self.pixel_width)
            * scale[None, :]
            * scale[None, :]
        )
        shown = np.clip(np.minimum(tall, wide) * np.float32(0.5) - np.float32(0.5), 0, 1)
        pane = (
            np.clip((np.float32(0.27) - in_floor) * tall + np.float32(0.5), 0, 1)
            * np.clip((np.float32(0.26) - in_place) * wide + np.float32(0.5), 0, 1)
            * cover
            * shown
            * (up < building.height - 0.35)
            * (storey > 0)
        )
        room = rooms[floor.astype(np.int64) % 16, place.astype(np.int64) % 64]
        lit = (room < building.lit_windows).astype(np.float32)
        sky = np.float32(0.22) + room * np.float32(0.3) + in_floor * np.float32(0.3)
        patch.blend(pane * (1 - lit), _Colour(0.75, 0.9, 1.05, 0.21).lit(light), sky)
        patch.blend(pane * lit, _Colour(0.98, 0.84, 0.52, 0.5))
        bars = pane * (in_place < 0.03)
        patch.blend(bars, _Colour(0.7, 0.69, 0.66, 0.33).lit(light))

    def _end_wall(self, building: _Building, facade: float, sign: float, sunny: bool) -> None:
        """The wall that faces the camera, beyond the corner, away from the road."""
        layout = self.layout
        scale = 1 / building.near
        corner = layout.vanishing + facade * scale
        outer = corner + sign * 1.6 * scale
        base = layout.horizon + self.depth * scale
        top = base - self.depth * building.height * scale
        left, right = min(corner, outer), max(corner, outer)
        patch = self.canvas.patch(left, right, top, base)
        if patch is None:
            return
        cover = self._box(patch, left, right, top, base)
        light = layout.light * (0.66 if sunny else 0.84)
        grain = fractal_noise(
            Chance(layout.seed, 6, int(building.near * 1000)), *cover.shape, cells=8, octaves=3
        )
        patch.blend(cover, building.wall.lit(light, 0.02), np.float32(0.85) + grain * 0.3)

    def thing(self, thing: _Thing) -> None:
        """One tree, car, person or lamp post, with its shadow."""
        x = self.layout.vanishing + thing.across * thing.scale
        foot = self.layout.horizon + self.depth * thing.scale
        draw = {
            "tree": self._tree,
            "lamp": self._lamp,
            "person": self._person,
            "car back": self._car,
            "car front": self._car,
        }[thing.kind]
        draw(thing, x, foot, thing.scale * thing.size, self.depth * thing.scale * thing.size)

    def _shadow(self, x: float, foot: float, half_width: float, half_height: float) -> None:
        patch = self.canvas.patch(
            x - half_width, x + half_width, foot - half_height, foot + half_height
        )
        if patch is None:
            return
        dark = self._oval(patch, x, foot, half_width, half_height) * np.float32(0.55)
        patch.planes[:3] *= 1 - dark
        patch.planes[3] -= dark * np.float32(0.05)

    def _tree(self, thing: _Thing, x: float, foot: float, wide: float, high: float) -> None:
        """A trunk and a crown of leaves, lit from one side."""
        chance = Chance(thing.seed)
        light = self.layout.light
        sun = -1.0 if self.layout.sun_from_left else 1.0
        self._shadow(x - sun * 0.2 * wide, foot, 0.6 * wide, 0.12 * high)
        left, right, top = x - 0.06 * wide, x + 0.06 * wide, foot - 2.6 * high
        patch = self.canvas.patch(left, right, top, foot)
        if patch is not None:
            cover = self._box(patch, left, right, top, foot)
            patch.blend(cover, _Colour(0.25, 0.19, 0.14, 0.40).lit(light))
        crown = self.canvas.patch(
            x - 0.95 * wide, x + 0.95 * wide, foot - 4.9 * high, foot - 1.3 * high
        )
        if crown is None:
            return
        lumps = [
            (
                x + chance.number(-0.42, 0.42) * wide,
                foot - chance.number(2.3, 3.9) * high,
                chance.number(0.28, 0.5),
            )
            for _ in range(9)
        ]
        rows, columns = crown.y[:, None], crown.x[None, :]
        inside = np.full(crown.planes.shape[1:], -1.0, np.float32)
        for lump_x, lump_y, radius in lumps:
            across = (columns - np.float32(lump_x)) * np.float32(1 / (radius * wide))
            down = (rows - np.float32(lump_y)) * np.float32(1 / (radius * 2.1 * high))
            np.maximum(inside, 1 - (across * across + down * down), out=inside)
        # leaves: noise in the tree's own coordinates, so that it keeps its look at every size
        leaf_rows = (rows - np.float32(foot)) * np.float32(9 / high)
        leaf_columns = (columns - np.float32(x)) * np.float32(20 / wide)
        leaves = lattice_noise(chance.uniform(64, 64), leaf_rows, leaf_columns)
        leaves += np.float32(0.6) * lattice_noise(
            chance.uniform(64, 64), leaf_rows * np.float32(2.3), leaf_columns * np.float32(2.3)
        )
        leaves *= np.float32(1 / 1.6)
        cover = np.clip((inside + (leaves - np.float32(0.55)) * np.float32(0.9)) * 6, 0, 1)
        side = (columns - np.float32(x)) * np.float32(sun / wide)
        lower = (rows - np.float32(foot - 3.1 * high)) * np.float32(1 / (1.8 * high))
        shade = (
            np.float32(0.45)
            + leaves * np.float32(0.95)
            + side * np.float32(0.45)
            - lower * np.float32(0.3)
        )
        crown.blend(cover, thing.colour.lit(light), np.clip(shade, np.float32(0.15), 2))
        crown.planes[3] += cover * (leaves - np.float32(0.5)) * np.float32(0.08)

    def _lamp(self, thing: _Thing, x: float, foot: float, wide: float, high: float) -> None:
        """A lamp post with its arm over the road."""
        light = self.layout.light
        toward = 1.0 if thing.across < _CENTRE_LINE else -1.0
        parts = (
            (x - 0.018 * wide, x + 0.018 * wide, foot - 4.6 * high, foot),
            (*sorted((x, x + toward * 0.5 * wide)), foot - 4.64 * high, foot - 4.58 * high),
        )
        for left, right, top, bottom in parts:
            patch = self.canvas.patch(left, right, top, bottom)
            if patch is not None:
                patch.blend(self._box(patch, left, right, top, bottom), thing.colour.lit(light))
        head_x, head_y = x + toward * 0.52 * wide, foot - 4.58 * high
        patch = self.canvas.patch(
            head_x - 0.09 * wide, head_x + 0.09 * wide, head_y - 0.09 * high, head_y + 0.09 * high
        )
        if patch is not None:
            bright = 1.0 if light < 0.7 else 0.7
            patch.blend(
                self._oval(patch, head_x, head_y, 0.08 * wide, 0.06 * high),
                _Colour(bright, bright * 0.95, bright * 0.8, 0.62),
            )

    def _person(self, thing: _Thing, x: float, foot: float, wide: float, high: float) -> None:
        """Somebody standing or walking: clothes to one camera, warm skin to the other."""
        chance = Chance(thing.seed)
        light = self.layout.light
        stride = chance.number(0.015, 0.06)
        self._shadow(x, foot, 0.13 * wide, 0.05 * high)
        trousers = _Colour(0.13, 0.14, 0.2, 0.64).lit(light)
        skin = _Colour(0.78, 0.58, 0.47, 0.97).lit(light)
        for part_x, half in ((x - stride * wide, 0.035), (x + stride * wide, 0.035)):
            self._limb(part_x, foot - 0.66 * high, half * wide, foot, trousers)
        for side in (-1, 1):
            self._limb(
                x + side * 0.098 * wide,
                foot - 1.05 * high,
                0.022 * wide,
                foot - 0.58 * high,
                thing.colour.lit(light * 0.85, -0.04),
            )
        torso = self.canvas.patch(
            x - 0.1 * wide, x + 0.1 * wide, foot - 1.12 * high, foot - 0.56 * high
        )
        if torso is not None:
            cover = self._oval(torso, x, foot - 0.84 * high, 0.092 * wide, 0.29 * high)
            side_shade = np.float32(0.95) + (torso.x - np.float32(x))[None, :] * np.float32(
                (-2.5 if self.layout.sun_from_left else 2.5) / wide
            )
            torso.blend(cover, thing.colour.lit(light), side_shade + cover * 0)
        head = self.canvas.patch(
            x - 0.06 * wide, x + 0.06 * wide, foot - 1.28 * high, foot - 1.04 * high
        )
        if head is not None:
            head.blend(self._oval(head, x, foot - 1.16 * high, 0.04 * wide, 0.095 * high), skin)
            hair = self._oval(head, x, foot - 1.2 * high, 0.041 * wide, 0.07 * high)
            hair *= (head.y < foot - 1.18 * high)[:, None]
            dark = chance.number(0.05, 0.3)
            head.blend(hair, _Colour(dark, dark * 0.85, dark * 0.7, 0.74).lit(light))

    def _limb(
        self, x: float, top: float, half_width: float, bottom: float, colour: _Colour
    ) -> None:
        patch = self.canvas.patch(x - half_width, x + half_width, top, bottom)
        if patch is not None:
            patch.blend(self._box(patch, x - half_width, x + half_width, top, bottom), colour)

    def _car(self, thing: _Thing, x: float, foot: float, wide: float, high: float) -> None:
        """A car from behind or from the front; warm tyres, underside and, driven, engine."""
        light = self.layout.light
        front = thing.kind == "car front"
        half = 0.31 * wide
        self._shadow(x, foot - 0.02 * high, half * 1.15, 0.1 * high)
        for side in (-1, 1):
            at = x + side * 0.235 * wide
            self._limb(at, foot - 0.42 * high, 0.052 * wide, foot, _Colour(0.04, 0.04, 0.045, 0.80))
        patch = self.canvas.patch(x - half, x + half, foot - 1.08 * high, foot - 0.1 * high)
        if patch is None:
            return
        rows, columns = patch.y[:, None], patch.x[None, :]
        level = (np.float32(foot) - rows) * np.float32(1 / high)
        beside = np.abs(columns - np.float32(x)) * np.float32(1 / wide)
        pixel = max(self.pixel_width / wide, 1e-6)
        cabin_half = np.float32(0.285) - np.clip(level - np.float32(0.6), 0, 1) * np.float32(0.2)
        rounded = np.clip(np.abs(level - np.float32(0.4)) - np.float32(0.2), 0, 1)
        body = (
            _soft(
                np.minimum(cabin_half, np.float32(0.31) - rounded * np.float32(0.1)) - beside, pixel
            )
            * _soft(level - np.float32(0.16), self.pixel_height / high)
            * _soft(np.float32(1.04) - level, self.pixel_height / high)
        )
        curve = (
            np.float32(1.12)
            - beside * np.float32(0.9)
            + (level - np.float32(0.5)) * np.float32(0.3)
        )
        patch.blend(body, thing.colour.lit(light), curve)
        glass = body * (
            _soft(cabin_half - np.float32(0.035) - beside, pixel)
            * _soft(level - np.float32(0.66), self.pixel_height / high)
            * _soft(np.float32(0.97) - level, self.pixel_height / high)
        )
        patch.blend(
            glass,
            _Colour(0.30, 0.36, 0.42, 0.22).lit(light),
            np.float32(0.6) + (level - np.float32(0.66)) * np.float32(2.0) + beside * 0,
        )
        under = body * _soft(np.float32(0.24) - level, self.pixel_height / high)
        patch.blend(under, _Colour(0.05, 0.05, 0.06, 0.66))
        plate = (
            body
            * _soft(np.float32(0.085) - beside, pixel)
            * _soft(np.float32(0.04) - np.abs(level - np.float32(0.37)), self.pixel_height / high)
        )
        patch.blend(plate, _Colour(0.85, 0.85, 0.8, 0.38).lit(light))
        lamps = (
            body
            * _soft(np.float32(0.045) - np.abs(beside - np.float32(0.235)), pixel)
            * _soft(np.float32(0.05) - np.abs(level - np.float32(0.52)), self.pixel_height / high)
        )
        if front:
            patch.blend(lamps, _Colour(1.0, 0.99, 0.92, 0.70))
            bonnet = body * np.clip(1 - np.abs(level - np.float32(0.45)) * np.float32(5), 0, 1)
            patch.warm(bonnet * np.clip(1 - beside * np.float32(3), 0, 1), 0.86)
        else:
            patch.blend(lamps, _Colour(0.78, 0.06, 0.05, 0.52))
            if thing.colour.warmth > 0.4:  # driven, not parked: the exhaust glows
                pipe = np.abs(columns - np.float32(x + 0.15 * wide)) * np.float32(1 / wide)
                hot = np.clip(1 - pipe * np.float32(14), 0, 1) * np.clip(
                    1 - np.abs(level - np.float32(0.19)) * np.float32(9), 0, 1
                )
                patch.warm(hot, 0.98)


# --------------------------------------------------------------------------------------- exposure


def _expose_visible(layout: _Layout, canvas: _Canvas, channels: int, noise: float) -> Raster:
    """The colour planes through a lens that darkens the corners and a sensor with shot noise."""
    chance = Chance(layout.seed, 7)
    fall_off = 1 - np.float32(0.35) * (
        (canvas.x * canvas.x)[None, :]
        + (canvas.y - np.float32(0.5))[:, None] * (canvas.y - np.float32(0.5))[:, None]
    )
    planes = []
    for plane in canvas.planes[:3]:
        level = np.clip(plane * fall_off, 0, 1)
        grain = chance.bell(canvas.height, canvas.width)
        # about 1.2 levels in the dark and 2.8 in the light, more after dusk
        spread = np.sqrt(level * np.float32(9e-5) + np.float32(2.2e-5)) * np.float32(
            noise / layout.light
        )
        planes.append(level + grain * spread)
    if channels == 1:
        red, green, blue = planes
        planes = [red * np.float32(0.299) + green * np.float32(0.587) + blue * np.float32(0.114)]
    stacked = np.stack(planes, axis=-1) * np.float32(255) + np.float32(0.5)
    samples = np.clip(stacked, 0, 255).astype(np.uint8)
    return Raster(samples if channels == 3 else samples[:, :, 0])


def _expose_infrared(layout: _Layout, canvas: _Canvas, bit_depth: int, noise: float) -> Raster:
    """The warmth plane through a softer lens and a sensor whose columns differ a little."""
    chance = Chance(layout.seed, 8)
    warmth = _soften(canvas.planes[3])
    noisy = (
        warmth
        + chance.bell(canvas.height, canvas.width) * np.float32(0.006 * noise)
        + chance.bell(1, canvas.width) * np.float32(0.003 * noise)
    )
    peak = (1 << bit_depth) - 1
    if bit_depth == 8:
        level = noisy * np.float32(235) + np.float32(6)
    else:
        level = (np.float32(0.22) + noisy * np.float32(0.27)) * np.float32(peak)
    rounded = np.clip(level + np.float32(0.5), 0, peak)
    if bit_depth == 8:
        return Raster(rounded.astype(np.uint8))
    return Raster(rounded.astype(np.uint16), bit_depth)


def _soften(plane: FloatArray) -> FloatArray:
    """The plane through a 1-2-1 filter both ways."""
    wide = np.pad(plane, 1, mode="edge")
    rows = wide[:-2] + 2 * wide[1:-1] + wide[2:]
    softened: FloatArray = (rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / np.float32(16)
    return softened
