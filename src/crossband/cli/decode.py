# SPDX-License-Identifier: Apache-2.0
"""`crossband decode`: one file in, its pictures or films out."""

from __future__ import annotations

import io
import time
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from crossband.cli.bag import InfraredTopic, VisibleTopic, bag_topics
from crossband.cli.film import DecodeFilm, decode_film
from crossband.cli.options import CodedWith, FilmCodedWith, Force, Jobs, Json
from crossband.cli.outcome import ExitCode, UsageError, complain, print_json
from crossband.cli.streams import (
    STANDARD,
    Coded,
    check_standard_output,
    working,
    write_standard_output,
)

if TYPE_CHECKING:
    from crossband.pair import Metadata
    from crossband.sources import Format

EXAMPLES = """
crossband decode pair.xb -o .                 writes pair.visible.png and pair.infrared.png
crossband decode pair.xb -o out --format tiff --force
crossband decode pair.xb -o out --only infrared
crossband decode pair.xb -o out --format tiff --visible-format jpeg
crossband decode pair.xb -o out --only infrared --format npy
crossband decode scene.xb -o out.mkv          writes out.visible.mkv and out.infrared.mkv
crossband decode scene.xb -o scene.bag --visible-topic /rgb --infrared-topic /thermal
crossband decode scene.xb -o . --codec png --frames 100:164 --skip-damaged
fetch pair.xb | crossband decode - -o - --only visible > visible.png
"""


def decode(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="Crossband file; - for standard input.")
    ],
    *,
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            help="Folder for the pictures, which must exist; - writes one picture to stdout; a"
            " film also takes a name that ends in .mkv or .mp4, or in .bag or .mcap for ROS.",
        ),
    ],
    only: Annotated[
        Literal["visible", "infrared"] | None,
        typer.Option(metavar="PICTURE", help="Decode only this one: visible or infrared."),
    ] = None,
    format: Annotated[
        Literal["png", "tiff", "webp", "npy"],
        typer.Option(
            metavar="FORMAT",
            help="png, tiff, webp or npy (NumPy); all lossless, webp holds 8 bits only.",
        ),
    ] = "png",
    visible_format: Annotated[
        Literal["png", "tiff", "webp", "npy", "jpeg"] | None,
        typer.Option(
            metavar="FORMAT",
            help="Another one for the visible picture; also jpeg, which is not lossless.",
        ),
    ] = None,
    frames: Annotated[
        str | None,
        typer.Option(metavar="A:B", help="Films: frames A up to, not including, B; from 0."),
    ] = None,
    skip_damaged: Annotated[
        bool,
        typer.Option("--skip-damaged", help="Films: leave damaged frames out and name them."),
    ] = False,
    codec: Annotated[
        Literal["ffv1", "x264", "png"] | None,
        typer.Option(
            metavar="CODEC",
            help="Films: ffv1 (.mkv), x264 (.mkv, .mp4) or png (a folder for each camera); all"
            " lossless.  [default: png into a folder, else by the name's ending]",
        ),
    ] = None,
    jobs: Jobs = None,
    visible_topic: VisibleTopic = None,
    infrared_topic: InfraredTopic = None,
    model: CodedWith = None,
    film_model: FilmCodedWith = None,
    force: Force = False,
    json: Json = False,
) -> ExitCode:
    """Decode a file into DIR/NAME.visible.png and DIR/NAME.infrared.png.

    NAME is the file's name without its ending, or `stdin`. Each picture comes back at its own
    size, number of channels and bit depth. Its metadata is in it; what the format cannot hold
    becomes a file beside it, such as DIR/NAME.visible.exif.

    A film becomes one film file or folder of numbered pictures for each camera, or one bag of
    ROS with the topics /visible/image_raw and /infrared/image_raw.
    """
    if output == STANDARD:
        check_standard_output(json=json)
    from crossband.pair import Modality

    coded = Coded(file)
    if coded.is_film:
        request = DecodeFilm(
            output,
            None if only is None else Modality(only),
            frames,
            skip_damaged,
            codec,
            model,
            film_model,
            force,
            json,
            bag_topics(visible_topic, infrared_topic),
            jobs,
        )
        with coded:
            return decode_film(coded, request)

    import crossband
    from crossband.cli.weights import Codecs
    from crossband.errors import OutputError
    from crossband.sources import atomic_write, check_destination, left_over, write

    data = coded.read()
    formats: dict[Modality, Format] = {
        Modality.VISIBLE: visible_format or format,
        Modality.INFRARED: format,
    }
    film_options = (frames, codec, film_model, jobs, visible_topic, infrared_topic)
    if skip_damaged or any(option is not None for option in film_options):
        raise UsageError(
            "--frames, --skip-damaged, --codec, --film-model, --jobs and topics are for films; this"
            " is a pair"
        )
    wanted = None if only is None else Modality(only)
    held = [record.modality for record in crossband.info(data).records]
    if output == STANDARD and wanted is None and len(held) > 1:
        raise UsageError(
            "the file holds two pictures and standard output takes one;"
            " add --only visible or --only infrared"
        )
    stem = "stdin" if file == STANDARD else Path(file).stem
    paths = {
        modality: Path(output) / f"{stem}.{modality.value}.{formats[modality]}"
        for modality in held
        if wanted in (None, modality)
    }
    if output != STANDARD:
        if Path(output).is_file():
            raise OutputError(f"{output}: is a file; -o takes the folder for the pictures")
        for path in paths.values():
            check_destination(path, force=force)

    started = time.perf_counter()
    with working("loading weights"):
        loaded_codec = Codecs().of(data, model)
    loaded = time.perf_counter()
    with working("decoding"):
        pair = loaded_codec.decode(data, only=wanted)
    decoded = time.perf_counter()

    # All pictures become files' bytes before the first file is written.
    pictures: dict[Modality, bytes] = {}
    sidecars: dict[Modality, dict[Path, bytes]] = {}
    for modality in Modality:
        if (raster := pair.get(modality)) is not None:
            buffer = io.BytesIO()
            write(raster, buffer, format=formats[modality])
            pictures[modality] = buffer.getvalue()
            sidecars[modality] = _sidecars(
                left_over(raster, format=formats[modality]), paths[modality].with_suffix("")
            )
    if output == STANDARD:
        ((modality, picture),) = pictures.items()
        write_standard_output(picture)
        for path in sidecars[modality]:
            complain(
                f"the {path.suffix[1:]} metadata does not fit into {formats[modality]} whole and"
                " standard output takes one picture; decode into a folder to have it beside the"
                " picture"
            )
        return ExitCode.DONE
    outputs: dict[Path, bytes] = {}
    for modality, picture in pictures.items():
        outputs |= {paths[modality]: picture, **sidecars[modality]}
    for path in outputs:
        check_destination(path, force=force)
    written: list[Path] = []
    try:
        for path, content in outputs.items():
            existed = path.exists()
            atomic_write(path, content, force=force)
            if not existed:
                written.append(path)
    except BaseException:  # Ctrl-C too: all files or none
        for path in written:
            path.unlink(missing_ok=True)
        raise
    for modality, files in sidecars.items():
        for path in files:
            complain(
                f"{paths[modality]}: {formats[modality]} cannot hold its {path.suffix[1:]} metadata"
                " whole;"
                f" it is in {path}"
            )

    if json:
        print_json(
            {
                "file": None if file == STANDARD else file,
                "pictures": {
                    modality.value: {
                        "file": str(paths[modality]),
                        "width": raster.width,
                        "height": raster.height,
                        "channels": raster.channels,
                        "bit_depth": raster.bit_depth,
                        "sidecars": [str(path) for path in sidecars[modality]],
                    }
                    for modality in pictures
                    if (raster := pair.get(modality)) is not None
                },
                "load_s": round(loaded - started, 3),
                "decode_s": round(decoded - loaded, 3),
            }
        )
    else:
        for modality in pictures:
            print(paths[modality])
    return ExitCode.DONE


def _sidecars(metadata: Metadata, stem: Path) -> dict[Path, bytes]:
    """Metadata as files of its own: STEM.exif (an EXIF block), STEM.xmp and so on."""
    return {
        stem.with_name(f"{stem.name}.{each.name}"): data
        for each in fields(metadata)
        if (data := getattr(metadata, each.name))
    }
