# SPDX-License-Identifier: Apache-2.0
"""Stores files of bounded infrared pictures; each name ends in the checksum of its samples."""

from __future__ import annotations

import sys
from pathlib import Path

from crc32c import crc32c

if __name__ == "__main__":  # from a source tree that need not be installed
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from crossband.bounded import decode_bounded, encode_bounded
from crossband.container import PairFile, pack
from crossband.pair import Raster
from crossband.testing import synthetic_pair

FOLDER = Path(__file__).parent / "bounded"


def main() -> None:
    """Writes one file a case."""
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.xb"):
        old.unlink()
    for name, size, depth, step, bound in (
        ("lossless", (72, 90), 14, 1, 0),
        ("every-fourth", (70, 64), 14, 4, 0),
        ("within-four", (48, 52), 16, 1, 4),
        ("eight-bits", (40, 66), 8, 1, 0),
        ("rounded", (60, 70), 8, 1, 20),
        ("one-pixel", (1, 1), 12, 1, 0),
    ):
        raster = synthetic_pair(visible=None, infrared=size, infrared_bit_depth=depth).infrared
        assert raster is not None
        record = encode_bounded(Raster(raster.samples // step * step, depth), bound)
        samples = decode_bounded(record).samples
        checksum = crc32c(samples.astype("<u2").tobytes())
        data = pack(PairFile(b"bounded!", (record,)))
        (FOLDER / f"{name}-{checksum:08x}.xb").write_bytes(data)


if __name__ == "__main__":
    main()
