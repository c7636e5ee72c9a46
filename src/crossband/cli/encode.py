# SPDX-License-Identifier: Apache-2.0
"""`crossband encode`: two pictures or films in, one file out."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from crossband.cli.bag import InfraredTopic, VisibleTopic, bag_topics, is_bag_input
from crossband.cli.film import EncodeFilm, FilmOptions, are_films, encode_film
from crossband.cli.kelvin import KelvinPerCount, MaxErrorKelvin, bound_note, check_kelvin
from crossband.cli.options import DropAlpha, Force, Jobs, Json
from crossband.cli.outcome import ExitCode, UsageError, complain, print_json
from crossband.cli.streams import (
    STANDARD,
    check_standard_output,
    picture_source,
    working,
    write_standard_output,
)

if TYPE_CHECKING:
    from crossband.codec import Codec
    from crossband.homography import Homography
    from crossband.pair import Pair

EXAMPLES = """
crossband encode visible.png infrared.png -o pair.xb
crossband encode visible.png infrared.tiff -q 80 -o pair.xb
crossband encode visible.png infrared.png --target-bpp 0.25 -o pair.xb
crossband encode visible.png infrared.png --target-bytes 20000 --order auto -o pair.xb
crossband encode --infrared-only infrared.tiff -o infrared.xb
crossband encode visible.png counts.tiff --lossless -q 60 -o pair.xb
crossband encode --infrared-only counts.tiff --max-error 4 -o infrared.xb
crossband encode --radiometric FLIR0042.jpg --max-error-kelvin 0.1 -o pair.xb
crossband encode visible.png infrared.png --register auto -o pair.xb
crossband encode visible.png infrared.png --register rig.json -o pair.xb
crossband encode visible.mp4 infrared.mkv -q 40 -o scene.xb
crossband encode visible_frames/ infrared_frames/ --rate 25 -o scene.xb
crossband encode recording.bag --visible-topic /rgb --infrared-topic /thermal -o scene.xb
crossband encode --radiometric FLIR0042.jpg -o pair.xb
crossband encode photo.jpg infrared.tiff --strip-metadata -o pair.xb
grab-frame | crossband encode - infrared.png -o - > pair.xb
"""

DEFAULT_QUALITY = 50.0
"""What is used when neither a quality nor a size is asked for."""


def encode(
    visible: Annotated[
        str | None,
        typer.Argument(metavar="VISIBLE", help="Visible picture; - for standard input."),
    ] = None,
    infrared: Annotated[
        str | None,
        typer.Argument(metavar="INFRARED", help="Infrared picture; - for standard input."),
    ] = None,
    *,
    output: Annotated[
        str,
        typer.Option("--output", "-o", metavar="FILE", help="File to write; - for stdout."),
    ],
    infrared_only: Annotated[
        str | None,
        typer.Option(metavar="INFRARED", help="Encode an infrared picture alone."),
    ] = None,
    radiometric: Annotated[
        str | None,
        typer.Option(
            metavar="JPEG",
            help="Encode the counts in a FLIR or DJI radiometric JPEG, and its visible picture.",
        ),
    ] = None,
    visible_only: Annotated[
        str | None,
        typer.Option(metavar="VISIBLE", help="Encode a visible picture alone."),
    ] = None,
    quality: Annotated[
        float | None,
        typer.Option(
            "--quality",
            "-q",
            metavar="0-100",
            help="Higher is better and larger, 100 is near-lossless.  [default: 50]",
        ),
    ] = None,
    target_bpp: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="Best quality at up to X bits per pixel: bits of the whole file over the pixels"
            " of the visible picture, or of the only one.",
        ),
    ] = None,
    target_bytes: Annotated[
        int | None,
        typer.Option(metavar="N", help="Best quality in a file of up to N bytes."),
    ] = None,
    lossless: Annotated[
        bool,
        typer.Option("--lossless", help="Infrared: every sample comes back as it is."),
    ] = False,
    max_error: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Infrared: no sample comes back more than N counts off. Quality is then that of"
            " the visible picture.",
        ),
    ] = None,
    max_error_kelvin: MaxErrorKelvin = None,
    kelvin_per_count: KelvinPerCount = None,
    order: Annotated[
        Literal["infrared-first", "visible-first", "auto"],
        typer.Option(
            metavar="ORDER",
            help="Picture coded first, on its own: infrared-first, visible-first, or auto (tries"
            " both, keeps the smaller).",
        ),
    ] = "infrared-first",
    effort: Annotated[
        int,
        typer.Option(
            "--effort",
            "-e",
            metavar="1-9",
            help="Higher tries more and takes longer; from 6 on, many times as long.",
        ),
    ] = 5,
    register: Annotated[
        str,
        typer.Option(
            metavar="auto|none|FILE",
            help="Where the infrared picture lies in the visible one: auto looks for it, none takes"
            " both to fill each other, FILE is JSON with a homography or a calibration.",
        ),
    ] = "none",
    match: Annotated[
        Literal["nearest", "strict"] | None,
        typer.Option(
            metavar="RULE",
            help="Films: nearest pairs each frame of the slower camera with the nearest one of the"
            " other in time, strict pairs frame n with frame n.  [default: nearest]",
        ),
    ] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(
            metavar="MS",
            help="Films: how far apart the two frames of a pair may be.  [default: half a frame of"
            " the slower camera]",
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(metavar="FPS", help="Folders of pictures: frames a second.  [default: 30]"),
    ] = None,
    keyframe: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Films: most frames from one key frame to the next; a change of scene makes one"
            " too.  [default: 32]",
        ),
    ] = None,
    film_model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Films: weights of the frames between key frames, or none.  [default: base-video"
            " where it is shipped]",
        ),
    ] = None,
    jobs: Jobs = None,
    visible_topic: VisibleTopic = None,
    infrared_topic: InfraredTopic = None,
    drop_alpha: DropAlpha = False,
    strip_metadata: Annotated[
        bool,
        typer.Option(
            "--strip-metadata",
            help="Leave EXIF, XMP, colour profile and TIFF tags out instead of carrying them.",
        ),
    ] = False,
    force: Force = False,
    model: Annotated[
        str, typer.Option(metavar="NAME", help="Weights: see `crossband models list`.")
    ] = "base",
    json: Json = False,
) -> ExitCode:
    """Encode a visible and an infrared picture, or two films, into one file.

    Takes PNG, JPEG, TIFF and WebP, told by content. Visible pictures are 8-bit RGB or gray,
    infrared ones have one channel of 8 to 16 bits, which is kept. Sizes may differ. Either camera
    may be missing. EXIF, XMP, colour profile and TIFF tags are carried along.

    Films are two film files, two folders of numbered pictures, or two topics of one ROS bag;
    Ctrl-C ends a film early and leaves a whole one of the frames so far.
    """
    topics = bag_topics(visible_topic, infrared_topic)
    others = (infrared, visible_only, infrared_only, radiometric)
    is_bag = is_bag_input(visible, others, topics)
    if is_bag:
        pass  # one name for both cameras
    elif radiometric is None:
        visible, infrared = _inputs(visible, infrared, visible_only, infrared_only)
    elif any(name is not None for name in (visible, infrared, visible_only, infrared_only)):
        raise UsageError(
            "--radiometric names a file that holds both pictures; give it alone, or leave it out"
        )
    _check_numbers(quality, target_bpp, target_bytes, effort)
    if lossless:
        if max_error is not None:
            raise UsageError("--lossless is --max-error 0; give one of them")
        max_error = 0
    check_kelvin(max_error_kelvin, kelvin_per_count, max_error)
    is_bounded = max_error is not None or max_error_kelvin is not None
    if is_bounded:
        _check_bound(max_error or 0, target_bpp, target_bytes, order)
    if output == STANDARD:
        check_standard_output(json=json)
    else:
        from crossband.sources import check_destination

        check_destination(output, force=force)
    options = FilmOptions(match, tolerance, rate, keyframe, film_model, jobs)
    options.check()
    if is_bag or are_films(visible, infrared):
        if target_bpp is not None or target_bytes is not None:
            raise UsageError("films are coded at one quality; give --quality, no target")
        if is_bounded:
            raise UsageError("films have no --lossless and no bound on errors; leave it out")
        return encode_film(
            EncodeFilm(
                visible,
                infrared,
                output,
                DEFAULT_QUALITY if quality is None else quality,
                order,
                effort,
                drop_alpha=drop_alpha,
                force=force,
                model=model,
                json=json,
                register=register,
                options=options,
                topics=topics if is_bag else None,
            )
        )
    if given := options.given():
        raise UsageError(f"{given[0]} is for films; two pictures are given: leave it out")

    import crossband
    from crossband.cli.facts import depth_notes, file_facts, file_lines, registration_of
    from crossband.cli.registering import registered
    from crossband.container import BoundedRecord, blobs_of
    from crossband.pair import Modality
    from crossband.sources import atomic_write, count_bound, read_pair, read_radiometric

    both = picture_source(radiometric)
    source = (
        read_pair(picture_source(visible), picture_source(infrared), drop_alpha=drop_alpha)
        if both is None
        else read_radiometric(both)
    )
    notes = list(source.notes)
    pair = source.pair.without_metadata() if strip_metadata else source.pair
    if is_bounded and source.pair.infrared is None:
        raise UsageError("--lossless and bounds on errors are for infrared, and there is none")
    if max_error_kelvin is not None and source.pair.infrared is not None:
        bound = count_bound(source.pair.infrared, max_error_kelvin, kelvin_per_count)
        max_error = bound.max_error
        notes.append(bound_note(bound, max_error_kelvin))
    notes += depth_notes(pair)
    for note in notes:
        complain(note)
    registration = None
    if register != "none":
        registration, reason = registered(pair, register)
        if reason:
            notes.append(f"not registered: {reason}")
            complain(notes[-1])
    blobs_of(pair)  # too much of it is refused before any work is done
    with working("loading weights"):
        codec = crossband.load(model)
    from crossband.refinement import MOST_PIXELS, ROUNDS

    pictures = [raster for each in Modality if (raster := pair.get(each)) is not None]
    if effort in ROUNDS and any(each.height * each.width > MOST_PIXELS for each in pictures):
        notes.append(
            f"pictures of more than {MOST_PIXELS / 1e6:.1f} Mpx are coded as with effort"
            f" {min(ROUNDS) - 1}: refining them takes too much memory"
        )
        complain(notes[-1])
    started = time.perf_counter()
    with working("encoding"):
        if target_bytes is not None:
            data = codec.encode_to_size(
                pair,
                size_bytes=target_bytes,
                order=order,
                effort=effort,
                registration=registration,
            )
        elif target_bpp is not None:
            data = _encode_to_rate(codec, pair, target_bpp, order, effort, registration)
        else:
            data = codec.encode(
                pair,
                quality=DEFAULT_QUALITY if quality is None else quality,
                order=order,
                effort=effort,
                max_error=max_error,
                registration=registration,
            )
    encode_s = time.perf_counter() - started
    header = crossband.info(data)
    if registration is not None and registration_of(header) is None:
        notes.append("the registration saves nothing here; the file has none")
        complain(notes[-1])
    if max_error and (infrared_record := header.get(Modality.INFRARED)):
        assert isinstance(infrared_record, BoundedRecord)
        if infrared_record.max_error == 0:
            notes.append(
                f"a bound of {max_error} allows no other sample: the infrared picture has one"
                f" value every {infrared_record.step} counts; it is coded lossless"
            )
            complain(notes[-1])

    if output == STANDARD:
        write_standard_output(data)
        return ExitCode.DONE
    atomic_write(output, data, force=force)
    if json:
        facts = file_facts(output, header)
        print_json({**facts, "encode_s": round(encode_s, 3), "notes": notes})
    else:
        print("\n".join(file_lines(output, header)))
    return ExitCode.DONE


def _encode_to_rate(
    codec: Codec,
    pair: Pair,
    target_bpp: float,
    order: Literal["infrared-first", "visible-first", "auto"],
    effort: int,
    registration: Homography | None,
) -> bytes:
    """The best file whose bits over the pixels of `pair.visible or pair.infrared` fit."""
    counted = pair.visible or pair.infrared
    assert counted is not None  # a pair holds at least one picture
    size_bytes = int(target_bpp * counted.height * counted.width / 8)
    return codec.encode_to_size(
        pair, size_bytes=size_bytes, order=order, effort=effort, registration=registration
    )


def _inputs(
    visible: str | None, infrared: str | None, visible_only: str | None, infrared_only: str | None
) -> tuple[str | None, str | None]:
    """Names of the visible and the infrared picture, of which one may be missing."""
    alone = [name for name in (visible_only, infrared_only) if name is not None]
    if alone:
        if len(alone) == 2 or visible is not None:
            raise UsageError(
                "more than one way to name the pictures; give VISIBLE INFRARED,"
                " or --visible-only VISIBLE, or --infrared-only INFRARED"
            )
        return visible_only, infrared_only
    if visible is None:
        raise UsageError(
            "no picture is named; give VISIBLE INFRARED, or --visible-only VISIBLE,"
            " or --infrared-only INFRARED (see crossband encode --help)"
        )
    if infrared is None:
        raise UsageError(
            f"only {visible} is named; give VISIBLE and INFRARED, or say which one it is:"
            f" --visible-only {visible} or --infrared-only {visible}"
        )
    if visible == infrared == STANDARD:
        raise UsageError("both pictures are -; one of them can come from standard input")
    return visible, infrared


def _check_bound(
    max_error: int, target_bpp: float | None, target_bytes: int | None, order: str
) -> None:
    if not 0 <= max_error <= 65_535:
        raise UsageError(
            f"--max-error is {max_error}; allowed are 0 (lossless) to 65535 counts: try"
            " --max-error 2"
        )
    if target_bpp is not None or target_bytes is not None:
        raise UsageError(
            "a size and a bound contradict each other; give the visible picture a --quality"
        )
    if order != "infrared-first":
        raise UsageError(
            f"--order is {order}; a bounded infrared picture is always first: leave it out"
        )


def _check_numbers(
    quality: float | None, target_bpp: float | None, target_bytes: int | None, effort: int
) -> None:
    given = [
        option
        for option, value in (
            ("--quality", quality),
            ("--target-bpp", target_bpp),
            ("--target-bytes", target_bytes),
        )
        if value is not None
    ]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} contradict each other; give one of them")
    if quality is not None and not 0 <= quality <= 100:
        raise UsageError(
            f"--quality is {quality:g}; allowed are 0 (smallest) to 100 (best): try -q 50"
        )
    if target_bpp is not None and not 0 < target_bpp <= 48:
        raise UsageError(
            f"--target-bpp is {target_bpp:g}; allowed is above 0, up to 48: try --target-bpp 0.25"
        )
    if target_bytes is not None and target_bytes < 1:
        raise UsageError(
            f"--target-bytes is {target_bytes}; allowed are 1 and more: try --target-bytes 20000"
        )
    if not 1 <= effort <= 9:
        raise UsageError(f"--effort is {effort}; allowed are 1 (fast) to 9 (small): try -e 5")
