# SPDX-License-Identifier: Apache-2.0
"""Films: what is written comes back, from pipes too; damage costs the frame it hits, no more."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossband.container import (
    Damage,
    FilmHeader,
    FilmReader,
    FilmWriter,
    FrameRecord,
    IndexEntry,
    PictureRecord,
    StoredFrame,
    is_film,
    read_frame,
    read_index,
    unpack,
)
from crossband.container.fields import pack_varint
from crossband.container.film import (
    KEY_FRAME,
    MAX_OFFSET_NS,
    PREDICTED_FRAME,
    pack_film,
    pack_frame,
    pack_index,
    unpack_frame,
    unpack_index,
)
from crossband.container.framing import LAST, pack_header, pack_record
from crossband.container.pair_file import PIXELS_PER_BYTE
from crossband.errors import CorruptStream, CrossbandError, PictureError, StreamError
from crossband.homography import Homography
from crossband.pair import Camera, Modality


class Pipe(io.RawIOBase):
    """Gives a few bytes at a time, takes a few at a time, and cannot seek."""

    def __init__(self, data: bytes = b"", piece: int = 7) -> None:
        self.data = bytearray(data)
        self.piece = piece

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        size = self.piece if size < 0 else min(size, self.piece)
        taken = bytes(self.data[:size])
        del self.data[:size]
        return taken

    def write(self, data) -> int:
        self.data += bytes(data[: self.piece])
        return len(data[: self.piece])


def film(header: FilmHeader, frames: Sequence[FrameRecord], *, close: bool = True) -> bytes:
    """The bytes of a film."""
    file = io.BytesIO()
    writer = FilmWriter(file, header)
    for frame in frames:
        writer.write(frame)
    if close:
        writer.close()
    return file.getvalue()


def events(data: bytes) -> tuple[list[FrameRecord], list[Damage], FilmReader]:
    reader = FilmReader(io.BytesIO(data))
    found = list(reader)
    return (
        [event.frame for event in found if isinstance(event, StoredFrame)],
        [event for event in found if isinstance(event, Damage)],
        reader,
    )


@pytest.fixture
def many(film_frames: list[FrameRecord]) -> list[FrameRecord]:
    """Six frames of different lengths, three of them predicted."""
    pair, alone = film_frames
    frames = []
    for number in range(6):
        picture = replace(pair.pictures[1], stream=bytes(range(number, 40 + 3 * number)))
        pictures = (pair.pictures[0], picture) if number % 3 else alone.pictures
        predicted = number in (1, 2, 4)
        if predicted:
            pictures = tuple(replace(each, symbols_crc=number << 12) for each in pictures)
        frames.append(FrameRecord(40_000 * number, pictures, predicted))
    return frames


def test_a_film_comes_back_as_it_was(film_header, film_frames):
    data = film(film_header, film_frames)
    assert is_film(data[:14])
    frames, damages, reader = events(data)
    assert (frames, damages, reader.header) == (film_frames, [], film_header)
    assert (reader.complete, reader.ending) == (True, None)
    assert film(film_header, frames) == data


def test_a_film_goes_through_pipes(film_header, many):
    sink = Pipe()
    writer = FilmWriter(sink, film_header)
    for frame in many:
        writer.write(frame)
    writer.close()
    assert bytes(sink.data) == film(film_header, many)
    found = list(FilmReader(Pipe(bytes(sink.data), piece=3)))
    assert [event.frame for event in found if isinstance(event, StoredFrame)] == many


def test_the_index_leads_to_every_frame(film_header, many):
    data = film(film_header, many)
    file = io.BytesIO(data)
    entries = read_index(file, film_header)
    scanned = [event for event in FilmReader(io.BytesIO(data)) if isinstance(event, StoredFrame)]
    assert [(entry.number, entry.offset) for entry in entries] == [
        (stored.number, stored.offset) for stored in scanned
    ]
    for number in (3, 0, 5, 1):
        assert read_frame(file, film_header, entries[number]) == scanned[number]


def test_a_film_that_is_cut_anywhere_is_whole_up_to_there(film_header, many):
    data = film(film_header, many)
    stored = [each for each in FilmReader(io.BytesIO(data)) if isinstance(each, StoredFrame)]
    start, ends = stored[0].offset, [each.offset + each.size_bytes for each in stored]
    for size_bytes in range(1, len(data)):
        whole = sum(end <= size_bytes for end in ends)
        try:
            frames, damages, reader = events(data[:size_bytes])
        except CorruptStream:
            assert size_bytes < start
            continue
        assert (frames, damages) == (many[:whole], [])
        assert not reader.complete
        assert "ended early" in reader.ending and f"{whole} frame" in reader.ending
        with pytest.raises(CorruptStream):
            read_index(io.BytesIO(data[:size_bytes]), film_header)


def test_a_flipped_bit_costs_one_frame_at_most_and_is_named(film_header, many):
    data = film(film_header, many)
    places = {stored.number: stored for stored in FilmReader(io.BytesIO(data))}
    index_at = places[5].offset + places[5].size_bytes
    for bit in range(8 * places[0].offset, 8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        frames, damages, reader = events(bytes(damaged))
        if bit // 8 >= index_at:
            # A frame could have been hit there too, for all that a reader can know.
            assert frames == many
            assert damages or not reader.complete
            continue
        hit = max(n for n, stored in places.items() if stored.offset <= bit // 8)
        assert frames == many[:hit] + many[hit + 1 :], bit
        assert [(damage.number, damage.offset) for damage in damages[:1]] == [
            (hit, places[hit].offset)
        ]
        assert f"frame {hit} at byte {places[hit].offset:,}" in damages[0].message
        if bit // 8 >= index_at - 4:  # the index hangs on this checksum: such a film is scanned
            continue
        with pytest.raises(CorruptStream, match=f"frame {hit} at byte"):
            entry = read_index(io.BytesIO(damaged), film_header)[hit]
            read_frame(io.BytesIO(damaged), film_header, entry)


def test_a_damaged_header_is_refused(film_header, many):
    data = film(film_header, many)
    for at in range(24):
        damaged = bytearray(data)
        damaged[at] ^= 0x10
        with pytest.raises(StreamError):
            list(FilmReader(io.BytesIO(bytes(damaged))))


def test_lost_and_foreign_bytes_cost_only_frames_nearby(film_header, many):
    data = film(film_header, many)
    third = list(FilmReader(io.BytesIO(data)))[2]
    middle = third.offset + 20
    for damaged in (
        data[:middle] + data[middle + 5 :],
        data[:middle] + b"\x03" * 999 + data[middle:],
    ):
        frames, damages, _ = events(damaged)
        assert frames == many[:2] + many[3:]
        assert damages[0].number == 2


def test_an_interrupted_film_is_still_found_behind_a_damaged_length(film_header, many):
    data = film(film_header, many, close=False)
    third = list(FilmReader(io.BytesIO(data)))[2]
    damaged = bytearray(data)
    damaged[third.offset + 1] ^= 0x40
    frames, damages, reader = events(bytes(damaged))
    assert frames == many[:2] + many[3:]
    assert (len(damages), reader.complete) == (1, False)


def test_bytes_after_the_last_record_are_noticed(film_header, many):
    frames, damages, _ = events(film(film_header, many) + b"more")
    assert frames == many
    assert "4 bytes follow the last record" in damages[-1].message


def test_a_huge_declared_length_takes_no_memory(film_header, film_frames):
    data = film(film_header, film_frames, close=False)
    link = data[-4:]
    reader = FilmReader(io.BytesIO(data + b"\x03" + pack_varint(film_header.max_frame_bytes)))
    assert len(list(reader)) == 2
    assert reader.left_bytes == 4
    record = pack_record(0x03, bytes(100), link)
    huge = data + b"\x03" + pack_varint(1 << 50) + record[2:]
    _, damages, _ = events(huge)
    assert "length is 1,125,899,906,842,624, at most 1,572,864 is allowed" in damages[0].message


def test_a_pair_and_a_film_are_told_apart(film_header, film_frames, example):
    from crossband.container import pack

    with pytest.raises(CorruptStream, match=r"is a film, not a pair; open it with crossband\.open"):
        unpack(film(film_header, film_frames))
    assert not is_film(pack(example))
    with pytest.raises(CorruptStream, match="is no film"):
        FilmReader(io.BytesIO(pack(example)))


def test_blank_frames_have_as_many_bytes_as_their_pixels_need(infrared):
    blank = replace(infrared, height=1400, width=1400, stream=b"")
    header = FilmHeader(b"12345678", (Camera(Modality.INFRARED, 1400, 1400, 1, 2, 14),))
    payload = pack_frame(FrameRecord(0, (blank,)), header)
    assert len(payload) == -(-1400 * 1400 // PIXELS_PER_BYTE)
    frames, damages, _ = events(film(header, [FrameRecord(0, (blank,))]))
    assert (frames[0].pictures[0].stream.strip(b"\0"), damages) == (b"", [])
    assert film(header, frames) == film(header, [FrameRecord(0, (blank,))])
    start = pack_header(b"12345678")
    start += pack_record(0x02, pack_film(header), start)
    _, damages, _ = events(start + pack_record(0x03 | LAST, payload[:-1], start[-4:]))
    assert "declares 1,960,000 pixels in 119 bytes, at least 120 are needed" in damages[0].message


def test_the_last_frame_may_be_the_last_record(film_header, film_frames):
    start = pack_header(film_header.weights_id)
    start += pack_record(0x02, pack_film(film_header), start)
    payload = pack_frame(film_frames[0], film_header)
    frames, damages, reader = events(start + pack_record(0x03 | LAST, payload, start[-4:]))
    assert (frames, damages, reader.complete) == (film_frames[:1], [], True)


def test_unknown_ancillary_records_are_skipped_and_critical_ones_refused(film_header, film_frames):
    data = film(film_header, film_frames, close=False)
    frames, damages, reader = events(data + pack_record(0x55 | LAST, b"who knows", data[-4:]))
    assert (frames, damages, reader.complete) == (film_frames, [], True)
    for kind, error in ((0x15, "kind 0x15.*update crossband"), (0x01, "no place among the frames")):
        with pytest.raises(StreamError, match=error):
            events(data + pack_record(kind, b"?", data[-4:]))


def test_a_film_of_endless_unknown_records_is_refused(film_header, film_frames):
    data = film(film_header, film_frames, close=False)
    for _ in range(257):
        data += pack_record(0x55, b"", data[-4:])
    with pytest.raises(CorruptStream, match="more than 256 records that are no frames"):
        events(data)


def test_frames_that_do_not_belong_are_not_written(film_header, film_frames):
    writer = FilmWriter(io.BytesIO(), film_header)
    with pytest.raises(PictureError, match="the film's first frame is predicted"):
        writer.write(film_frames[1])
    writer.write(replace(film_frames[1], predicted=False))
    with pytest.raises(PictureError, match=r"frame 1 is at 0 us.*times must increase"):
        writer.write(film_frames[0])
    larger = replace(film_frames[1].pictures[0], height=121)
    with pytest.raises(PictureError, match=r"160x121.*the film has 160x120"):
        writer.write(FrameRecord(99_999, (larger,)))
    with pytest.raises(PictureError, match="no frame"):
        FilmWriter(io.BytesIO(), film_header).close()
    with pytest.raises(PictureError, match="the film names no weights that predict"):
        pack_frame(film_frames[1], replace(film_header, predictor_id=b""))


def test_a_film_that_starts_with_a_predicted_frame_is_refused_there(film_header, many):
    data = film(film_header, many)
    data = data[: next(iter(FilmReader(io.BytesIO(data)))).offset]
    data += pack_record(PREDICTED_FRAME, pack_frame(many[1], film_header), data[-4:])
    frames, damages, _ = events(data)
    assert frames == []
    assert "it is predicted, but there is none before it" in damages[0].message


def test_a_frame_of_one_picture_has_no_registration(film_header, film_frames):
    payload = bytearray(pack_frame(film_frames[1], film_header))
    shape = len(pack_varint(film_frames[1].timestamp_us))
    payload[shape] |= 0x10
    with pytest.raises(CorruptStream, match="shape byte 0x12, which stands for nothing"):
        unpack_frame(PREDICTED_FRAME, memoryview(payload), film_header)


def test_a_frame_with_a_singular_registration_is_refused(film_header, film_frames):
    pictures = film_frames[0].pictures
    moved = replace(pictures[1], registration=Homography((0,) * 8))
    payload = pack_frame(replace(film_frames[0], pictures=(pictures[0], moved)), film_header)
    zeros = bytes(8) + moved.symbols_crc.to_bytes(4, "little")
    onto_the_left_edge = bytes.fromhex("00 00 ff3f 00 ff3f 00 00 00") + zeros[8:]
    assert payload.count(zeros) == 1
    payload = payload.replace(zeros, onto_the_left_edge)
    with pytest.raises(CorruptStream, match="the frame record is damaged: the homography is sing"):
        unpack_frame(KEY_FRAME, memoryview(payload), film_header)


def test_the_index_tells_predicted_frames(film_header, many):
    entries = read_index(io.BytesIO(film(film_header, many)), film_header)
    assert [each.predicted for each in entries] == [each.predicted for each in many]


def test_an_index_that_lies_is_noticed(film_header, many):
    from crossband.container.film import INDEX

    data = film(film_header, many, close=False)
    true = [
        IndexEntry(s.number, s.frame.timestamp_us, s.offset, s.frame.predicted)
        for s in FilmReader(io.BytesIO(data))
    ]
    for entries in (
        true[:-1],
        [*true[:-1], replace(true[-1], offset=true[-1].offset + 1)],
        [*true[:-1], replace(true[-1], timestamp_us=true[-1].timestamp_us + 1)],
        [*true[:-1], replace(true[-1], predicted=True)],
        [replace(true[0], predicted=True), *true[1:]],
    ):
        payload = pack_index(entries, len(data))
        lying = data + pack_record(INDEX | LAST, payload, data[-4:])
        frames, damages, _ = events(lying)
        assert frames == many
        assert "the index" in damages[-1].message


@st.composite
def films(draw: st.DrawFn) -> tuple[FilmHeader, list[FrameRecord]]:
    """Any films of up to five frames."""
    depth = draw(st.integers(1, 16))
    cameras = [
        Camera(Modality.VISIBLE, draw(sides), draw(sides), draw(st.sampled_from((1, 3)))),
        Camera(Modality.INFRARED, draw(sides), draw(sides), 1, 1 if depth <= 8 else 2, depth),
    ]
    kept = draw(st.sampled_from((slice(0, 1), slice(1, 2), slice(0, 2))))
    weights = st.binary(min_size=8, max_size=8)
    predictor_id = draw(st.one_of(st.just(b""), weights))
    header = FilmHeader(draw(weights), tuple(cameras[kept]), predictor_id)
    times = draw(st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=5, unique=True))
    frames = []
    for timestamp_us in sorted(times):
        predicted = bool(frames and predictor_id) and draw(st.booleans())
        seen = draw(st.permutations(header.cameras))[: draw(st.integers(1, len(header.cameras)))]
        pictures: list[PictureRecord] = []
        for camera in seen:
            low, high = sorted(draw(st.integers(0, 2**camera.bit_depth - 1)) for _ in range(2))
            pictures.append(
                PictureRecord(
                    modality=camera.modality,
                    height=camera.height,
                    width=camera.width,
                    channels=camera.channels,
                    sample_bytes=camera.sample_bytes,
                    bit_depth=camera.bit_depth,
                    low=low,
                    high=high,
                    quality_index=draw(st.integers(0, 63)),
                    conditional=bool(pictures) and draw(st.booleans()),
                    stream=draw(st.binary(max_size=40)),
                    symbols_crc=draw(st.integers(0, 2 ** (16 if predicted else 32) - 1)),
                )
            )
        if pictures[-1].conditional and draw(st.booleans()):
            moved = Homography(draw(st.tuples(*[st.integers(-1000, 1000)] * 8)))
            pictures[-1] = replace(pictures[-1], registration=moved)
        earliest = max(-1000 * timestamp_us, -MAX_OFFSET_NS)
        offsets = [draw(st.integers(earliest, MAX_OFFSET_NS)) for _ in pictures]
        own = tuple(offsets) if any(offsets) and draw(st.booleans()) else ()
        frames.append(FrameRecord(timestamp_us, tuple(pictures), predicted, own))
    return header, frames


@given(st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=30, unique=True))
def test_any_times_come_back_from_the_index(times):
    entries = [
        IndexEntry(number, time, 50 + 9 * number, number % 3 > 0)
        for number, time in enumerate(sorted(times))
    ]
    assert unpack_index(memoryview(pack_index(entries, 2**30)), 2**30) == entries


def test_frames_in_step_take_three_bytes_of_the_index():
    times = [round(1e6 * number / 30) for number in range(100)]
    entries = [IndexEntry(n, time, 50 + 999 * n, n > 0) for n, time in enumerate(times)]
    # The second one tells the period.
    assert len(pack_index(entries, 2**30)) == 8 + 2 + 6 + 3 * 98


def test_an_interval_that_is_spelled_out_for_nothing_is_refused():
    entries = [IndexEntry(n, 1000 * n, 50 + 9 * n, n > 0) for n in range(3)]
    payload = pack_index(entries, 2**30)
    # key frame at 0 us; 1,000 us spelled out; as long again
    assert payload[:-8].hex(" ") == "00 32 ff e8 07 09 01 09"
    longer = bytes.fromhex("00 32 ff e8 07 09 ff e8 07 09") + payload[-8:]
    with pytest.raises(CorruptStream, match="entry 2 of the index"):
        unpack_index(memoryview(longer), 2**30)


def test_a_predicted_frame_has_half_a_symbol_checksum(film_header, film_frames):
    picture = replace(film_frames[1].pictures[0], symbols_crc=1 << 16)
    with pytest.raises(PictureError, match="must have 16 bits"):
        pack_frame(replace(film_frames[1], pictures=(picture,)), film_header)


@pytest.mark.parametrize("offsets", [(0, 0), (1,), (-1, 0), (0, MAX_OFFSET_NS + 1)])
def test_stamps_outside_their_range_are_refused(film_frames, offsets):
    with pytest.raises(PictureError, match="stamp"):
        replace(film_frames[0], timestamp_us=0, offsets_ns=offsets)


@pytest.mark.parametrize(
    ("stamps", "reason"),
    [(b"\0\0", "all its own time"), (b"\x01\0", "0 or later"), (b"\x80\0\0", "shortest form")],
)
def test_stamps_that_no_writer_makes_are_refused(film_header, film_frames, stamps, reason):
    packed = pack_frame(film_frames[0], film_header)
    assert packed[0] == 0  # the time, then the shape
    odd = bytes([0, packed[1] | 0x08]) + stamps + packed[2:]
    with pytest.raises(CorruptStream, match=reason):
        unpack_frame(KEY_FRAME, memoryview(odd), film_header)


sides = st.integers(1, 300)


@settings(max_examples=60)
@given(films())
def test_any_film_comes_back_in_one_form(drawn):
    header, frames = drawn
    data = film(header, frames)
    back, damages, reader = events(data)
    assert (reader.header, len(back), damages) == (header, len(frames), [])
    for mine, theirs in zip(frames, back, strict=True):
        assert (mine.timestamp_us, mine.predicted) == (theirs.timestamp_us, theirs.predicted)
        for sent, got in zip(mine.pictures, theirs.pictures, strict=True):
            assert replace(got, stream=b"") == replace(sent, stream=b"")
            assert got.stream.rstrip(b"\0") == sent.stream.rstrip(b"\0")
    assert film(header, back) == data


@settings(max_examples=60)
@given(films(), st.data())
def test_any_damage_is_an_error_of_ours_or_none(drawn, data):
    header, frames = drawn
    damaged = bytearray(film(header, frames))
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        back, damages, reader = events(bytes(damaged))
    except CrossbandError:
        return
    assert damages or not reader.complete or len(back) == len(frames)
    assert all("\n" not in damage.message for damage in damages)
