# SPDX-License-Identifier: Apache-2.0
"""What a file's header says, in numbers for JSON and in lines for people."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from crossband.container import BoundedRecord
from crossband.homography import Size
from crossband.pair import Modality

if TYPE_CHECKING:
    from crossband.container import PairFile, PictureRecord
    from crossband.homography import Homography

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
                "low": picture.low,
                "high": picture.high,
                **_fidelity_facts(picture),
                "conditional": picture.conditional,
                "size_bytes": file.picture_bytes(picture.modality),
            }
            for picture in file.records
        ],
    }


def _fidelity_facts(picture: PictureRecord | BoundedRecord) -> dict[str, Any]:
    """A quality, or the largest error and the counts from one value to the next."""
    if not isinstance(picture, BoundedRecord):
        return {
            "quality": round(_quality(picture), 1),
            "quality_index": picture.quality_index,
        }
    return {"max_error": picture.max_error, "step": picture.step}


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
        range_ = "" if picture.modality is Modality.VISIBLE else f" ({picture.low}-{picture.high})"
        partner = picture.modality.partner.value
        lines.append(
            f"  {picture.modality.value:<9} {picture.width}x{picture.height}, {channels},"
            f" {picture.bit_depth} bits{range_}, {_fidelity(picture)},"
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


def weights_name(weights_id: bytes) -> str | None:
    """Name of the weights that a file was made with; None when they are not here."""
    from crossband import models

    for name in models.names():
        if models.describe(name).weights_id == weights_id.hex():
            return name
    return None


def _fidelity(picture: PictureRecord | BoundedRecord) -> str:
    if not isinstance(picture, BoundedRecord):
        return f"quality {_quality(picture):.0f}"
    steps = f" (one value every {picture.step} counts)" if picture.step > 1 else ""
    if picture.max_error == 0:
        return f"lossless{steps}"
    return f"within {picture.max_error:,} counts{steps}"


def _order(file: PairFile) -> str | None:
    return f"{file.records[0].modality.value}-first" if len(file.records) == 2 else None


def _quality(picture: PictureRecord) -> float:
    return picture.quality_index * 100 / QUALITY_TOP_INDEX
