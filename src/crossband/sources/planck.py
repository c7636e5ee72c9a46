# SPDX-License-Identifier: Apache-2.0
"""Counts of a FLIR camera to the temperature of what it saw.

    object ──► its own and reflected ──► air ──► window ──► air ──► counts
               radiation, by emissivity

Each step is affine in counts, so the way back is one division; Planck's law with the camera's five
constants then gives the temperature. Where the numbers are in the camera information record is
known from the tables of ExifTool (https://exiftool.org/TagNames/FLIR.html); the model of the way is
that of Minkina and Dudzik, "Infrared Thermography: Errors and Uncertainties", 2009, as the R
package Thermimage describes it (https://github.com/gtatters/Thermimage).
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_RECORD_MARK = 2
_LEAST_BYTES = 0x310
_CELSIUS = 273.15


@dataclass(frozen=True, slots=True)
class Planck:
    """counts = gain * counts of the object alone + offset, and the constants of Planck's law."""

    r1: float
    r2: float
    b: float
    """Kelvin."""
    f: float
    o: float
    """Counts."""
    gain: float = 1.0
    """Share of the object's own radiation that reaches the sensor, above 0."""
    offset: float = 0.0
    """Counts of all that is not the object's own."""

    def kelvin(self, counts: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Temperatures of the object; NaN for counts below those of absolute zero."""
        own = (np.asarray(counts, np.float64) - self.offset) / self.gain + self.o
        with np.errstate(divide="ignore", invalid="ignore"):
            kelvin = self.b / np.log(self.r1 / (self.r2 * own) + self.f)
        kelvin[(own <= 0) | (kelvin <= 0)] = np.nan
        return kelvin

    def counts(self, kelvin: float) -> float:
        """What a black body of this temperature gives right in front of the sensor."""
        return self.r1 / (self.r2 * (math.exp(self.b / kelvin) - self.f)) - self.o


def read_planck(record: bytes) -> Planck | None:
    """The calibration in a camera information record; None if it has none that makes sense."""
    if len(record) < _LEAST_BYTES:
        return None
    order = "<" if struct.unpack_from("<H", record)[0] == _RECORD_MARK else ">"

    def number(place: int, kind: str = "f") -> float:
        return float(struct.unpack_from(f"{order}{kind}", record, place)[0])

    sensor = Planck(
        r1=number(0x58), b=number(0x5C), f=number(0x60), o=number(0x308, "i"), r2=number(0x30C)
    )
    emissivity, window = number(0x20), number(0x34)
    reflected, air, glass = number(0x28), number(0x2C), number(0x30)
    humidity = number(0x3C)
    shares = (emissivity, window)
    positive = (sensor.r1, sensor.b, sensor.r2, reflected, air, glass)
    if not (
        all(math.isfinite(each) and each > 0 for each in positive)
        and all(0 < each <= 1 for each in shares)
        and math.isfinite(sensor.f)
    ):
        return None
    try:
        through_air = _transmission(
            distance_m=number(0x24),
            # Some programs write per cent.
            humidity=humidity / 100 if humidity > 2 else humidity,
            air_celsius=air - _CELSIUS,
            alphas=(number(0x70), number(0x74)),
            betas=(number(0x78), number(0x7C)),
            x=number(0x80),
        )
        gain, offset = emissivity, (1 - emissivity) * sensor.counts(reflected)
        for share, kelvin in ((through_air, air), (window, glass), (through_air, air)):
            gain, offset = gain * share, offset * share + (1 - share) * sensor.counts(kelvin)
    except (ValueError, OverflowError, ZeroDivisionError):
        return None
    if not (math.isfinite(gain) and gain > 0 and math.isfinite(offset)):
        return None
    return Planck(sensor.r1, sensor.r2, sensor.b, sensor.f, sensor.o, gain, offset)


def _transmission(
    *,
    distance_m: float,
    humidity: float,
    air_celsius: float,
    alphas: tuple[float, float],
    betas: tuple[float, float],
    x: float,
) -> float:
    """Share of the radiation that half of the air between object and camera lets through."""
    t = air_celsius
    water = humidity * math.exp(1.5587 + 0.06939 * t - 2.7816e-4 * t**2 + 6.8455e-7 * t**3)
    parts = [
        math.exp(-math.sqrt(distance_m / 2) * (alpha + beta * math.sqrt(water)))
        for alpha, beta in zip(alphas, betas, strict=True)
    ]
    return x * parts[0] + (1 - x) * parts[1]
