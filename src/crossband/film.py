# SPDX-License-Identifier: Apache-2.0
"""Films: pairs in order of time in one file, written as they come and read at any place.

    Pair ── Writer ── FrameCodec ──► frame record ──► file
    Pair ◄── Film ─── FrameCodec ◄── frame record ◄── file

A key frame is coded as a pair of its own, the frames up to the next one given the frame before. So
a frame in the middle of a film is decoded from the key frame before it on.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Literal, overload

from crossband.container import (
    Damage,
    FilmHeader,
    FilmReader,
    FilmWriter,
    FrameRecord,
    IndexEntry,
    StoredFrame,
    read_frame,
    read_index,
)
from crossband.errors import CorruptStream, MissingPicture, OutputError, PictureError, SourceError
from crossband.pair import Camera, Clip, Frame, Modality, Pair

if TYPE_CHECKING:
    from crossband.codec import Codec
    from crossband.frame_codec import FrameCodec
    from crossband.homography import Homography

    Order = Literal["infrared-first", "visible-first", "auto"]

Path_ = str | os.PathLike[str]
KEYFRAME = 32
"""Frames from one key frame to the next, if no scene changes."""


class Writer:
    """Codes pairs into a film, one after another.

    Use it as a context manager. Whatever ends the block, an error or Ctrl-C too, the file holds
    every frame that was written. A file that gets no frame is not made.

    Example:
        with crossband.Writer("scene.xb", quality=60) as writer:
            for pair in pairs:
                writer.write(pair)
    """

    def __init__(
        self,
        target: Path_ | BinaryIO,
        *,
        quality: float = 50,
        order: Order = "infrared-first",
        effort: int = 5,
        frames_per_second: float = 30,
        cameras: tuple[Camera, ...] = (),
        codec: Codec | None = None,
        predictor: Codec | None = None,
        keyframe: int = KEYFRAME,
        registration: Homography | Literal["auto"] | None = None,
        force: bool = False,
    ) -> None:
        """Prepares a film; the first frame makes the file.

        Args:
            target: a path, or a binary file or pipe that is written to and left open.
            quality: 0 to 100, higher is better and larger.
            order: which picture of a frame is coded first, on its own.
            effort: 1 to 9, higher tries more and takes longer.
            frames_per_second: how far frames are apart that come without a time.
            cameras: visible, infrared, or both in this order; needed if the first pair lacks a
                picture that later ones have. Else those of the first pair.
            codec: what `crossband.load` gave; the default weights if not given.
            predictor: likewise, of weights of films, for the frames between key frames; if not
                given, those that are shipped for `codec`, and where there are none every frame is
                a key frame.
            keyframe: most frames from one key frame to the next; a change of scene makes one too.
                1: every frame is a key frame.
            registration: where the infrared pictures lie in the visible ones; `auto` looks for it
                at the first frame, and after every `keyframe` frames until it is found.
            force: replace a file that exists.

        Raises:
            OutputError: the path cannot be written, or exists and `force` is not set.
            PictureError: a rate that is not above 0, or a distance of key frames below 1.
        """
        if keyframe < 1:
            raise PictureError(f"keyframe is {keyframe}; allowed are 1 and more")
        if not 0 < frames_per_second <= 1_000_000:
            raise PictureError(
                f"the rate is {frames_per_second:g} frames a second; above 0, up to 1,000,000 is"
                " allowed"
            )
        self._path: Path | None = None
        self._file: BinaryIO | None = None
        if isinstance(target, str | os.PathLike):
            from crossband.sources import check_destination

            self._path = check_destination(target, force=force)
        else:
            self._file = target
        self._options = (quality, order, effort)
        self._period_us = 1e6 / frames_per_second
        self._next_us = 0.0
        self._last_us = -1
        self._cameras = cameras
        self._weights = (codec, predictor, keyframe)
        self._registration = registration
        self._codec: FrameCodec | None = None
        self._writer: FilmWriter | None = None
        self._is_broken = False
        self._is_closed = False

    @property
    def frames(self) -> int:
        """Frames in the file."""
        return 0 if self._writer is None else self._writer.frames

    @property
    def size_bytes(self) -> int:
        """Bytes in the file."""
        return 0 if self._writer is None else self._writer.size_bytes

    def write(
        self,
        pair: Pair,
        *,
        timestamp_us: int | None = None,
        visible_offset_ns: int = 0,
        infrared_offset_ns: int = 0,
    ) -> None:
        """Codes a pair and appends it.

        Args:
            pair: both pictures, or one while the other camera is silent; their metadata is left
                out, for films carry none.
            timestamp_us: microseconds on the clock of the cameras, later than the frame before;
                if not given, one frame after it.
            visible_offset_ns: nanoseconds from there to the visible picture's own stamp.
            infrared_offset_ns: likewise.

        Raises:
            PictureError: the pair is not of the film's cameras, or its time is not later.
            OutputError: the file cannot be written; it keeps all frames before.
        """
        if self._is_closed or self._is_broken:
            raise PictureError(f"the film of {self.frames} frames is closed; open another Writer")
        at_us = round(self._next_us) if timestamp_us is None else timestamp_us
        if at_us <= self._last_us:
            raise PictureError(
                f"frame {self.frames} is at {at_us} us, the one before at {self._last_us} us;"
                " times must increase from 0: sort the frames"
            )
        self._check_cameras(pair)
        if self._codec is None:
            self._codec = _film_codec(*self._weights)
        quality, order, effort = self._options
        self._register(pair)
        pictures, predicted = self._codec.encode(
            pair,
            quality=quality,
            order=order,
            effort=effort,
            registration=None if self._registration == "auto" else self._registration,
        )
        if self._writer is None:
            self._writer = self._start(self._codec)
        before = self._writer.size_bytes
        try:
            offsets_ns = tuple(
                visible_offset_ns if each.modality is Modality.VISIBLE else infrared_offset_ns
                for each in pictures
            )
            own = offsets_ns if any(offsets_ns) else ()
            self._writer.write(FrameRecord(at_us, pictures, predicted, own))
        except BaseException as error:
            # Ctrl-C too: what is whole stays, what is not goes.
            self._break_off(before)
            if isinstance(error, OSError) and self._path is not None:
                raise self._disk_error(error) from error
            raise
        self._last_us = at_us
        self._next_us = at_us + self._period_us

    def close(self) -> None:
        """Writes the index and closes the file that it opened.

        Raises:
            PictureError: there is no frame, and so no film.
            OutputError: the index cannot be written; the frames are there.
        """
        if self._is_closed:
            return
        self._is_closed = True
        if self._is_broken:
            return
        if self._writer is None:
            raise PictureError("the film has no frame; at least one is needed")
        before = self._writer.size_bytes
        try:
            self._writer.close()
        except BaseException as error:
            self._break_off(before)
            if isinstance(error, OSError) and self._path is not None:
                raise self._disk_error(error) from error
            raise
        if self._path is not None and self._file is not None:
            self._file.close()

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None or self._writer is not None:
            self.close()

    def _start(self, codec: FrameCodec) -> FilmWriter:
        if self._file is None:
            assert self._path is not None
            try:
                # Unbuffered, so that what the system refuses is known record by record.
                self._file = self._path.open("wb", buffering=0)
            except OSError as error:
                raise self._disk_error(error) from error
        key, predictor = (
            b"" if each is None else bytes.fromhex(each.model.card.weights_id)
            for each in (codec.key, codec.predictor)
        )
        return FilmWriter(self._file, FilmHeader(key, self._cameras, predictor))

    def _register(self, pair: Pair) -> None:
        """Looks for a registration where one is wanted and none is known yet."""
        keyframe = self._weights[2]
        if self._registration != "auto" or self.frames % keyframe:
            return
        if pair.visible is not None and pair.infrared is not None:
            from crossband.registration import estimate

            self._registration = estimate(pair.visible, pair.infrared).homography or "auto"

    def _check_cameras(self, pair: Pair) -> None:
        seen = {
            modality: Camera.of(raster, modality)
            for modality in Modality
            if (raster := pair.get(modality)) is not None
        }
        if not self._cameras:
            self._cameras = tuple(seen.values())
        declared = {camera.modality: camera for camera in self._cameras}
        for modality, camera in seen.items():
            if modality not in declared:
                raise PictureError(
                    f"frame {self.frames} has a {modality.value} picture, the first frame had none;"
                    " name both cameras when the film is opened: Writer(..., cameras=...)"
                )
            if camera != declared[modality]:
                raise PictureError(
                    f"frame {self.frames}: the {modality.value} picture is {camera}, that camera"
                    f" of the film is {declared[modality]}; all frames must be alike: start"
                    " another film"
                )

    def _break_off(self, size_bytes: int) -> None:
        """Cuts an own file behind the last whole record."""
        self._is_broken = True
        if self._path is not None and self._file is not None:
            try:
                self._file.truncate(size_bytes)
            finally:
                self._file.close()
            if size_bytes == 0:
                self._path.unlink(missing_ok=True)

    def _disk_error(self, error: OSError) -> OutputError:
        return OutputError(
            f"{self._path}: cannot be written ({error.strerror or error}) after {self.frames}"
            " frames, which are there: make room or write elsewhere"
        )


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
        return self._decoder.twin().frames(self.stored(), on_damage=on_damage, wanted=self.numbers)

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
    ) -> Iterator[Frame]:
        """Decodes what a `Film` or a `FilmReader` gives, one at a time.

        Args:
            events: frames and damages in the order of the file.
            on_damage: gets what cannot be decoded, and the rest goes on; if not given, that
                raises CorruptStream.
            wanted: numbers of the frames to give, the others are there to rest on; None: all.
        """
        for event in events:
            damage = event if isinstance(event, Damage) else None
            if isinstance(event, StoredFrame):
                try:
                    frame = self.decode(event)
                except CorruptStream as error:
                    damage = Damage(event.number, event.offset, str(error))
                else:
                    if frame is not None and (wanted is None or event.number in wanted):
                        yield frame
            if damage is not None:
                if on_damage is None:
                    raise CorruptStream(damage.message)
                on_damage(damage)

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


def _film_codec(codec: Codec | None, predictor: Codec | None, keyframe: int) -> FrameCodec:
    """What a film is written with."""
    import crossband
    from crossband import models
    from crossband.frame_codec import FrameCodec

    codec = codec or crossband.load()
    if predictor is None and keyframe > 1 and (name := models.of_films(codec.model.card)):
        predictor = crossband.load(name)
    return FrameCodec(codec, predictor if keyframe > 1 else None, keyframe=keyframe)


def open_film(
    source: Path_ | BinaryIO,
    *,
    only: Modality | None = None,
    codec: Codec | None = None,
    predictor: Codec | None = None,
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

    Raises:
        SourceError: the file is not there or cannot be read.
        StreamError: it is no film, of a newer version, or its header is damaged.
        MissingPicture: the film has no such camera.
    """
    if not isinstance(source, str | os.PathLike):
        return _open(source, only, codec, predictor)
    try:
        file = Path(source).open("rb")  # noqa: SIM115 - the film keeps it open
    except OSError as error:
        raise SourceError(
            f"{os.fspath(source)}: cannot be read ({error.strerror or error}); a film is needed:"
            " check the path"
        ) from error
    try:
        film = _open(file, only, codec, predictor)
    except BaseException:
        file.close()
        raise
    film._is_owner = True
    return film


def _open(
    file: BinaryIO, only: Modality | None, codec: Codec | None, predictor: Codec | None
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
    )
