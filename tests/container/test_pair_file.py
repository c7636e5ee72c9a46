# SPDX-License-Identifier: Apache-2.0
"""A file says what was put into it, in one way only."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossband.container import PairFile, PictureRecord, pack, unpack
from crossband.container.fields import VARINT_MAX
from crossband.container.framing import record_bytes
from crossband.container.pair_file import PIXELS_PER_BYTE
from crossband.errors import PictureError
from crossband.homography import Homography
from crossband.pair import Modality

SIDES = st.one_of(st.integers(1, 2000), st.sampled_from([1, 255, 256, 65_534, 65_535]))
STREAMS = st.one_of(st.binary(max_size=40), st.sampled_from([127, 128, 16_384]).map(bytes))


@st.composite
def pictures(
    draw: st.DrawFn, modality: Modality, conditional: bool, size: tuple[int, int] | None
) -> PictureRecord:
    """Any picture record of a modality."""
    moved = st.tuples(*[st.integers(-1000, 1000)] * 8).map(Homography)
    infrared = modality is Modality.INFRARED
    sample_bytes = draw(st.integers(1, 2)) if infrared else 1
    bit_depth = draw(st.integers(1, 8 * sample_bytes))
    peak = (1 << bit_depth) - 1
    full = draw(st.booleans())
    low = 0 if full else draw(st.integers(0, peak))
    height, width = size or (draw(SIDES), draw(SIDES))
    return PictureRecord(
        modality=modality,
        height=height,
        width=width,
        channels=1 if infrared else draw(st.sampled_from([1, 3])),
        sample_bytes=sample_bytes,
        bit_depth=bit_depth,
        low=low,
        high=peak if full else draw(st.integers(low, peak)),
        quality_index=draw(st.integers(0, 63)),
        conditional=conditional,
        stream=draw(STREAMS),
        symbols_crc=draw(st.integers(0, 0xFFFF_FFFF)),
        registration=draw(st.none() | moved) if conditional else None,
    )


@st.composite
def pair_files(draw: st.DrawFn) -> PairFile:
    """Any pair file."""
    modality = draw(st.sampled_from(list(Modality)))
    first = draw(pictures(modality, False, None))
    records = [first]
    if draw(st.booleans()):
        size = (first.height, first.width) if draw(st.booleans()) else None
        records.append(draw(pictures(modality.partner, draw(st.booleans()), size)))
    return PairFile(
        weights_id=draw(st.binary(min_size=8, max_size=8)),
        records=tuple(records),
        timestamp_us=draw(st.none() | st.integers(0, VARINT_MAX)),
    )


@settings(deadline=None, derandomize=True)
@given(pair_files())
def test_every_file_comes_back_and_packs_to_the_same_bytes(file):
    data = pack(file)
    assert unpack(data) == file
    assert pack(unpack(data)) == data


@settings(deadline=None, derandomize=True)
@given(pair_files())
def test_the_parts_of_a_file_add_up_to_its_bytes(file):
    data = pack(file)
    assert file.size_bytes == len(data)
    assert sum(part.size_bytes for part in file.parts) == len(data)
    assert file.overhead_bytes + sum(len(record.stream) for record in file.records) == len(data)


def test_the_bytes_of_version_1_are_what_they_were(infrared, visible):
    alone = replace(visible, conditional=False, channels=1, height=3, width=1)
    golden = {
        pack(PairFile(b"12345678", (alone,))): (
            "cb58420a01313233343536373881112087030001008877665556495349424c451f81b0a5"
        ),
        pack(PairFile(b"12345678", (alone, infrared))): (
            "cb58420a01"
            "3132333435363738"
            "0111"
            "2087"
            "03000100"
            "88776655"
            "56495349424c45"
            "723bf220"
            "8116"
            "601d"
            "7800a000"
            "581b2823"
            "44332211"
            "494e465241524544"
            "7eef4441"
        ),
    }
    for data, expected in golden.items():
        assert data.hex() == expected


def test_a_registration_takes_8_to_16_bytes_of_the_record_and_nothing_elsewhere(infrared, visible):
    plain = len(pack(PairFile(b"12345678", (infrared, visible))))
    for displacements, size_bytes in (
        ((0,) * 8, 8),
        ((63, -64) * 4, 8),
        ((64, 0) * 4, 12),
        ((8191, -8192) * 4, 16),
    ):
        moved = replace(visible, registration=Homography(displacements))
        file = PairFile(b"12345678", (infrared, moved))
        assert len(pack(file)) == file.size_bytes == plain + size_bytes
        assert moved.coded_bytes == len(visible.stream) + size_bytes
        assert unpack(pack(file)) == file


def test_the_bytes_of_a_registered_picture_are_what_they_were(infrared, visible):
    moved = replace(visible, registration=Homography((0, -1, 1, 200, 0, 0, -64, 64)))
    second = pack(PairFile(b"12345678", (infrared, moved)))[41:]
    assert second.hex(" ") == (
        "86 17 a0 e7 00 01 02 90 03 00 00 7f 80 01 88 77 66 55 56 49 53 49 42 4c 45 de c3 99 1a"
    )


def test_a_picture_is_found_by_its_modality(example, infrared, visible):
    assert example.get(Modality.INFRARED) == infrared
    assert example.get(Modality.VISIBLE) == visible
    assert PairFile(example.weights_id, (infrared,)).get(Modality.VISIBLE) is None


def test_the_parts_carry_their_names(example):
    assert {part.name: part.size_bytes for part in example.parts} == {
        "header": 13,
        "timestamp": 14,
        "infrared record": 20,
        "infrared stream": 8,
        "visible record": 12,
        "visible stream": 7,
    }
    assert example.picture_bytes(Modality.INFRARED) == 28
    assert example.picture_bytes(Modality.VISIBLE) == 19


@pytest.mark.parametrize(
    ("change", "overhead_bytes"),
    [
        ({"sample_bytes": 1, "bit_depth": 8, "low": 0, "high": 255}, 43),
        ({}, 47),
        ({"height": 512, "width": 640}, 51),
    ],
    ids=["8-bit", "radiometric", "radiometric of another size"],
)
def test_a_pair_costs_at_most_51_bytes_beside_its_coded_bytes(
    infrared, visible, change, overhead_bytes
):
    stream = bytes(2200)
    file = PairFile(
        b"12345678", (replace(infrared, stream=stream, **change), replace(visible, stream=stream))
    )
    assert file.overhead_bytes == overhead_bytes


def test_a_huge_blank_picture_is_filled_up_to_what_its_size_needs(infrared):
    huge = replace(infrared, height=65_535, width=65_535)
    file = PairFile(b"12345678", (huge,))
    data = pack(file)
    assert file.parts[-1].name == "filler"
    assert (len(data) - 1) * PIXELS_PER_BYTE < huge.pixels <= len(data) * PIXELS_PER_BYTE
    assert unpack(data) == file


def test_a_file_is_filled_no_more_than_it_needs(infrared):
    for side in range(800, 2600):
        picture = replace(infrared, height=side, width=side)
        needed = -(-picture.pixels // PIXELS_PER_BYTE)
        sizes = [part.size_bytes for part in PairFile(b"12345678", (picture,)).parts]
        unfilled = sum(sizes[:3])
        candidates = [0, *(record_bytes(payload) for payload in range(400))]
        assert sum(sizes) == unfilled + min(c for c in candidates if unfilled + c >= needed)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"height": 0}, "160x0"),
        ({"width": 65_536}, "65536x120"),
        ({"channels": 3}, "3 channels"),
        ({"sample_bytes": 3}, "3 bytes"),
        ({"bit_depth": 0}, "bit depth 0"),
        ({"bit_depth": 17}, "bit depth 17"),
        ({"low": -1}, "range -1"),
        ({"low": 9001}, "range 9001 to 9000"),
        ({"high": 1 << 14}, "range 7000 to 16384"),
        ({"quality_index": 64}, "quality index 64"),
        ({"quality_index": -1}, "quality index -1"),
        ({"symbols_crc": 1 << 32}, "4294967296"),
    ],
)
def test_a_picture_outside_the_ranges_cannot_be_made(infrared, change, says):
    with pytest.raises(PictureError, match=says):
        replace(infrared, **change)


@pytest.mark.parametrize(
    ("change", "says"),
    [({"channels": 2}, "2 channels"), ({"sample_bytes": 2}, "samples of 2 bytes")],
)
def test_a_visible_picture_outside_the_ranges_cannot_be_made(visible, change, says):
    with pytest.raises(PictureError, match=says):
        replace(visible, **change)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"weights_id": b"1234567"}, "7 bytes"),
        ({"records": ()}, "0 pictures"),
        ({"timestamp_us": -1}, "-1 us"),
        ({"timestamp_us": 1 << 63}, "9223372036854775808 us"),
    ],
)
def test_a_file_outside_the_ranges_cannot_be_made(example, change, says):
    with pytest.raises(PictureError, match=says):
        replace(example, **change)


def test_pictures_that_do_not_make_a_pair_are_refused(infrared, visible):
    with pytest.raises(PictureError, match="two infrared pictures"):
        PairFile(b"12345678", (infrared, infrared))
    with pytest.raises(PictureError, match="first picture is conditional"):
        PairFile(b"12345678", (visible, infrared))
    with pytest.raises(PictureError, match="3 pictures"):
        PairFile(b"12345678", (infrared, visible, infrared))


def test_the_container_needs_no_torch():
    code = f"""
import sys
sys.path[:] = {sys.path!r}
import crossband.container
print("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"
