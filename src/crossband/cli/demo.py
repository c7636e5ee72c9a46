# SPDX-License-Identifier: Apache-2.0
"""`crossband demo`: one pair there and back, beside what other codecs make of it."""

from __future__ import annotations

import io
import json as json_format
import math
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossband.cli.options import DropAlpha, Json
from crossband.cli.outcome import ExitCode, UsageError, complain, print_json
from crossband.cli.streams import STANDARD, working
from crossband.errors import CrossbandError, OutputError
from crossband.pair import Modality

if TYPE_CHECKING:
    from crossband.cli.rivals import RivalPicture
    from crossband.pair import Pair, Raster

EXAMPLES = """
crossband demo
crossband demo visible.png infrared.png -o /tmp/look -q 30
"""

STEM = "crossband-demo"
"""Every file of the demo starts so; such files are replaced without asking."""


@dataclass(frozen=True, slots=True)
class _Result:
    """A row of the table: what a codec made of both pictures."""

    codec: str
    settings: str
    sizes_bytes: dict[str, int | None]
    """By modality; None where the codec cannot hold the picture."""
    psnrs_db: dict[str, float | None]
    """By modality; None where there is no picture, infinite where it came back unchanged."""
    reached: dict[str, bool]
    """By modality: whether its PSNR is at least crossband's."""
    total_bytes: int | None
    """Both pictures, all headers included."""
    encode_s: float
    decode_s: float


def demo(
    visible: Annotated[
        str | None,
        typer.Argument(metavar="VISIBLE", help="Your own visible picture."),
    ] = None,
    infrared: Annotated[
        str | None,
        typer.Argument(metavar="INFRARED", help="Your own infrared picture."),
    ] = None,
    *,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="DIR", help="Folder for what it writes.")
    ] = "crossband-demo",
    quality: Annotated[
        float, typer.Option("--quality", "-q", metavar="0-100", help="Crossband's quality.")
    ] = 50,
    drop_alpha: DropAlpha = False,
    json: Json = False,
) -> ExitCode:
    """Encode a pair, decode it in a fresh process, and compare with JPEG, WebP and AVIF.

    Without pictures it renders a road scene of 640x512. The other codecs code each picture at the
    lowest of their qualities whose PSNR is at least crossband's. Writes crossband-demo.png
    (original, decoded and error side by side), the coded file and all pictures into DIR; older
    files of those names are replaced.
    """
    if (visible is None) != (infrared is None):
        raise UsageError(f"only {visible} is named; give VISIBLE and INFRARED, or neither")
    if STANDARD in (visible, infrared, output):
        raise UsageError("the demo reads and writes files only; - is not taken")
    if not 0 <= quality <= 100:
        raise UsageError(
            f"--quality is {quality:g}; allowed are 0 (smallest) to 100 (best): try -q 50"
        )
    import crossband

    pair = _the_pair(visible, infrared, drop_alpha=drop_alpha)
    folder = Path(output)
    _check_folder(folder)

    with working("loading weights"):
        codec = crossband.load("base")
    with working("encoding with crossband"):
        started = time.perf_counter()
        data = codec.encode(pair, quality=quality)
        encode_s = time.perf_counter() - started
    from crossband.sources import atomic_write

    folder.mkdir(exist_ok=True)
    coded_file = folder / f"{STEM}.xb"
    atomic_write(coded_file, data, force=True)
    _write_originals(pair, folder)
    with working("decoding in a fresh process"):
        started = time.perf_counter()
        decoded, decode_s = _decode_afresh(coded_file, folder)
        process_s = time.perf_counter() - started

    ours = _our_result(pair, decoded, data, quality, encode_s, decode_s)
    results = [ours, *_rival_results(pair, ours)]
    sheet_file = folder / f"{STEM}.png"
    _write_sheet(pair, decoded, ours, sheet_file)

    if json:
        print_json(
            {
                "results": [_json_result(result) for result in results],
                "decode_process_s": round(process_s, 3),
                "picture": str(sheet_file),
                "coded_file": str(coded_file),
            }
        )
    else:
        _print_table(pair, results)
        print(f"\ncrossband decoded in a fresh process: {process_s:.1f} s with Python's start and")
        print(
            "loading the weights. The other codecs' qualities: the lowest at which each picture's"
        )
        print("PSNR is at least crossband's; (max) where a codec cannot reach it.")
        print(f"\nOriginal, decoded and error side by side: {sheet_file}")
    return ExitCode.DONE


def _the_pair(visible: str | None, infrared: str | None, *, drop_alpha: bool) -> Pair:
    if visible is None or infrared is None:
        from crossband.testing import synthetic_pair

        return synthetic_pair(visible=(512, 640), infrared=(512, 640))
    from crossband.sources import read_pair

    source = read_pair(Path(visible), Path(infrared), drop_alpha=drop_alpha)
    for note in source.notes:
        complain(note)
    return source.pair.without_metadata()  # the sizes that it compares are those of pictures


def _check_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is a file; -o takes a folder: give another name")
    if not folder.parent.is_dir():
        raise OutputError(
            f"{folder}: the folder {folder.parent} does not exist; create it (mkdir -p"
            f" {folder.parent}) or give another name"
        )


def _write_originals(pair: Pair, folder: Path) -> None:
    from crossband.sources import write

    for modality, raster in _pictures(pair):
        write(raster, folder / f"{STEM}.original.{modality.value}.png", force=True)


def _pictures(pair: Pair) -> list[tuple[Modality, Raster]]:
    return [
        (modality, raster) for modality in Modality if (raster := pair.get(modality)) is not None
    ]


def _decode_afresh(coded_file: Path, folder: Path) -> tuple[Pair, float]:
    """What another process decodes from the file, and the seconds its decode alone took."""
    import crossband
    from crossband.sources import read_pair

    # this package, even where it is not installed but only on this process's path
    package = str(Path(crossband.__file__).parents[1])
    paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    process = subprocess.run(
        (
            sys.executable,
            "-m",
            "crossband",
            "decode",
            coded_file,
            "-o",
            folder,
            "--force",
            "--json",
        ),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )
    if process.returncode != 0:
        lines = process.stderr.strip().splitlines() or [f"exit code {process.returncode}"]
        raise CrossbandError(f"decoding in a fresh process failed: {lines[-1]}")
    answer = json_format.loads(process.stdout)
    files = {name: Path(picture["file"]) for name, picture in answer["pictures"].items()}
    source = read_pair(files.get("visible"), files.get("infrared"))
    return source.pair, float(answer["decode_s"])


def _our_result(
    pair: Pair, decoded: Pair, data: bytes, quality: float, encode_s: float, decode_s: float
) -> _Result:
    import crossband
    from crossband.bench.metrics import psnr

    header = crossband.info(data)
    psnrs: dict[str, float | None] = {}
    for modality, raster in _pictures(pair):
        back = decoded.get(modality)
        assert back is not None  # the decoder gives what the header lists
        psnrs[modality.value] = psnr(raster, back)
    return _Result(
        codec="crossband",
        settings=f"quality {quality:g}",
        sizes_bytes={name: header.picture_bytes(Modality(name)) for name in psnrs},
        psnrs_db=psnrs,
        reached=dict.fromkeys(psnrs, True),
        total_bytes=len(data),
        encode_s=encode_s,
        decode_s=decode_s,
    )


def _rival_results(pair: Pair, ours: _Result) -> list[_Result]:
    from crossband.cli.rivals import RIVALS, at_least, is_available

    results = []
    for rival in RIVALS:
        if not is_available(rival):
            complain(f"this Pillow has no {rival.name}; pip install --upgrade pillow brings it")
            continue
        with working(f"looking for {rival.name}'s quality"):
            made: dict[str, RivalPicture | None] = {}
            for modality, raster in _pictures(pair):
                target = ours.psnrs_db[modality.value]
                assert target is not None
                # these codecs hold 8 bits a sample only
                fits = raster.bit_depth <= 8
                made[modality.value] = at_least(rival, raster, target) if fits else None
        there = [one for one in made.values() if one is not None]
        qualities = " / ".join("n/a" if one is None else str(one.quality) for one in made.values())
        results.append(
            _Result(
                codec=rival.name,
                settings=f"quality {qualities}: {rival.settings}",
                sizes_bytes={name: one.size_bytes if one else None for name, one in made.items()},
                psnrs_db={name: one.psnr_db if one else None for name, one in made.items()},
                reached={name: one is not None and one.reached for name, one in made.items()},
                total_bytes=(
                    sum(one.size_bytes for one in there) if len(there) == len(made) else None
                ),
                encode_s=sum(one.encode_s for one in there),
                decode_s=sum(one.decode_s for one in there),
            )
        )
    return results


def _write_sheet(pair: Pair, decoded: Pair, ours: _Result, path: Path) -> None:
    from crossband.cli.sheet import SheetRow, draw_sheet
    from crossband.sources import atomic_write

    rows = []
    for modality, raster in _pictures(pair):
        back = decoded.get(modality)
        assert back is not None
        caption = (
            f"{ours.sizes_bytes[modality.value]:,} bytes,"
            f" {_decibels(ours.psnrs_db[modality.value])} dB"
        )
        rows.append(SheetRow(modality.value, raster, back, caption))
    buffer = io.BytesIO()
    title = f"crossband, {ours.settings}: {ours.total_bytes:,} bytes for both pictures"
    draw_sheet(rows, title).save(buffer, format="PNG")
    atomic_write(path, buffer.getvalue(), force=True)


def _print_table(pair: Pair, results: list[_Result]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=_title(pair), title_justify="left")
    table.add_column("codec", no_wrap=True)
    names = [modality.value for modality, _ in _pictures(pair)]
    for name in names:
        table.add_column(f"{name}\nbytes", justify="right", no_wrap=True)
        table.add_column("\nPSNR dB", justify="right", no_wrap=True)
    for heading in ("both\nbytes", "against\ncrossband", "encode\ns", "decode\ns"):
        table.add_column(heading, justify="right", no_wrap=True)
    total = results[0].total_bytes
    for result in results:
        row = [result.codec]
        for name in names:
            size, value = result.sizes_bytes[name], result.psnrs_db[name]
            row.append("n/a" if size is None else f"{size:,}")
            mark = "" if result.reached[name] or value is None else " (max)"
            row.append(_decibels(value) + mark)
        row.append("n/a" if result.total_bytes is None else f"{result.total_bytes:,}")
        row.append(
            "n/a"
            if result.total_bytes is None or not total
            else f"{result.total_bytes / total:.2f}x"
        )
        row += [f"{result.encode_s:.2f}", f"{result.decode_s:.2f}"]
        table.add_row(*row)
    console = Console(width=None if sys.stdout.isatty() else 100, highlight=False)
    console.print(table)
    for result in results:
        console.print(f"  {result.codec}: {result.settings}", markup=False, soft_wrap=True)
    if any(raster.bit_depth > 8 for _, raster in _pictures(pair)):
        console.print("  n/a: the others hold 8 bits a sample only", markup=False)


def _title(pair: Pair) -> str:
    parts = [
        f"{modality.value} {raster.width}x{raster.height}"
        + (f" {raster.bit_depth} bits" if raster.bit_depth > 8 else "")
        for modality, raster in _pictures(pair)
    ]
    return ", ".join(parts)


def _decibels(value: float | None) -> str:
    if value is None:
        return "n/a"
    return "same" if math.isinf(value) else f"{value:.2f}"


def _json_result(result: _Result) -> dict[str, Any]:
    """JSON knows no infinity: a picture that came back unchanged has PSNR null."""
    facts = asdict(result)
    facts["psnrs_db"] = {
        name: None if value is None or math.isinf(value) else round(value, 3)
        for name, value in result.psnrs_db.items()
    }
    return {**facts, "encode_s": round(result.encode_s, 3), "decode_s": round(result.decode_s, 3)}
