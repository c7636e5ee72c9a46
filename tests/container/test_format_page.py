# SPDX-License-Identifier: Apache-2.0
"""docs/format.md says what the code does."""

from __future__ import annotations

import io
import re
from dataclasses import fields
from pathlib import Path

import pytest

from crossband.container import (
    FilmHeader,
    FilmWriter,
    FrameRecord,
    bounded,
    film,
    framing,
    metadata,
    pack,
    pair_file,
    picture,
    unpack,
)
from crossband.pair import MAX_SIDE

PAGE = Path(__file__).parents[2] / "docs" / "format.md"


@pytest.fixture(scope="module")
def page() -> str:
    """The text of the page."""
    return PAGE.read_text(encoding="utf-8")


def dump(data: bytes) -> str:
    """Sixteen bytes a line behind their offset."""
    return "\n".join(f"{at:04x}  {data[at : at + 16].hex(' ')}" for at in range(0, len(data), 16))


def crc32c_by_the_page(data: bytes) -> int:
    """CRC-32C bit by bit, from the definition in §1."""
    crc = 0xFFFF_FFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F6_3B78 if crc & 1 else 0)
    return crc ^ 0xFFFF_FFFF


def test_the_example_of_the_page_is_what_the_code_writes(page, example):
    block = re.search(r"```hex\n(.*?)\n```", page, re.DOTALL)
    expected = dump(pack(example))
    assert block is not None and block[1] == expected, f"put this on the page:\n{expected}"


def test_the_example_of_the_page_reads_as_the_values_beside_it(page, example):
    block = re.search(r"```hex\n(.*?)\n```", page, re.DOTALL)
    data = bytes.fromhex("".join(line[6:] for line in block[1].splitlines()))
    assert unpack(data) == example


def test_the_table_of_the_example_covers_every_byte_in_order(page, example):
    data = pack(example)
    section = page.split("```hex", 1)[1].split("```", 2)[1]
    rows = re.findall(r"^\| (\d+) \| `([0-9a-f ]+)` \|", section, re.MULTILINE)
    position = 0
    for offset, text in rows:
        assert int(offset) == position
        piece = bytes.fromhex(text)
        assert data[position : position + len(piece)] == piece
        position += len(piece)
    assert position == len(data)


def film_bytes(header: FilmHeader, frames: list[FrameRecord]) -> bytes:
    file = io.BytesIO()
    writer = FilmWriter(file, header)
    for frame in frames:
        writer.write(frame)
    writer.close()
    return file.getvalue()


def test_the_film_of_the_page_is_what_the_code_writes(page, film_header, film_frames):
    block = re.search(r"```film\n(.*?)\n```", page, re.DOTALL)
    expected = dump(film_bytes(film_header, film_frames))
    assert block is not None and block[1] == expected, f"put this on the page:\n{expected}"


def test_the_table_of_the_film_covers_every_byte_in_order(page, film_header, film_frames):
    data = film_bytes(film_header, film_frames)
    rows = re.findall(r"^\| (\d+) \| `([0-9a-f ]+)` \|", page.split("```film", 1)[1], re.MULTILINE)
    position = 0
    for offset, text in rows:
        piece = bytes.fromhex(text)
        assert (int(offset), data[position : position + len(piece)]) == (position, piece)
        position += len(piece)
    assert position == len(data)


def test_the_checksums_of_the_example_follow_from_the_rule_of_the_page(example):
    data = pack(example)
    assert crc32c_by_the_page(b"123456789") == 0xE306_9283
    link = data[: framing.HEADER_BYTES]
    for record in framing.unpack_records(data):
        end = record.offset + record.size_bytes
        body, checksum = data[record.offset : end - 4], data[end - 4 : end]
        assert crc32c_by_the_page(link + body) == int.from_bytes(checksum, "little")
        link = checksum


@pytest.mark.parametrize(
    "fact",
    [
        f"`{framing.MAGIC.hex(' ')}`",
        f"{framing.MAX_RECORDS} records",
        f"{MAX_SIDE:,}",
        f"{pair_file.PIXELS_PER_BYTE:,}",
        f"`{pair_file.PICTURE:02x}`",
        f"`{pair_file.TIMESTAMP:02x}`",
        f"`{pair_file.FILLER:02x}`",
        f"`{pair_file.FILM:02x}`",
        f"`{film.KEY_FRAME:02x}`",
        f"`{film.PREDICTED_FRAME:02x}`",
        f"`{pair_file.BOUNDED:02x}`",
        f"begun {bounded.PIXELS_PER_BYTE} pixels",
        f"`top` below {bounded.MAX_LEVELS:,}",
        f"`{film.INDEX:02x}`",
        f"`{pair_file.METADATA:02x}`",
        f"{metadata.MAX_METADATA_BYTES:,}",
        *(f"| {kind.value} | {kind.name} |" for kind in metadata.BlobKind),
    ],
)
def test_the_page_names_the_limits_of_the_code(page, fact):
    assert fact in page


def test_the_page_names_every_value_of_a_picture(page):
    for record in (picture.PictureRecord, bounded.BoundedRecord):
        for field in fields(record):
            assert f"`{field.name}`" in page
