# SPDX-License-Identifier: Apache-2.0
"""What `encode`, `decode`, `info` and `verify` do when they meet a film."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from crossband.cli.film_facts import FilmTally
from crossband.cli.outcome import ExitCode, Interrupted, UsageError, complain, print_json
from crossband.cli.streams import STANDARD, Coded, shown_name, working
from crossband.errors import CorruptStream, CrossbandError, MissingPicture, OutputError, SourceError
from crossband.pair import Frame, Modality

if TYPE_CHECKING:
    from crossband.cli.weights import Codecs
    from crossband.codec import Codec
    from crossband.container import Damage, FilmHeader, StoredFrame
    from crossband.homography import Homography
    from crossband.sources import FilmFormat, MatchReport, Recording, Rule, Sink


@dataclass(frozen=True, slots=True)
class FilmOptions:
    """Options of `encode` that only films have; None where not given."""

    match: Rule | None = None
    tolerance_ms: float | None = None
    frames_per_second: float | None = None
    keyframe: int | None = None
    film_model: str | None = None
    jobs: int | None = None

    def given(self) -> list[str]:
        """The options that were given, as the command line has them."""
        named = {
            "--match": self.match,
            "--tolerance": self.tolerance_ms,
            "--rate": self.frames_per_second,
            "--keyframe": self.keyframe,
            "--film-model": self.film_model,
            "--jobs": self.jobs,
        }
        return [option for option, value in named.items() if value is not None]

    def check(self) -> None:
        """Whether the numbers are in their ranges.

        Raises:
            UsageError: one is not.
        """
        if self.tolerance_ms is not None and not 0 < self.tolerance_ms <= 1e9:
            raise UsageError(
                f"--tolerance is {self.tolerance_ms:g}; allowed is above 0 ms: try --tolerance 20"
            )
        if self.frames_per_second is not None and not 0.001 <= self.frames_per_second <= 1e6:
            raise UsageError(
                f"--rate is {self.frames_per_second:g}; allowed are 0.001 to 1,000,000 frames a"
                " second: try --rate 30"
            )
        if self.keyframe is not None and self.keyframe < 1:
            raise UsageError(
                f"--keyframe is {self.keyframe}; allowed are 1 (every frame is a key frame) and"
                " more: try --keyframe 32"
            )

    @property
    def most_between(self) -> int:
        """Frames from one key frame to the next."""
        from crossband.film_writer import KEYFRAME

        return 1 if self.film_model == "none" else self.keyframe or KEYFRAME

    @property
    def weights(self) -> str | None:
        """Those named for the frames between key frames; None: what `Writer` chooses."""
        return None if self.film_model == "none" else self.film_model


@dataclass(frozen=True, slots=True)
class EncodeFilm:
    """All that `encode` was asked for."""

    visible: str | None
    infrared: str | None
    output: str
    quality: float
    order: Literal["infrared-first", "visible-first", "auto"]
    effort: int
    drop_alpha: bool
    force: bool
    model: str
    json: bool
    register: str
    options: FilmOptions
    topics: Mapping[Modality, str] | None = None
    """Of the bag that `visible` is; None: it is none."""


def are_films(visible: str | None, infrared: str | None) -> bool:
    """Whether the inputs are film files or folders, not pictures.

    Raises:
        SourceError: one is and the other is not.
    """
    from crossband.sources import is_film_file

    kinds = {
        name: name != STANDARD and (Path(name).is_dir() or is_film_file(name))
        for name in (visible, infrared)
        if name is not None
    }
    if len(set(kinds.values())) == 2:
        film, still = sorted(kinds, key=lambda name: not kinds[name])
        raise SourceError(
            f"{film} is a film or folder and {still} is not; give two films, two folders of"
            " numbered pictures, or two pictures"
        )
    return any(kinds.values())


def encode_film(request: EncodeFilm) -> ExitCode:
    """Two recordings in, one film out; Ctrl-C leaves a whole film of the frames so far."""
    import crossband
    from crossband.film_writer import Writer

    recordings = _recordings(request)
    for recording in recordings:
        for note in recording.notes:
            complain(note)
    registration = _registration(recordings, request.register)
    report, frames = _matched(recordings, request.options)
    with working("loading weights"):
        codec = crossband.load(request.model)
        name = request.options.weights
        predictor = None if name is None else crossband.load(name)
    target: str | BinaryIO = request.output
    if request.output == STANDARD:
        sys.stdout.flush()
        target = sys.stdout.buffer
    started = time.perf_counter()
    notes: list[str] = []
    total = min(recording.frame_count or 0 for recording in recordings)
    writer = Writer(
        target,
        quality=request.quality,
        order=request.order,
        effort=request.effort,
        cameras=tuple(recording.camera for recording in recordings),
        codec=codec,
        predictor=predictor,
        keyframe=request.options.most_between,
        registration=registration,
        jobs=_jobs(request.options.jobs),
        force=request.force,
    )
    try:
        with writer, _until_interrupt() as was_interrupted, _progress("encoding", total) as advance:
            for frame in frames:
                shown = (frame.pair.visible, frame.pair.infrared)
                if not notes and any(each and each.metadata for each in shown):
                    notes.append("the pictures' metadata is left out: films carry none")
                    complain(notes[0])
                writer.write(
                    frame.pair,
                    timestamp_us=frame.timestamp_us,
                    visible_offset_ns=frame.visible_offset_ns,
                    infrared_offset_ns=frame.infrared_offset_ns,
                )
                advance(writer.frames)
                if was_interrupted():
                    break
            for done in writer.flush():
                advance(done)
                if was_interrupted():
                    writer.stop()
    except OutputError:
        raise
    except CrossbandError as error:
        if not writer.frames or request.output == STANDARD:
            raise
        raise type(error)(
            f"{error}; {request.output} is a whole film of the {writer.frames} frames before it"
        ) from error
    encode_s = time.perf_counter() - started
    told = [] if report is None else report.lines()
    for line in told:
        complain(line)
    if was_interrupted():
        raise Interrupted(
            f"interrupted; {shown_name(request.output)} is a whole film of the"
            f" {writer.frames} frames so far"
        )
    if request.output == STANDARD:
        return ExitCode.DONE
    with Coded(request.output) as coded:
        tally = FilmTally.of(coded)
    if request.json:
        facts = tally.facts(request.output)
        print_json({**facts, "encode_s": round(encode_s, 3), "notes": notes + told})
    else:
        print("\n".join(tally.lines(request.output)))
    return ExitCode.DONE


def _jobs(wanted: int | None) -> int:
    """As asked, else one a core, up to four: each takes some hundred megabytes."""
    import torch

    return min(torch.get_num_threads(), 4) if wanted is None else wanted


def _registration(
    recordings: list[Recording], register: str
) -> Homography | Literal["auto"] | None:
    """Where the infrared picture lies in the visible one, in all frames."""
    if register == "none":
        return None
    cameras = {recording.camera.modality: recording.camera for recording in recordings}
    if len(cameras) < 2:
        raise UsageError("--register is for two films; one is given: leave it out")
    if register == "auto":
        return "auto"
    from crossband.homography import Size
    from crossband.registration import read_homography

    infrared, visible = (
        Size(cameras[each].height, cameras[each].width)
        for each in (Modality.INFRARED, Modality.VISIBLE)
    )
    return read_homography(register, infrared=infrared, visible=visible)


@dataclass(frozen=True, slots=True)
class DecodeFilm:
    """All that `decode` was asked for."""

    output: str
    only: Modality | None
    frames: str | None
    skip_damaged: bool
    codec: FilmFormat | None
    model: str | None
    film_model: str | None
    force: bool
    json: bool
    topics: Mapping[Modality, str] = field(default_factory=dict)
    """In a bag; empty: the default ones."""
    jobs: int | None = None

    @property
    def is_bag(self) -> bool:
        """Whether the output is one bag for both cameras."""
        from crossband.sources import BAG_ENDINGS

        path = Path(self.output)
        return path.suffix.lower() in BAG_ENDINGS and not path.is_dir()

    def topic(self, modality: Modality) -> str:
        """That of a camera in a bag."""
        from crossband.sources import DEFAULT_TOPICS

        return self.topics.get(modality, DEFAULT_TOPICS[modality])


def decode_film(coded: Coded, request: DecodeFilm) -> ExitCode:
    """A film to one file or folder for each camera, all or none.

    Damaged frames end it, or with `skip_damaged` are named and left out (exit code 1). A film that
    broke off is decoded up to there (exit code 1).
    """
    if request.output == STANDARD:
        raise UsageError(
            "a film cannot go to standard output; give -o a folder, or a name such as out.mkv"
        )
    from crossband.container import FilmReader
    from crossband.film import FrameDecoder, open_film

    damages: list[Damage] = []
    events: Iterator[StoredFrame | Damage]
    span = _span(request.frames)
    if coded.can_seek:
        film = open_film(coded.stream())
        header, count = film.header, len(film) + len(film.damages)
        reaches_end = span is None or span.stop is None or span.stop > count
        ending = film.ending if reaches_end else None
        # A film without an index was read through for its frames; what was lost is known.
        damages += [each for each in film.damages if each.number is None or _holds(span, each)]
        if span is not None and span.start >= count:
            raise UsageError(f"--frames starts at {span.start}; the film has the frames 0:{count}")
        part = film.numbered(span)
        events, total = part.stored(), len(part)
        wanted: Container[int] | None = part.numbers
        reader = None
    else:
        reader = FilmReader(coded.stream())
        header, total, ending = reader.header, 0, None
        events = _cut(reader, span)
        wanted = None if span is None else range(span.start, span.stop or sys.maxsize)
    for damage in damages:
        if damage.number is not None and not request.skip_damaged:
            raise CorruptStream(damage.message)
        complain(damage.message)
    codec, predictor = _codecs(header, request.model, request.film_model)
    decoder = FrameDecoder(header, only=request.only, codec=codec, predictor=predictor)

    def on_damage(damage: Damage) -> None:
        damages.append(damage)
        complain(f"{damage.message}; skipped")

    counts = dict.fromkeys(Modality, 0)
    paths = _paths(coded.name, header, request)
    started = time.perf_counter()
    with ExitStack() as undo:
        sinks = _sinks(header, paths, request, undo)
        frames = decoder.frames(
            events,
            on_damage=on_damage if request.skip_damaged else None,
            wanted=wanted,
            jobs=_jobs(request.jobs),
        )
        with _progress("decoding", total) as advance:
            for done, (number, frame) in enumerate(frames, 1):
                for modality, sink in sinks.items():
                    if (raster := frame.pair.get(modality)) is not None:
                        stamp_us, rest_ns = divmod(frame.stamp_ns(modality), 1000)
                        sink.write(raster, number=number, timestamp_us=stamp_us, rest_ns=rest_ns)
                        counts[modality] += 1
                advance(done)
        if not any(counts.values()):
            raise MissingPicture(
                f"{shown_name(coded.name)}: none of its frames could be decoded; nothing was"
                " written"
            )
        for modality, sink in sinks.items():
            if counts[modality]:
                sink.close()
            else:
                sink.discard()
        undo.pop_all()
    if reader is not None and (span is None or span.stop is None or reader.frames < span.stop):
        ending = reader.ending
    if ending:
        complain(f"{shown_name(coded.name)}: {ending}")
    if request.json:
        print_json(
            {
                "file": None if coded.name == STANDARD else coded.name,
                "pictures": {
                    modality.value: {"file": str(paths[modality]), "frames": counts[modality]}
                    for modality in sinks
                    if counts[modality]
                },
                "damaged": [damage.message for damage in damages],
                "complete": ending is None,
                "decode_s": round(time.perf_counter() - started, 3),
            }
        )
    else:
        for modality in sinks:
            if counts[modality]:
                where = f" of {request.topic(modality)}" if request.is_bag else ""
                print(f"{paths[modality]}: {counts[modality]:,} frames{where}")
    return ExitCode.SOME_FAILED if damages or ending else ExitCode.DONE


def info_film(coded: Coded, *, json: bool) -> ExitCode:
    """Cameras, rate and a table of the frames; every checksum is verified on the way."""
    name = shown_name(coded.name)
    tally = FilmTally.of(coded)
    if json:
        print_json(tally.facts(None if coded.name == STANDARD else name, table=True))
    else:
        print("\n".join([*tally.lines(name), *tally.plot(), *tally.table()]))
    return ExitCode.DONE


def verify_film(
    coded: Coded, codecs: Codecs, model: str | None, film_model: str | None
) -> str | None:
    """Decodes every frame; gives what is wrong in one line, or None."""
    from crossband.container import FilmReader
    from crossband.film import FrameDecoder

    reader = FilmReader(coded.stream())
    codec, predictor = _codecs(reader.header, model, film_model, codecs)
    decoder = FrameDecoder(reader.header, codec=codec, predictor=predictor)
    damages: list[Damage] = []
    for _ in decoder.frames(iter(reader), on_damage=damages.append, jobs=_jobs(None)):
        pass
    wrong = [damage.message for damage in damages[:3]]
    if len(damages) > 3:
        wrong.append(f"and {len(damages) - 3} more")
    if reader.ending:
        wrong.append(reader.ending)
    return "; ".join(wrong) or None


def _recordings(request: EncodeFilm) -> list[Recording]:
    """What there is to code: visible, infrared, or both in this order."""
    from crossband.sources import read_bag, read_folder, read_video

    if request.topics is not None and request.visible is not None:
        if request.options.frames_per_second is not None:
            raise UsageError("--rate is for folders of pictures; a bag has stamps: leave it out")
        tolerance_us = 1000 * (request.options.tolerance_ms or 0)
        return list(
            read_bag(
                request.visible,
                request.topics,
                tolerance_us=tolerance_us,
                drop_alpha=request.drop_alpha,
            )
        )
    found: list[Recording] = []
    given = [(request.visible, Modality.VISIBLE), (request.infrared, Modality.INFRARED)]
    rate = request.options.frames_per_second
    for name, modality in given:
        if name is None:
            continue
        if Path(name).is_dir():
            found.append(
                read_folder(
                    name,
                    modality,
                    frames_per_second=rate or 30,
                    drop_alpha=request.drop_alpha,
                )
            )
        elif rate is not None:
            raise UsageError(
                f"--rate is for folders of pictures; {name} has times of its own: leave it out"
            )
        else:
            found.append(read_video(name, modality, drop_alpha=request.drop_alpha))
    return found


def _matched(
    recordings: list[Recording], options: FilmOptions
) -> tuple[MatchReport | None, Iterator[Frame]]:
    from crossband.sources import alone, match

    if len(recordings) == 1:
        if options.match is not None or options.tolerance_ms is not None:
            raise UsageError("--match and --tolerance are for two recordings; one is given")
        return None, alone(recordings[0])
    visible, infrared = recordings
    return match(
        visible,
        infrared,
        rule=options.match or "nearest",
        tolerance_us=1000 * (options.tolerance_ms or 0),
    )


def _span(frames: str | None) -> slice | None:
    """The slice of `--frames A:B`; B is not part of it, and either may be left out."""
    if frames is None:
        return None
    start, colon, stop = frames.partition(":")
    ends = [start.strip(), stop.strip()]
    if not colon or not all(end == "" or end.isdecimal() for end in ends):
        raise UsageError(
            f"--frames is '{frames}'; A:B is allowed, from frame A (the first one is 0) up to, not"
            " including, frame B: try --frames 100:164"
        )
    span = slice(int(ends[0] or 0), int(ends[1]) if ends[1] else None)
    if span.stop is not None and span.stop <= span.start:
        raise UsageError(f"--frames is '{frames}', which holds no frame; B must be above A")
    return span


def _holds(span: slice | None, event: StoredFrame | Damage) -> bool:
    number = event.number or 0
    return span is None or (span.start <= number and (span.stop is None or number < span.stop))


def _cut(events: Any, span: slice | None) -> Iterator[StoredFrame | Damage]:
    """A film that comes through a pipe, up to the end of a slice: its first may rest on any."""
    for event in events:
        yield event
        if span is not None and span.stop is not None and (event.number or 0) + 1 >= span.stop:
            return


def _codecs(
    header: FilmHeader, model: str | None, film_model: str | None, codecs: Codecs | None = None
) -> tuple[Codec, Codec | None]:
    """Those of key frames and of the frames between; without the film's own, the default ones."""
    from crossband import models
    from crossband.cli.facts import weights_name
    from crossband.cli.weights import Codecs as Loaded

    codecs = codecs or Loaded()
    with working("loading weights"):
        key = codecs.by_name(model or weights_name(header.weights_id) or "base")
        if not header.predictor_id:
            return key, None
        if film_model is None:
            film_model = models.find(header.predictor_id, option="--film-model").name
        return key, codecs.by_name(film_model)


def _paths(name: str, header: FilmHeader, request: DecodeFilm) -> dict[Modality, Path]:
    """Where each camera's pictures go."""
    output = Path(request.output)
    ending = output.suffix.lower()
    wanted = [c.modality for c in header.cameras if request.only in (None, c.modality)]
    if not wanted and request.only is not None:
        raise MissingPicture(f"{shown_name(name)}: the film has no {request.only.value} pictures")
    if request.is_bag:
        if request.codec is not None:
            raise UsageError(f"--codec is for films and folders; {output} is a bag: leave it out")
        return dict.fromkeys(wanted, output)
    if request.topics:
        raise UsageError(
            f"--visible-topic and --infrared-topic are for bags; {output} is none: give a name that"
            " ends in .bag or .mcap"
        )
    if ending in (".mkv", ".mp4") and not output.is_dir():
        if request.codec == "png":
            raise UsageError(f"--codec png writes folders of pictures; {output} is a film's name")
        if len(wanted) == 1 and request.only is not None:
            return {wanted[0]: output}
        return {m: output.with_name(f"{output.stem}.{m.value}{output.suffix}") for m in wanted}
    if not output.is_dir():
        raise OutputError(
            f"{output}: is no folder that exists; -o takes one, or a name that ends in .mkv, .mp4,"
            f" .bag or .mcap: create it (mkdir -p {output})"
        )
    stem = "stdin" if name == STANDARD else Path(name).stem
    suffix = {"png": "", None: ""}.get(request.codec, ".mkv")
    return {m: output / f"{stem}.{m.value}{suffix}" for m in wanted}


def _sinks(
    header: FilmHeader, paths: dict[Modality, Path], request: DecodeFilm, undo: ExitStack
) -> dict[Modality, Sink]:
    """One for each camera; on any failure none leaves anything behind."""
    from crossband.sources import open_bag, open_sink

    if request.is_bag:
        cameras = [camera for camera in header.cameras if camera.modality in paths]
        topics = {modality: request.topic(modality) for modality in paths}
        opened = open_bag(request.output, cameras, topics=topics, force=request.force)
        for sink in opened.values():
            undo.callback(sink.discard)
        return opened
    sinks: dict[Modality, Sink] = {}
    by_ending: dict[str, FilmFormat] = {".mkv": "ffv1", ".mp4": "x264"}
    for modality, path in paths.items():
        chosen = request.codec or by_ending.get(path.suffix.lower(), "png")
        camera = header.get(modality)
        assert camera is not None  # paths are those of the film's cameras
        sinks[modality] = open_sink(path, camera, format=chosen, force=request.force)
        undo.callback(sinks[modality].discard)
    return sinks


@contextmanager
def _until_interrupt() -> Iterator[Callable[[], bool]]:
    """Makes the first Ctrl-C a question that the loop asks; the second one ends it at once."""
    seen: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: bool(seen)
        return
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:  # somebody else listens, or it is ignored
        yield lambda: bool(seen)
        return

    def note(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(seen)
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Shows frames, frames a second and time left on a terminal's standard error."""
    if not sys.stderr.isatty():
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f}" + (f"/{total:,}" if total else "")),
        TextColumn("{task.fields[rate]:.2f} frames/s"),
        TimeRemainingColumn(),
    )
    started = time.perf_counter()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total or None, rate=0.0)

        def advance(done: int) -> None:
            bar.update(task, completed=done, rate=done / (time.perf_counter() - started))

        yield advance
