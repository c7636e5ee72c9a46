# SPDX-License-Identifier: Apache-2.0
"""The example file of docs/format.md, which several tests take apart."""

from __future__ import annotations

import pytest

from crossband.container import PairFile, PictureRecord
from crossband.pair import Modality


@pytest.fixture
def infrared() -> PictureRecord:
    """A radiometric picture coded alone."""
    return PictureRecord(
        modality=Modality.INFRARED,
        height=120,
        width=160,
        channels=1,
        sample_bytes=2,
        bit_depth=14,
        low=7000,
        high=9000,
        quality_index=32,
        conditional=False,
        stream=b"INFRARED",
        symbols_crc=0x11223344,
    )


@pytest.fixture
def visible() -> PictureRecord:
    """An RGB picture of the same size coded given the infrared one."""
    return PictureRecord(
        modality=Modality.VISIBLE,
        height=120,
        width=160,
        channels=3,
        sample_bytes=1,
        bit_depth=8,
        low=0,
        high=255,
        quality_index=32,
        conditional=True,
        stream=b"VISIBLE",
        symbols_crc=0x55667788,
    )


@pytest.fixture
def example(infrared: PictureRecord, visible: PictureRecord) -> PairFile:
    """The pair of docs/format.md §9."""
    return PairFile(
        weights_id=bytes(range(0xA0, 0xA8)),
        records=(infrared, visible),
        timestamp_us=1_700_000_000_000_000,
    )
