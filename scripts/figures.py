# SPDX-License-Identifier: Apache-2.0
"""Writes every measured number of README and docs from the files in results/: `make figures`.

A document marks the place with `<!-- figures: NAME -->` and `<!-- end of figures -->`; what lies
between them is replaced by what the function of that name below makes. `--check` changes nothing
and fails where a document differs.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from crossband.bench import findings
from crossband.bench.rows import Row, read_rows
from crossband.bench.table import CodecPoints, average, points_markdown, table, table_markdown
from crossband.errors import CrossbandError

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "results"
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
_BLOCK = re.compile(
    r"(<!-- figures: (?P<name>[\w-]+) -->\n).*?(<!-- end of figures -->)", re.DOTALL
)
_RULE = "|---"
JPEG_SETS = ("roadscene", "llvip")
"""Their files are JPEG of quality 75: above some PSNR a codec is paid for finding the old grid."""
JPEG_RANGE_DB = (28.0, 37.0)
NOT_MEASURED = "Not measured yet.\n"
OURS = ("crossband", "crossband-alone", "crossband-slow")


def _averages(kind: str = "stills") -> list[CodecPoints]:
    rows = []
    for name in (f"anchors-{kind}.jsonl", f"crossband-{kind}.jsonl"):
        rows += read_rows(RESULTS / name)
    return average(rows)


def _against(
    averages: Sequence[CodecPoints],
    reference: str,
    codecs: Sequence[str],
    *,
    jpeg_range_db: tuple[float, float] = JPEG_RANGE_DB,
) -> str:
    """BD-rates of the codecs on each data set that has the reference and one of them."""
    lines = []
    for dataset in dict.fromkeys(each.dataset for each in averages):
        of_set = [each for each in averages if each.dataset == dataset]
        chosen = [each for each in of_set if each.codec in (*codecs, reference)]
        if len(chosen) < 2 or reference not in [each.codec for each in chosen]:
            continue
        limits = jpeg_range_db if dataset in JPEG_SETS else None
        lines += table(chosen, reference=reference, psnr_range=limits)
    made = table_markdown(lines, reference=reference).splitlines()
    # without the seconds: those rows were measured beside a training
    return "".join("|".join(line.split("|")[:7]) + "|\n" for line in made)


def stills() -> str:
    """Everything against x265."""
    return _against(_averages(), "x265", (*OURS, "vvenc"))


def stills_others() -> str:
    """Every other codec that was measured on all pictures of a data set."""
    averages = _averages()
    others = [each.codec for each in averages if not each.codec.startswith("crossband")]
    return _against(averages, "x265", others)


def anchors_check() -> str:
    """The reference measurements' BD-rates beside those of the same pairs here."""
    found, reference = (
        json.loads((RESULTS / name).read_text(encoding="utf-8"))
        for name in ("anchors-check.json", "anchors-reference.json")
    )
    here = {line["codec"]: line for line in found["lines"]}
    head = "| codec | visible, reference | here | infrared, reference | here |\n" + _RULE * 5
    return f"{head}|\n" + "".join(
        f"| {line['codec']} |"
        + "".join(
            f" {_percent(each[modality])} |"
            for modality in ("visible", "infrared")
            for each in (line, here[line["codec"]])
        )
        + "\n"
        for line in reference["lines"]
    )


def stills_vvenc() -> str:
    """Crossband against VVenC."""
    return _against(_averages(), "vvenc", OURS)


def stills_joint() -> str:
    """What the partner gives: joint against the same weights alone."""
    return _against(_averages(), "crossband-alone", ("crossband",))


def stills_slow() -> str:
    """What refined symbols give."""
    return _against(_averages(), "crossband", ("crossband-slow",)) or NOT_MEASURED


def stills_worst() -> str:
    """The single pictures that the partner helps least, and most."""
    found = findings.find(
        read_rows(RESULTS / "crossband-stills.jsonl"),
        reference="crossband-alone",
        set_ranges=dict.fromkeys(JPEG_SETS, JPEG_RANGE_DB),
    )
    head = "| data set | pictures | worst visible | worst pair | best pair |\n" + _RULE * 5 + "|\n"
    made = head
    for of_set in found.sets:
        cells = []
        for column, pick in (("visible", max), ("pair", max), ("pair", min)):
            known = [
                (percent, picture.image)
                for picture in of_set.pictures
                if (percent := picture.percent("crossband", column)) is not None
            ]
            percent, image = pick(known)
            cells.append(f"{percent:+.2f} %, {image}")
        made += f"| {of_set.dataset} | {len(of_set.pictures)} | {' | '.join(cells)} |\n"
    return made


def one_rate() -> str:
    """What weights for all rates need at the PSNR of weights for one."""
    if not (RESULTS / "one-rate.json").exists():
        return NOT_MEASURED
    rows = json.loads((RESULTS / "one-rate.json").read_text(encoding="utf-8"))["rows"]
    cameras = ("visible", "infrared")
    mean = {"source": "mean", "mode": "joint"} | {
        camera: _mean([row[camera] for row in rows if row["mode"] == "joint"]) for camera in cameras
    }
    head = "| data set | coded | visible | infrared |\n" + _RULE * 4 + "|\n"
    return head + "".join(
        f"| {row['source']} | {row['mode']} | {_percent(row['visible'])} |"
        f" {_percent(row['infrared'])} |\n"
        for row in (*rows, mean)
    )


def stills_points() -> str:
    """Every mean point of crossband and x265."""
    codecs = (*OURS, "x265")
    return points_markdown([each for each in _averages() if each.codec in codecs])


def films() -> str:
    """Every film codec against x265 low delay."""
    averages = _averages("films")
    codecs = [each.codec for each in averages if each.codec != "x265-ldp"]
    return _against(averages, "x265-ldp", codecs) or NOT_MEASURED


def films_own() -> str:
    """What the frame before gives, what the other camera gives, and what refined symbols give."""
    averages = _averages("films")
    measured = {each.codec for each in averages}
    return "\n".join(
        _against(averages, reference, (codec,))
        for reference, codec in (
            ("crossband-keys", "crossband"),
            ("crossband-alone", "crossband"),
            ("crossband", "crossband-slow"),
        )
        if {reference, codec} <= measured
    )


def films_points() -> str:
    """Every mean point of crossband's films and x265's."""
    codecs = ("crossband", "crossband-slow", "crossband-keys", "crossband-alone", "x265-ldp")
    return points_markdown([each for each in _averages("films") if each.codec in codecs])


def timing() -> str:
    """Seconds of one pair, as ratios to x265 veryslow."""
    found = json.loads((RESULTS / "timing.json").read_text(encoding="utf-8"))
    reference = next(row for row in found["codecs"] if row["codec"] == "x265")
    head = "| codec | bytes | encode s | of x265's | decode s | of x265's |\n" + _RULE * 6 + "|\n"
    return head + "".join(
        f"| {row['codec']} | {row['size_bytes']:,} | {row['encode_s']:.2f} |"
        f" {row['encode_s'] / reference['encode_s']:.2f} | {row['decode_s']:.3f} |"
        f" {row['decode_s'] / reference['decode_s']:.1f} |\n"
        for row in found["codecs"]
    )


def start_up() -> str:
    """Memory and start-up."""
    found = json.loads((RESULTS / "timing.json").read_text(encoding="utf-8"))["start_up"]
    return (
        f"`import crossband` takes {found['import_s']:.2f} s, `crossband info`"
        f" {found['info_s']:.2f} s; coding a 640x512 pair takes at most"
        f" {found['peak_bytes'] / 2**20:.0f} MiB.\n"
    )


def integer_path() -> str:
    """What rule 1 costs."""
    found = json.loads((RESULTS / "integer-path.json").read_text(encoding="utf-8"))["rows"]
    head = "| data set | pairs | quality | file | float estimate | cost |\n" + _RULE * 6 + "|\n"
    return head + "".join(
        f"| {row['dataset']} | {row['pairs']} | {row['quality']:g} |"
        f" {row['stream_bits'] / 8:,.0f} | {row['estimate_bits'] / 8:,.0f} |"
        f" {row['cost_percent']:+.2f} % |\n"
        for row in found
    )


def lossless() -> str:
    """Infrared with a guaranteed error against codecs that have one."""
    path = RESULTS / "lossless.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    head = (
        "| data set | bound | pictures | bits a pixel | of PNG | of JPEG XL | of JPEG-LS |"
        " largest error |\n" + _RULE * 8 + "|\n"
    )
    made = []
    for dataset, bound in dict.fromkeys((row["dataset"], row["bound"]) for row in rows):
        of_set = [row for row in rows if (row["dataset"], row["bound"]) == (dataset, bound)]
        ours = sum(row["crossband_bytes"] for row in of_set)
        shares = [
            "" if of_set[0][name] is None else f"{ours / sum(row[name] for row in of_set) - 1:+.1%}"
            for name in ("png_bytes", "jpegxl_bytes", "jpegls_bytes")
        ]
        pixels = sum(row["pixels"] for row in of_set)
        made.append(
            f"| {dataset} | {bound} | {len(of_set)} | {8 * ours / pixels:.3f} |"
            f" {' | '.join(shares)} | {max(row['crossband_error'] for row in of_set)} |\n"
        )
    return head + "".join(made)


def lossless_pictures() -> str:
    """The same without loss, picture by picture."""
    path = RESULTS / "lossless.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    head = "| picture | bytes | of PNG | of JPEG XL | of JPEG-LS |\n" + _RULE * 5 + "|\n"
    return head + "".join(
        f"| {row['image']} | {row['crossband_bytes']:,} |"
        + "".join(
            f" {row['crossband_bytes'] / row[name] - 1:+.1%} |"
            for name in ("png_bytes", "jpegxl_bytes", "jpegls_bytes")
        )
        + "\n"
        for row in rows
        if row["bound"] == 0
    )


def lossless_choice() -> str:
    """Estimates of ways to predict, picture by picture."""
    path = RESULTS / "lossless-choice.json"
    if not path.exists():
        return NOT_MEASURED
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
    ways = ("jpegxl", "lattice", "raster", "network")
    head = f"| picture | step | {' | '.join(ways)} |\n" + _RULE * 6 + "|\n"
    return head + "".join(
        f"| {row['image']} | {row['step']} | {' | '.join(f'{row[way]:.3f}' for way in ways)} |\n"
        for row in rows
    )


def block_grid() -> str:
    """How much of x265's standing is the memory of an earlier codec's blocks."""
    path = RESULTS / "block-grid.json"
    if not path.exists():
        return NOT_MEASURED
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
    head = "| data set | camera | pictures | cut on the grid | cuts off the grid |\n"
    return (
        head
        + _RULE * 5
        + "|\n"
        + "".join(
            f"| {row['dataset']} | {row['modality']} | {row['pictures']} |"
            f" {row['on_grid_percent']:+.1f} % | {row['off_grid_percent']:+.1f} % |\n"
            for row in rows
        )
    )


def learning_curve() -> str:
    """Bits of each validation against those of the last, and what an hour gave."""
    path = RESULTS / "learning-curve.json"
    if not path.exists():
        return NOT_MEASURED
    found = json.loads(path.read_text(encoding="utf-8"))["validations"]
    places = list(found[-1]["bd_percent"])
    head = ["recipe", "steps", "hours", *places, "mean", "an hour"]
    made = f"| {' | '.join(head)} |\n{_RULE * len(head)}|\n"
    for row in found:
        values = [row["bd_percent"][place] for place in places]
        values += [row["mean_percent"], row["percent_an_hour"]]
        cells = [row["recipe"], f"{row['steps']:,}", f"{row['hours']:.2f}", *map(_percent, values)]
        made += f"| {' | '.join(cells)} |\n"
    return made


def training_speed() -> str:
    """A step's seconds, and what part of the machine's roof that is."""
    path = RESULTS / "training-speed.json"
    if not path.exists():
        return NOT_MEASURED
    found = json.loads(path.read_text(encoding="utf-8"))
    roof = found["roof"]
    shared = ", shared with other work" if found["shared_machine"] else ""
    made = (
        f"{found['device']}{shared}; {found['threads']} thread"
        f"{'' if found['threads'] == 1 else 's'}, {found['clock']}; `{found['recipe']}`,"
        f" {found['batch']} crops of {found['crop']}x{found['crop']}.\n\n"
        "| | a step | of the machine | roof |\n" + _RULE * 4 + "|\n"
        f"| seconds | {found['seconds_per_step']:.3f} | | |\n"
        f"{_compiled(found)}"
        f"| arithmetic | {' and '.join(_gflop(found['step_flop']))} |"
        f" {found['share_of_matmul_roof']:.1%} | products of"
        f" {roof['bfloat16_flop_per_s'] / 1e9:.0f} and {roof['float32_flop_per_s'] / 1e9:.0f}"
        " GFLOP/s |\n"
        f"| operands and results | {found['step_bytes'] / 1e9:.2f} GB |"
        f" {found['share_of_memory_roof']:.1%} | copies of"
        f" {roof['memory_bytes_per_s'] / 1e9:.1f} GB/s |\n\n"
        "| operation | calls | share of the step |\n" + _RULE * 3 + "|\n"
    )
    return made + "".join(
        f"| `{row['operation']}` | {row['calls']:,} | {row['share']:.1%} |\n"
        for row in found["profile"]
    )


def _compiled(found: dict[str, Any]) -> str:
    if "compiled" not in found:
        return ""
    known = found["compiled"]
    said = known.get("error") or f"{known['seconds_per_step']:.3f}"
    return f"| seconds, gated blocks by `torch.compile` | {said} | | |\n"


def _gflop(kinds: dict[str, int]) -> list[str]:
    return [f"{kinds[kind] / 1e9:.1f} GFLOP in {kind}" for kind in ("bfloat16", "float32")]


def experiments() -> str:
    """What each experiment needs against the reference, mean over the sources."""
    path = RESULTS / "experiments.jsonl"
    if not path.exists():
        return NOT_MEASURED
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    head = ["question", "variant", "steps", "s a step", "kFLOP a pixel", "weights"]
    head += ["visible", "infrared", "both alone"]
    made = f"| {' | '.join(head)} |\n{_RULE * len(head)}|\n"
    for row in rows:
        joint = {place: bd for place, bd in row["bd_percent"].items() if " joint " in place}
        alone = {place: bd for place, bd in row["bd_percent"].items() if " alone " in place}
        means = [
            _mean([bd for place, bd in joint.items() if place.endswith(camera)])
            for camera in ("visible", "infrared")
        ]
        cells = [
            row["question"],
            row["name"],
            f"{row['steps']:,}",
            f"{row['seconds_per_step']:.2f}",
        ]
        cells += [f"{row['kflop_per_pixel']:.1f}", f"{row['weights'] / 1e6:.2f} M"]
        cells += map(_percent, [*means, _mean(list(alone.values()))])
        made += f"| {' | '.join(cells)} |\n"
    return made


def _mean(values: Sequence[float | None]) -> float | None:
    """None where a curve had nothing in common with the reference."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) and known else None


def _percent(value: float | None) -> str:
    return "n/a" if value is None else f"{value:+.1f} %"


def misalignment() -> str:
    """The visible picture given an infrared one that is displaced on purpose."""
    shown = {
        "none": "as it is",
        "shift": "{:g} px",
        "rotation": "{:g} degrees",
        "scale": "{:g} times",
    }
    rows = [row for row in _misaligned() if row["change"] != "none"]
    found = {
        f"{change} {shown[change].format(amount)}": [
            row for row in rows if (row["change"], row["amount"]) == (change, amount)
        ]
        for change, amount in dict.fromkeys((row["change"], row["amount"]) for row in rows)
    }
    return _misalignment_table("infrared", found, with_error=True)


def misalignment_sets() -> str:
    """The same on data sets as they are."""
    return _by_set([row for row in _misaligned() if row["change"] == "none"])


def misalignment_lossless() -> str:
    """The same beside infrared pictures that are coded without loss."""
    return _by_set(_misaligned("misalignment-lossless.jsonl"))


def _by_set(rows: list[dict[str, Any]]) -> str:
    found = {
        dataset: [row for row in rows if row["dataset"] == dataset]
        for dataset in dict.fromkeys(row["dataset"] for row in rows)
    }
    return _misalignment_table("data set", found, with_error=False)


def misalignment_plot() -> str | None:
    """Gain against shift, with and without registration, as SVG; None if not measured."""
    from crossband.bench.drawing import draw, standalone
    from crossband.bench.plots import Axis, Mark, Plot, Series

    rows = [row for row in _misaligned() if row["change"] == "shift"]
    if not rows:
        return None
    shifts = sorted({row["amount"] for row in rows})
    series = tuple(
        Series(
            f"--register {way}",
            style,
            tuple(
                Mark(
                    px,
                    _gain([r for r in rows if (r["amount"], r["register"]) == (px, way)]),
                    f"{px:g} px",
                )
                for px in shifts
            ),
        )
        for style, way in enumerate(("none", "auto"))
    )
    plot = Plot(
        "misalignment",
        "roadscene",
        "rate",
        "The visible picture given an infrared one that is shifted, against alone",
        Axis("shift, px"),
        Axis("bytes at equal PSNR", "percent"),
        series,
        joined=True,
    )
    return standalone(draw(plot))


def _misaligned(name: str = "misalignment.jsonl") -> list[dict[str, Any]]:
    path = RESULTS / name
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _misalignment_table(
    head: str, found: dict[str, list[dict[str, Any]]], *, with_error: bool
) -> str:
    if not found:
        return NOT_MEASURED
    titles = [head, "pairs", *(f"bytes, {way}" for way in ("plain", "auto", "kept"))]
    titles += [f"equal PSNR, {way}" for way in ("plain", "auto", "kept")]
    titles += ["found", *(["off by"] if with_error else [])]
    made = f"| {' | '.join(titles)} |\n" + _RULE * len(titles) + "|\n"
    for name, rows in found.items():
        ways = {way: [row for row in rows if row["register"] == way] for way in ("none", "auto")}
        ways["kept"] = [_kept(*both) for both in zip(*ways.values(), strict=True)]
        images = {row["image"]: row for row in ways["auto"]}
        cells = [name, str(len(images))]
        for way in ways.values():
            ratio = sum(row["given_bytes"] for row in way) / sum(row["alone_bytes"] for row in way)
            cells.append(f"{ratio - 1:+.2%}".replace("%", " %"))
        cells += [f"{_gain(way):+.2f} %" for way in ways.values()]
        cells.append(str(sum(row["registered"] for row in images.values())))
        if with_error:
            errors = [row["error_px"] for row in images.values() if row["error_px"] is not None]
            cells.append(f"{sum(errors) / len(errors):.1f} px" if errors else "")
        made += f"| {' | '.join(cells)} |\n"
    return made


def _kept(plain: dict[str, Any], auto: dict[str, Any]) -> dict[str, Any]:
    """What efforts from 4 on keep, which try both and coding alone: the fewest bytes."""
    same = ("image", "quality", "alone_bytes")
    assert [plain[key] for key in same] == [auto[key] for key in same]
    ways = [(row["given_bytes"], row["given_db"]) for row in (plain, auto)]
    size, decibels = min(*ways, (plain["alone_bytes"], plain["alone_db"]))
    return plain | {"given_bytes": size, "given_db": decibels}


def _gain(rows: Sequence[dict[str, Any]]) -> float:
    """Mean gain in bytes at equal PSNR, along the line through a picture's points alone."""
    gains = []
    for image in dict.fromkeys(row["image"] for row in rows):
        points = sorted(
            (row for row in rows if row["image"] == image), key=lambda row: row["quality"]
        )
        low, high = points[0], points[-1]
        slope = math.log(high["alone_bytes"] / low["alone_bytes"])
        slope /= high["alone_db"] - low["alone_db"]
        for row in points:
            there = math.log(row["alone_bytes"]) + slope * (row["given_db"] - row["alone_db"])
            gains.append(100 * (row["given_bytes"] / math.exp(there) - 1))
    return sum(gains) / len(gains)


def ablation_alignment() -> str:
    """What each use of the partner gains, against none of them."""
    found = _ablation("ablation-alignment.jsonl")
    if not found:
        return NOT_MEASURED
    variants = dict.fromkeys(each.codec for each in found)
    return _by_variant(_against(found, "none", list(variants)))


def ablation_start() -> str:
    """Random first weights against a transform codec's, after as many steps."""
    found = _ablation("ablation-start.jsonl")
    made = ""
    for steps in dict.fromkeys(each.codec.rpartition("-")[2] for each in found):
        of_steps = [each for each in found if each.codec.rpartition("-")[2] == steps]
        codecs = [each.codec for each in of_steps]
        # Few steps end below 28 dB; only the upper end is for the JPEG grid.
        limits = (0.0, JPEG_RANGE_DB[1])
        lines = _against(of_steps, f"transform-codec-{steps}", codecs, jpeg_range_db=limits)
        made += lines if not made else "".join(lines.splitlines(keepends=True)[2:])
    return _by_variant(made) or NOT_MEASURED


def ablation_start_points() -> str:
    """Every mean point of both starts."""
    found = _ablation("ablation-start.jsonl")
    return _by_variant(points_markdown(found)) if found else NOT_MEASURED


def _ablation(name: str) -> list[CodecPoints]:
    """Mean points of an ablation's rows, by variant; none if it was not measured."""
    rows = [replace(row, codec=variant(row)) for row in read_rows(RESULTS / name)]
    return average(rows)


def variant(row: Row) -> str:
    """The run that a row's weights are of: `both` of `crossband@runs/both.safetensors`."""
    return Path(row.codec.partition("@")[2]).stem


def _by_variant(markdown: str) -> str:
    return markdown.replace("| codec |", "| variant |", 1)


_MANY_GROUPS = 5
"""For each job and part of a film, that what is in the air at the ends of a part matters little."""


def long_films() -> str:
    """What two decoders make of long films, and time and memory from their start to their end."""
    made = ""
    for name in ("film-equality.json", "film-length.json"):
        if not (RESULTS / name).exists():
            continue
        found = json.loads((RESULTS / name).read_text(encoding="utf-8"))
        encoding, decoding, away = (found[k] for k in ("encoding", "decoding", "difference"))
        made += (
            f"| {found['frames']:,} of {found['width']}x{found['height']}"
            f" | {_ratio(encoding, found['jobs'], away['key_frames'])}"
            f" | {_ratio(decoding, found['jobs'])}"
            f" | {encoding['peak_mib'][0]} to {encoding['peak_mib'][-1]} MiB"
            f" | {decoding['peak_mib'][0]} to {decoding['peak_mib'][-1]} MiB"
            f" | {away['largest_difference']} | {away['differing_share']:.1e}"
            f" | {away['differing_share_first_half_of_groups']:.1e}"
            f" | {away['differing_share_second_half_of_groups']:.1e} |\n"
        )
    head = (
        "| frames | encoding, last quarter's time to the first's | decoding | memory of encoding |"
        " of decoding | largest difference | differing samples | in first halves of groups |"
        " in second halves |\n" + _RULE * 9 + "|\n"
    )
    return head + made if made else NOT_MEASURED


def film_speed() -> str:
    """Frames a second by effort and number of jobs."""
    if not (RESULTS / "film-speed.json").exists():
        return NOT_MEASURED
    found = json.loads((RESULTS / "film-speed.json").read_text(encoding="utf-8"))
    head = "| effort | jobs | encoded a second | decoded a second | bytes |\n" + _RULE * 5 + "|\n"
    return head + "".join(
        f"| {row['effort']} | {row['jobs']} | {row['encoded_a_second']:.2f}"
        f" | {row['decoded_a_second']:.2f} | {row['bytes']:,} |\n"
        for row in found["rows"]
    )


def _ratio(found: dict[str, list[float]], jobs: int, groups: int = 0) -> str:
    """Of the last part's time to the first's; of `groups` coded at once a part has to have many.

    Frames are taken and given a group and more at a time, decoded ones ahead of the other decoder.
    """
    seconds = found["seconds_a_frame"]
    if jobs > 1 and groups < _MANY_GROUPS * jobs * len(seconds):
        return "n/a"
    return f"{seconds[-1] / seconds[0]:.2f}"


MAKERS: dict[str, Callable[[], str]] = {
    maker.__name__.replace("_", "-"): maker
    for maker in (
        *(stills, stills_others, stills_vvenc, stills_joint, stills_slow, stills_worst),
        *(stills_points,),
        *(anchors_check, one_rate),
        *(films, films_own, films_points, long_films, film_speed),
        *(timing, start_up, integer_path, block_grid),
        *(lossless, lossless_pictures, lossless_choice),
        *(misalignment, misalignment_sets, misalignment_lossless),
        *(ablation_alignment, ablation_start, ablation_start_points),
        *(learning_curve, training_speed, experiments),
    )
}
PICTURES: dict[str, Callable[[], str | None]] = {"misalignment.svg": misalignment_plot}
"""Plots beside the pages; drawn anew with them, and not checked: their bytes are matplotlib's."""


def filled(text: str) -> str:
    """A document with every block made anew."""
    return _BLOCK.sub(lambda m: m[1] + MAKERS[m["name"]]() + m[3], text)


def main() -> int:
    """Fills or checks all documents."""
    differing = 0
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        if (new := filled(text)) == text:
            continue
        differing += 1
        if "--check" in sys.argv[1:]:
            print(f"{document.name}: differs from results/; run `make figures`", file=sys.stderr)
        else:
            document.write_text(new, encoding="utf-8")
            print(f"{document.name}: filled")
    if "--check" not in sys.argv[1:]:
        for name, maker in PICTURES.items():
            if (drawn := maker()) is not None:
                (ROOT / "docs" / name).write_text(drawn, encoding="utf-8")
    return int(bool(differing) and "--check" in sys.argv[1:])


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (CrossbandError, OSError) as error:
        sys.exit(f"figures: {error}")
