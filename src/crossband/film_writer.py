# SPDX-License-Identifier: Apache-2.0
"""Films as they are written: frames come one by one, and are coded singly or a group at a time.

write(Pair) ── FrameCodec ─────────────────────────────► frame record ──► file
write(Pair) ── group ─┬─ job: FrameCodec ─┬─ in order ─► frame record ──► file
                      └─ job: FrameCodec ─┘
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Literal

from crossband.container import FilmHeader, FilmWriter, FrameRecord
from crossband.errors import OutputError, PictureError
from crossband.pair import Camera, Modality, Pair

if TYPE_CHECKING:
    from crossband.codec import Codec
    from crossband.frame_codec import FrameCodec
    from crossband.homography import Homography
    from crossband.in_order import InOrder
    from crossband.scenes import GroupPlan

    Order = Literal["infrared-first", "visible-first", "auto"]

KEYFRAME = 32
"""Frames from one key frame to the next, if no scene changes."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A frame to be coded."""

    pair: Pair
    timestamp_us: int
    offsets_ns: dict[Modality, int]
    registration: Homography | None


@dataclass(frozen=True, slots=True)
class _CodedGroup:
    """What a job made of a group."""

    records: list[FrameRecord]
    is_whole: bool
    error: Exception | None = None


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
        target: str | os.PathLike[str] | BinaryIO,
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
        jobs: int = 1,
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
            jobs: groups that are coded at once, each on one core, with the same bytes in the end;
                fewer if the frames of `jobs` + 1 groups have more than 1 GiB of samples. Frames
                then reach the file a group at a time.
            force: replace a file that exists.

        Raises:
            OutputError: the path cannot be written, or exists and `force` is not set.
            PictureError: a rate that is not above 0, or a distance of key frames or a number of
                jobs below 1.
        """
        if keyframe < 1:
            raise PictureError(f"keyframe is {keyframe}; allowed are 1 and more")
        if jobs < 1:
            raise PictureError(f"jobs is {jobs}; allowed are 1 and more")
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
        self._jobs = jobs
        self._codec: FrameCodec | None = None
        self._pool: InOrder[_CodedGroup] | None = None
        self._plan: GroupPlan | None = None
        self._group: list[_Waiting] = []
        self._stopping = threading.Event()
        self._taken = 0
        self._writer: FilmWriter | None = None
        self._is_broken = False
        self._is_closed = False

    @property
    def frames(self) -> int:
        """Frames in the file; with several jobs, others may wait to be coded."""
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
                f"frame {self._taken} is at {at_us} us, the one before at {self._last_us} us;"
                " times must increase from 0: sort the frames"
            )
        self._check_cameras(pair)
        if self._codec is None:
            self._prepare()
        self._register(pair)
        offsets_ns = {Modality.VISIBLE: visible_offset_ns, Modality.INFRARED: infrared_offset_ns}
        registration = None if self._registration == "auto" else self._registration
        for _ in self._appended(self._coded(_Waiting(pair, at_us, offsets_ns, registration))):
            pass
        self._taken += 1
        self._last_us = at_us
        self._next_us = at_us + self._period_us

    def flush(self) -> Iterator[int]:
        """Waits for what is not coded yet; gives the frames in the file after each one."""
        if not self._is_broken:
            yield from self._appended(self._coded_rest())

    def stop(self) -> None:
        """Lets go of what is not coded yet; `close` then leaves a whole film of what is."""
        self._stopping.set()

    def close(self) -> None:
        """Writes the index and closes the file that it opened.

        Raises:
            PictureError: there is no frame, and so no film.
            OutputError: the index cannot be written; the frames are there.
        """
        if self._is_closed:
            return
        self._is_closed = True
        for _ in self.flush():
            pass
        self._end()
        if self._writer is None and not self._is_broken:
            raise PictureError("the film has no frame; at least one is needed")

    def _end(self) -> None:
        """Ends the jobs and the file."""
        self._is_closed = True
        if self._pool is not None:
            self.stop()
            self._pool.__exit__(None, None, None)
            self._pool = None
        if self._is_broken or self._writer is None:
            return
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
        if kind is not None and not issubclass(kind, Exception):
            self.stop()  # Ctrl-C is no time to wait for the groups under way
        if kind is None or self._taken:
            self.close()

    def _prepare(self) -> None:
        """Loads weights, and starts jobs if there is to be more than one."""
        key, predictor, keyframe = self._weights
        self._codec = _film_codec(key, predictor, keyframe)
        group = keyframe if self._codec.predictor is not None else 1
        if self._jobs > 1:
            from crossband.in_order import WAITING_BYTES, InOrder
            from crossband.scenes import GroupPlan

            group_bytes = group * sum(each.size_bytes for each in self._cameras)
            if (jobs := min(self._jobs, WAITING_BYTES // group_bytes - 1)) > 1:
                self._pool, self._plan = InOrder(jobs), GroupPlan(group)

    def _coded(self, frame: _Waiting) -> Iterator[FrameRecord]:
        """Takes a frame; gives those that are coded by now."""
        assert self._codec is not None
        if self._pool is None or self._plan is None:
            yield self._record(self._codec, frame)
            return
        if self._plan.begins(frame.pair):
            yield from self._coded_before()
        self._group.append(frame)

    def _coded_before(self) -> Iterator[FrameRecord]:
        """Hands the group so far to a job; gives the frames that are coded by now."""
        assert self._pool is not None
        group, self._group = self._group, []
        if group:
            yield from self._records(self._pool.put(self._code, group))

    def _coded_rest(self) -> Iterator[FrameRecord]:
        if self._pool is not None:
            if not self._stopping.is_set():
                yield from self._coded_before()
            yield from self._records(self._pool.rest())

    def _code(self, group: list[_Waiting]) -> _CodedGroup:
        """What a job does: the group as far as it goes."""
        from crossband.frame_codec import FrameCodec

        assert self._codec is not None
        codec = FrameCodec(self._codec.key, self._codec.predictor, keyframe=self._codec.keyframe)
        records: list[FrameRecord] = []
        for frame in group:
            if self._stopping.is_set():
                return _CodedGroup(records, is_whole=False)
            try:
                records.append(self._record(codec, frame))
            except Exception as error:
                return _CodedGroup(records, is_whole=False, error=error)
        return _CodedGroup(records, is_whole=True)

    def _records(self, groups: Iterator[_CodedGroup]) -> Iterator[FrameRecord]:
        for group in groups:
            yield from group.records
            if group.error is not None:
                raise group.error
            if not group.is_whole:
                return  # what comes after it would leave a gap

    def _record(self, codec: FrameCodec, frame: _Waiting) -> FrameRecord:
        quality, order, effort = self._options
        pictures, predicted = codec.encode(
            frame.pair,
            quality=quality,
            order=order,
            effort=effort,
            registration=frame.registration,
        )
        offsets_ns = tuple(frame.offsets_ns[each.modality] for each in pictures)
        own = offsets_ns if any(offsets_ns) else ()
        return FrameRecord(frame.timestamp_us, pictures, predicted, own)

    def _appended(self, records: Iterator[FrameRecord]) -> Iterator[int]:
        try:
            for record in records:
                self._append(record)
                yield self.frames
        except BaseException:
            if self._pool is not None:
                self._end()  # frames are missing now, and no later one must follow them
            raise

    def _append(self, record: FrameRecord) -> None:
        if self._writer is None:
            assert self._codec is not None
            self._writer = self._start(self._codec)
        before = self._writer.size_bytes
        try:
            self._writer.write(record)
        except BaseException as error:
            # Ctrl-C too: what is whole stays, what is not goes.
            self._break_off(before)
            if isinstance(error, OSError) and self._path is not None:
                raise self._disk_error(error) from error
            raise

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
        if self._registration != "auto" or self._taken % keyframe:
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
                    f"frame {self._taken} has a {modality.value} picture, the first frame had none;"
                    " name both cameras when the film is opened: Writer(..., cameras=...)"
                )
            if camera != declared[modality]:
                raise PictureError(
                    f"frame {self._taken}: the {modality.value} picture is {camera}, that camera"
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


def _film_codec(codec: Codec | None, predictor: Codec | None, keyframe: int) -> FrameCodec:
    """What a film is written with."""
    import crossband
    from crossband import models
    from crossband.frame_codec import FrameCodec

    codec = codec or crossband.load()
    if predictor is None and keyframe > 1 and (name := models.of_films(codec.model.card)):
        predictor = crossband.load(name)
    return FrameCodec(codec, predictor if keyframe > 1 else None, keyframe=keyframe)
