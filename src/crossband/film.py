# SPDX-License-Identifier: Apache-2.0
"""Films as they are read: pairs in order of time, decoded where they are looked at.

    Pair ◄── Film ── FrameDecoder ── FrameCodec ◄── frame record ◄── file

A key frame is coded as a pair of its own, the frames up to the next one given the frame before. So
a frame in the middle of a film is decoded from the key frame before it on, and groups, each a key
frame and those that rest on it, can be decoded side by side (`jobs`).
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, overload

from crossband.container import (
    Damage,
    FilmHeader,
    FilmReader,
    IndexEntry,
    StoredFrame,
    read_frame,
    read_index,
)
from crossband.errors import CorruptStream, MissingPicture, SourceError
from crossband.pair import Camera, Clip, Frame, Modality, Pair

if TYPE_CHECKING:
    from crossband.codec import Codec
    from crossband.frame_codec import FrameCodec

Path_ = str | os.PathLike[str]
_Decoded = tuple[int, Frame | Damage | None]
"""A frame's number and what became of it; None if it lacks the only picture wanted."""
_AHEAD = 64
"""Frames that a job decodes at most before they are taken."""


class Film(Sequence[Pair]):
    """The pairs of a film, decoded when they are asked for.

    `film[120]` reads and decodes one frame, `film[100:164]` is a film of its own that reads
    nothing yet, and iterating decodes frame after frame. Open it with `crossband.open`.
    """

    def __init__(
        self,
        file: BinaryIO,
        header: FilmHeader,
        entries: Sequence[IndexEntry],
        *,
        only: Modality | None = None,
        codec: Codec | None = None,
        predictor: Codec | None = None,
        ending: str | None = None,
        damages: tuple[Damage, ...] = (),
        jobs: int = 1,
    ) -> None:
        """A film of the given frames; see `crossband.open`."""
        self.header = header
        """Cameras and weights."""
        self.ending = ending
        """How the film broke off, in words; None if it is complete."""
        self.damages = damages
        """What a film without an index was found to have lost."""
        self._file = file
        self._entries = entries
        self._places = {entry.number: entry for entry in entries}
        self._decoder = FrameDecoder(header, only=only, codec=codec, predictor=predictor)
        self._jobs = jobs
        self._is_owner = False

    @property
    def cameras(self) -> tuple[Camera, ...]:
        """Size, channels and depth of each camera."""
        return self.header.cameras

    @property
    def timestamps_us(self) -> tuple[int, ...]:
        """When each frame was seen, in microseconds on the clock of the cameras."""
        return tuple(entry.timestamp_us for entry in self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    @overload
    def __getitem__(self, index: int) -> Pair: ...
    @overload
    def __getitem__(self, index: slice) -> Film: ...
    def __getitem__(self, index: int | slice) -> Pair | Film:
        if isinstance(index, slice):
            part = copy.copy(self)
            part._entries, part._is_owner = self._entries[index], False
            return part
        try:
            entry = self._entries[index]
        except IndexError:
            raise IndexError(f"frame {index} of {len(self)}; the film has no such frame") from None
        for before in self._leading(entry, self._decoder.last):
            self._decoder.decode(read_frame(self._file, self.header, before))
        frame = self._decoder.decode(read_frame(self._file, self.header, entry))
        if frame is None:
            raise MissingPicture(
                f"frame {entry.number} lacks the picture asked for; that camera was silent"
            )
        return frame.pair

    def numbered(self, span: slice | None) -> Film:
        """The frames of these numbers; in a film that lost frames, numbers are not positions."""
        if span is None:
            return self
        span = slice(span.start or 0, span.stop)
        part = self[:]
        part._entries = [
            entry
            for entry in self._entries
            if span.start <= entry.number and (span.stop is None or entry.number < span.stop)
        ]
        return part

    def __iter__(self) -> Iterator[Pair]:
        return (frame.pair for frame in self.frames())

    def frames(self, *, on_damage: Callable[[Damage], None] | None = None) -> Iterator[Frame]:
        """The pairs with their times.

        Args:
            on_damage: gets each frame that cannot be decoded, and the rest goes on; if not given,
                such a frame raises CorruptStream.
        """
        found = self._decoder.twin().frames(
            self.stored(), on_damage=on_damage, wanted=self.numbers, jobs=self._jobs
        )
        return (frame for _, frame in found)

    @property
    def numbers(self) -> Container[int]:
        """Which frames these are; in a film that lost frames, numbers are not positions."""
        return {entry.number for entry in self._entries}

    def stored(self) -> Iterator[StoredFrame | Damage]:
        """The coded frames, and before them those that they rest on; needs no weights."""
        last: int | None = None
        for entry in self._entries:
            for each in (*self._leading(entry, last), entry):
                last = each.number
                try:
                    yield read_frame(self._file, self.header, each)
                except CorruptStream as error:
                    yield Damage(each.number, each.offset, str(error))

    def _leading(self, entry: IndexEntry, last: int | None) -> list[IndexEntry]:
        """What has to be decoded before a frame, if `last` was decoded before that."""
        found: list[IndexEntry] = []
        while entry.predicted and entry.number - 1 != last:
            before = self._places.get(entry.number - 1)
            if before is None:
                break  # it is lost, and what rests on it too
            found.append(before)
            entry = before
        return found[::-1]

    def clip(self) -> Clip:
        """All pairs decoded, in memory. Slice a long film first."""
        frames = list(self.frames())
        return Clip(
            tuple(frame.pair for frame in frames), tuple(frame.timestamp_us for frame in frames)
        )

    def close(self) -> None:
        """Closes the file, if `crossband.open` opened it."""
        if self._is_owner:
            self._file.close()

    def __enter__(self) -> Film:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class FrameDecoder:
    """Turns coded frames of one film into pairs; loads the weights when the first one comes.

    Raises:
        MissingPicture: only one camera is wanted, and the film lacks it.
    """

    def __init__(
        self,
        header: FilmHeader,
        *,
        only: Modality | None = None,
        codec: Codec | None = None,
        predictor: Codec | None = None,
    ) -> None:
        if only is not None and header.get(only) is None:
            raise MissingPicture(
                f"the film has no {only.value} pictures; it has {header.cameras[0].modality.value}"
                " ones"
            )
        self._header = header
        self._only = only
        self._weights = (codec, predictor)
        self._codec: FrameCodec | None = None
        self.last: int | None = None
        """The number of the frame that was decoded last; None: no frame may rest on it."""

    def twin(self) -> FrameDecoder:
        """A decoder with the same weights and a past of its own."""
        self._codec = self._codec or self._load()
        return FrameDecoder(
            self._header,
            only=self._only,
            codec=self._codec.key,
            predictor=self._codec.predictor,
        )

    def decode(self, stored: StoredFrame) -> Frame | None:
        """The frame; None if it lacks the only picture wanted.

        Raises:
            CorruptStream: its symbols are not those that were coded; names frame and byte.
        """
        frame = stored.frame
        where = f"frame {stored.number} at byte {stored.offset:,}"
        if frame.predicted and self.last != stored.number - 1:
            raise CorruptStream(
                f"{where} rests on frame {stored.number - 1}, which was not decoded; the next key"
                " frame can be"
            )
        if self._codec is None:
            self._codec = self._load()
        self.last = None
        try:
            pair = self._codec.decode(frame.pictures, predicted=frame.predicted, only=self._only)
        except CorruptStream as error:
            self._codec.forget()
            raise CorruptStream(f"{where}: {error}") from error
        self.last = stored.number
        if pair is None:
            return None
        modalities = [each.modality for each in frame.pictures]
        offsets_ns = dict(zip(modalities, frame.offsets_ns, strict=False))
        return Frame(
            pair,
            frame.timestamp_us,
            visible_offset_ns=offsets_ns.get(Modality.VISIBLE, 0),
            infrared_offset_ns=offsets_ns.get(Modality.INFRARED, 0),
        )

    def frames(
        self,
        events: Iterable[StoredFrame | Damage],
        *,
        on_damage: Callable[[Damage], None] | None = None,
        wanted: Container[int] | None = None,
        jobs: int = 1,
    ) -> Iterator[tuple[int, Frame]]:
        """Decodes what a `Film` or a `FilmReader` gives; numbers and frames.

        Args:
            events: frames and damages in the order of the file.
            on_damage: gets what cannot be decoded, and the rest goes on; if not given, that
                raises CorruptStream.
            wanted: numbers of the frames to give, the others are there to rest on; None: all.
            jobs: groups that are decoded at once, each on one core; above 1, frames are read and
                decoded ahead, up to 1 GiB of samples.
        """
        for number, found in self._by_jobs(events, jobs) if jobs > 1 else self._decoded(events):
            if isinstance(found, Damage):
                if on_damage is None:
                    raise CorruptStream(found.message)
                on_damage(found)
            elif found is not None and (wanted is None or number in wanted):
                yield number, found

    def _decoded(self, events: Iterable[StoredFrame | Damage]) -> Iterator[_Decoded]:
        for event in events:
            found: Frame | Damage | None
            if isinstance(event, Damage):
                found = event
            else:
                try:
                    found = self.decode(event)
                except CorruptStream as error:
                    found = Damage(event.number, event.offset, str(error))
            yield event.number or 0, found

    def _by_jobs(self, events: Iterable[StoredFrame | Damage], jobs: int) -> Iterator[_Decoded]:
        from crossband.in_order import WAITING_BYTES, InOrder

        frame_bytes = sum(each.size_bytes for each in self._header.cameras)
        longest = WAITING_BYTES // ((jobs + 1) * frame_bytes)
        with InOrder[list[_Decoded]](jobs) as pool:
            decoder = self.twin()
            for group in _groups(events, max(1, min(longest, _AHEAD))):
                first = group[0]
                if isinstance(first, StoredFrame) and not first.frame.predicted:
                    decoder = decoder.twin()
                else:  # goes on where the last one ended
                    yield from chain.from_iterable(pool.rest())
                yield from chain.from_iterable(pool.put(list, decoder._decoded(group)))
            yield from chain.from_iterable(pool.rest())

    def _load(self) -> FrameCodec:
        """The weights given, else those that the film names."""
        import crossband
        from crossband import models
        from crossband.frame_codec import FrameCodec

        codec, predictor = self._weights
        if codec is None:
            codec = crossband.load(models.find(self._header.weights_id).name)
        if predictor is None and self._header.predictor_id:
            card = models.find(self._header.predictor_id, option="--film-model")
            predictor = crossband.load(card.name)
        return FrameCodec(codec, predictor)


def _groups(
    events: Iterable[StoredFrame | Damage], longest: int
) -> Iterator[list[StoredFrame | Damage]]:
    """Runs of events, each from a key frame on, but none longer than `longest`."""
    group: list[StoredFrame | Damage] = []
    for event in events:
        is_key = isinstance(event, StoredFrame) and not event.frame.predicted
        if group and (is_key or len(group) == longest):
            yield group
            group = []
        group.append(event)
    if group:
        yield group


def open_film(
    source: Path_ | BinaryIO,
    *,
    only: Modality | None = None,
    codec: Codec | None = None,
    predictor: Codec | None = None,
    jobs: int = 1,
) -> Film:
    """A film that is read and decoded where it is looked at.

    A film without an index, as an interrupted recording leaves it, is read through once for the
    places of its frames.

    Args:
        source: a path, or a binary file that can seek (it stays open); for pipes see
            `container.FilmReader`.
        only: decode these pictures and leave the others None.
        codec: what `crossband.load` gave; the weights that the film names if not given.
        predictor: likewise, for predicted frames.
        jobs: groups that are decoded at once, each on one core, where the film is iterated; above
            1, frames are decoded ahead, up to 1 GiB of samples.

    Raises:
        SourceError: the file is not there or cannot be read.
        StreamError: it is no film, of a newer version, or its header is damaged.
        MissingPicture: the film has no such camera.
    """
    if not isinstance(source, str | os.PathLike):
        return _open(source, only, codec, predictor, jobs)
    try:
        file = Path(source).open("rb")  # noqa: SIM115 - the film keeps it open
    except OSError as error:
        raise SourceError(
            f"{os.fspath(source)}: cannot be read ({error.strerror or error}); a film is needed:"
            " check the path"
        ) from error
    try:
        film = _open(file, only, codec, predictor, jobs)
    except BaseException:
        file.close()
        raise
    film._is_owner = True
    return film


def _open(
    file: BinaryIO,
    only: Modality | None,
    codec: Codec | None,
    predictor: Codec | None,
    jobs: int,
) -> Film:
    file.seek(0)
    reader = FilmReader(file)
    damages: list[Damage] = []
    ending: str | None = None
    try:
        entries = read_index(file, reader.header)
    except CorruptStream:
        file.seek(0)
        reader = FilmReader(file)
        entries = []
        for event in reader:
            if isinstance(event, Damage):
                damages.append(event)
            else:
                time_us, predicted = event.frame.timestamp_us, event.frame.predicted
                entries.append(IndexEntry(event.number, time_us, event.offset, predicted))
        ending = reader.ending
    return Film(
        file,
        reader.header,
        entries,
        only=only,
        codec=codec,
        predictor=predictor,
        ending=ending,
        damages=tuple(damages),
        jobs=jobs,
    )
