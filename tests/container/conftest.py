# SPDX-License-Identifier: Apache-2.0
"""The example file of docs/format.md, which several tests take apart."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crossband.container import FilmHeader, FrameRecord, PairFile, PictureRecord
from crossband.pair import Camera, Modality


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


@pytest.fixture
def film_header() -> FilmHeader:
    """The film of docs/format.md §14."""
    return FilmHeader(
        bytes(range(0xA0, 0xA8)),
        (
            Camera(Modality.VISIBLE, 120, 160, channels=3),
            Camera(Modality.INFRARED, 120, 160, sample_bytes=2, bit_depth=14),
        ),
        bytes(range(0xB0, 0xB8)),
    )


@pytest.fixture
def film_frames(infrared: PictureRecord, visible: PictureRecord) -> list[FrameRecord]:
    """Its two frames: a pair, and an infrared picture while the visible camera is silent."""
    alone = replace(infrared, low=0, high=16_383, stream=b"ALONE", symbols_crc=0x99AA)
    return [FrameRecord(0, (infrared, visible)), FrameRecord(33_333, (alone,), True)]
