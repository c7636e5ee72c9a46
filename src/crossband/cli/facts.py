# SPDX-License-Identifier: Apache-2.0
"""What a file's header says, in numbers for JSON and in lines for people."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Any

from crossband.container import BoundedRecord
from crossband.homography import Size
from crossband.pair import Modality

if TYPE_CHECKING:
    from crossband.container import PairFile, PictureRecord
    from crossband.homography import Homography
    from crossband.pair import Pair

QUALITY_TOP_INDEX = 63
"""Quality 100 is this index; quality q is round(q * 63 / 100)."""


def rate_pixels(file: PairFile) -> int:
    """Pixels that a file's rate counts: those of the visible picture, or of the only one."""
    picture = file.get(Modality.VISIBLE) or file.records[0]
    return picture.height * picture.width


def rate_bpp(file: PairFile) -> float:
    """Bits of the whole file over `rate_pixels`."""
    return file.size_bytes * 8 / rate_pixels(file)


def file_facts(name: str | None, file: PairFile) -> dict[str, Any]:
    """The JSON of `encode` and `info`.

    Args:
        name: the file's name; None when it went to standard output.
        file: its header.
    """
    return {
        "file": name,
        "size_bytes": file.size_bytes,
        "rate_bpp": round(rate_bpp(file), 6),
        "overhead_bytes": file.overhead_bytes,
        "weights_id": file.weights_id.hex(),
        "weights_name": weights_name(file.weights_id),
        "order": _order(file),
        "timestamp_us": file.timestamp_us,
        "metadata_bytes": metadata_bytes(file),
        "homography": _registration_matrix(file),
        "pictures": [
            {
                "modality": picture.modality.value,
                "width": picture.width,
                "height": picture.height,
                "channels": picture.channels,
                "bit_depth": picture.bit_depth,
                "effective_bit_depth": effective_bit_depth(picture),
                "low": picture.low,
                "high": picture.high,
                **_fidelity_facts(picture, file),
                "conditional": picture.conditional,
                "size_bytes": file.picture_bytes(picture.modality),
            }
            for picture in file.records
        ],
    }


def _fidelity_facts(picture: PictureRecord | BoundedRecord, file: PairFile) -> dict[str, Any]:
    """A quality, or the largest error and the counts from one value to the next."""
    if not isinstance(picture, BoundedRecord):
        return {
            "quality": round(_quality(picture), 1),
            "quality_index": picture.quality_index,
        }
    kelvin = _max_error_kelvin(picture, file)
    return {
        "max_error": picture.max_error,
        "max_error_kelvin": None if kelvin is None else round(kelvin, 6),
        "step": picture.step,
    }


def _max_error_kelvin(picture: BoundedRecord, file: PairFile) -> float | None:
    """The bound of a picture in kelvin; None where its calibration is not known."""
    if not any(blob.modality is Modality.INFRARED for blob in file.metadata):
        return None
    from crossband.errors import PictureError
    from crossband.sources import calibration_of, error_in_kelvin

    calibration = calibration_of(file.metadata_of(Modality.INFRARED))
    if calibration is None:
        return None
    try:
        return error_in_kelvin(calibration, picture.low, picture.high, picture.max_error)
    except PictureError:
        return None


def registration_of(file: PairFile) -> Homography | None:
    """Where the infrared picture lies in the visible one, if the file says so."""
    second = file.records[-1]
    return None if isinstance(second, BoundedRecord) else second.registration


def _registration_matrix(file: PairFile) -> list[list[float]] | None:
    """From infrared to visible pixels, as `--register` reads it."""
    registration = registration_of(file)
    if registration is None:
        return None
    visible, infrared = (file.get(modality) for modality in Modality)
    assert visible is not None and infrared is not None  # the container refuses such a file
    matrix = registration.matrix(
        Size(infrared.height, infrared.width), Size(visible.height, visible.width)
    )
    return [[float(f"{number:.9g}") for number in row] for row in matrix]


def metadata_bytes(file: PairFile) -> int:
    """Bytes of the file that carry metadata."""
    return sum(part.size_bytes for part in file.parts if part.name == "metadata")


def metadata_facts(file: PairFile) -> list[dict[str, Any]]:
    """The JSON of `info --metadata`, one object a blob."""
    return [
        {
            "modality": blob.modality.value,
            "kind": blob.name,
            "size_bytes": blob.size_bytes,
            "coded_bytes": len(blob.coded),
            "sha256": hashlib.sha256(blob.inflate()).hexdigest(),
        }
        for blob in file.metadata
    ]


def metadata_lines(file: PairFile) -> list[str]:
    """What `info --metadata` prints below the other lines."""
    if not file.metadata:
        return ["  no metadata"]
    return [
        f"  {fact['modality']:<9} {fact['kind']}, {fact['size_bytes']:,} bytes"
        f" ({fact['coded_bytes']:,} in the file), SHA-256 {fact['sha256'][:16]}"
        for fact in metadata_facts(file)
    ]


def file_lines(name: str, file: PairFile) -> list[str]:
    """What `encode` and `info` print."""
    known = weights_name(file.weights_id)
    lines = [
        f"{name}: {file.size_bytes:,} bytes, {rate_bpp(file):.3f} bits per pixel",
        f"  weights   {file.weights_id.hex()} ({known or 'not here'})",
    ]
    if file.timestamp_us is not None:
        lines.append(f"  time      {file.timestamp_us} us")
    for picture in file.records:
        channels = "RGB" if picture.channels == 3 else "1 channel"
        range_ = "" if picture.modality is Modality.VISIBLE else _range(picture)
        partner = picture.modality.partner.value
        lines.append(
            f"  {picture.modality.value:<9} {picture.width}x{picture.height}, {channels},"
            f" {picture.bit_depth} bits{range_}, {_fidelity(picture, file)},"
            f" {f'given {partner}' if picture.conditional else 'coded alone'},"
            f" {file.picture_bytes(picture.modality):,} bytes"
        )
    if (matrix := _registration_matrix(file)) is not None:
        rows = "; ".join(" ".join(f"{number:.5g}" for number in row) for row in matrix)
        lines.append(f"  register  infrared to visible pixels: {rows}")
    if file.metadata:
        kinds = [f"{blob.modality.value} {blob.name}" for blob in file.metadata]
        lines.append(f"  metadata  {metadata_bytes(file):,} bytes: {', '.join(kinds)}")
    return lines


def effective_bit_depth(picture: PictureRecord | BoundedRecord) -> int:
    """Bits that the samples need, as far as the header tells.

    8-bit data in 16-bit samples have either no sample above 255, or, known of bounded pictures
    only, are multiples of one number such as 257. Samples that were rounded tell nothing.
    """
    multiple = 1
    if isinstance(picture, BoundedRecord) and picture.top and not picture.rounding:
        multiple = math.gcd(picture.low, picture.step)
    return max(1, (picture.high // multiple).bit_length())


def depth_notes(pair: Pair) -> list[str]:
    """What to say about infrared samples of 16 bits that hold no more than 8-bit data."""
    from crossband.datasets.check.depth import true_bit_depth

    infrared = pair.infrared
    if infrared is None or infrared.samples.itemsize == 1:
        return []
    used = true_bit_depth(infrared.samples)
    if not 0 < used <= 8 or int(infrared.samples.min()) == int(infrared.samples.max()):
        return []
    return [
        f"the infrared picture has samples of 16 bits that hold {used}-bit data, as a rendering"
        " has; export counts from the camera if it has them"
    ]


def _range(picture: PictureRecord | BoundedRecord) -> str:
    used = effective_bit_depth(picture)
    effective = f", {used} effective" if used < picture.bit_depth else ""
    return f" ({picture.low}-{picture.high}{effective})"


def weights_name(weights_id: bytes) -> str | None:
    """Name of the weights that a file was made with; None when they are not here."""
    from crossband import models

    for name in models.names():
        if models.describe(name).weights_id == weights_id.hex():
            return name
    return None


def _fidelity(picture: PictureRecord | BoundedRecord, file: PairFile) -> str:
    if not isinstance(picture, BoundedRecord):
        return f"quality {_quality(picture):.0f}"
    steps = f" (one value every {picture.step} counts)" if picture.step > 1 else ""
    if picture.max_error == 0:
        return f"lossless{steps}"
    kelvin = _max_error_kelvin(picture, file)
    in_kelvin = "" if kelvin is None else f", {kelvin:.3g} K"
    return f"within {picture.max_error:,} counts{in_kelvin}{steps}"


def _order(file: PairFile) -> str | None:
    return f"{file.records[0].modality.value}-first" if len(file.records) == 2 else None


def _quality(picture: PictureRecord) -> float:
    return picture.quality_index * 100 / QUALITY_TOP_INDEX
