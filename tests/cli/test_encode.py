# SPDX-License-Identifier: Apache-2.0
"""`crossband encode`: what it reads, where it writes, and what it refuses."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import crossband
from crossband import Modality, Pair

Run = Callable[..., Any]
Pictures = tuple[Path, Path]


def test_a_pair_becomes_one_file(run: Run, pictures: Pictures, scene: Pair) -> None:
    outcome = run("encode", *pictures, "-o", "pair.xb")
    assert (outcome.code, outcome.err) == (0, "")
    assert crossband.load("base").decode(Path("pair.xb").read_bytes()).equals(scene)


def test_the_summary_names_each_picture_and_its_bytes(run: Run, pictures: Pictures) -> None:
    out = run("encode", *pictures, "-o", "pair.xb").out
    assert "visible   32x24, RGB, 8 bits" in out
    assert "infrared  28x20, 1 channel, 14 bits" in out


@pytest.mark.parametrize("modality", list(Modality))
def test_one_picture_is_encoded_alone(run: Run, pictures: Pictures, modality: Modality) -> None:
    picture = pictures[list(Modality).index(modality)]
    assert run("encode", f"--{modality.value}-only", picture, "-o", "one.xb").code == 0
    (record,) = crossband.info(Path("one.xb").read_bytes()).records
    assert record.modality is modality


def test_pictures_too_large_to_refine_are_told(
    run: Run, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("encode", *pictures, "-o", "pair.xb", "-e", "6").err == ""
    monkeypatch.setattr("crossband.refinement.MOST_PIXELS", 30 * 24)
    for effort, told in ((6, True), (5, False)):
        outcome = run("encode", *pictures, "-o", "pair.xb", "-e", effort, "--force", "--json")
        found = any("coded as with effort 5" in note for note in outcome.json["notes"])
        assert found == told == ("coded as with effort 5" in outcome.err)


@pytest.mark.parametrize("order", ["infrared-first", "visible-first"])
def test_the_order_is_the_one_asked_for(run: Run, pictures: Pictures, order: str) -> None:
    outcome = run("encode", *pictures, "-o", "pair.xb", "--order", order, "--json")
    assert outcome.json["order"] == order


@pytest.mark.parametrize(("words", "index"), [((), 32), (("-q", 0), 0), (("-q", 100), 63)])
def test_quality_is_handed_on(
    run: Run, pictures: Pictures, words: tuple[Any, ...], index: int
) -> None:
    outcome = run("encode", *pictures, "-o", "pair.xb", "--json", *words)
    assert [picture["quality_index"] for picture in outcome.json["pictures"]] == [index, index]


def test_json_tells_sizes_and_rate_of_the_whole_file(run: Run, pictures: Pictures) -> None:
    facts = run("encode", *pictures, "-o", "pair.xb", "--json").json
    size_bytes = Path("pair.xb").stat().st_size
    assert facts["file"] == "pair.xb"
    assert facts["size_bytes"] == size_bytes
    # the visible picture's pixels count, whatever the infrared one's
    assert facts["rate_bpp"] == pytest.approx(size_bytes * 8 / (24 * 32), abs=1e-6)
    assert facts["weights_name"] == "base"
    assert facts["notes"] == []
    assert facts["encode_s"] >= 0


def test_a_rate_becomes_bytes_over_the_visible_pixels(
    run: Run, pictures: Pictures, storing_codec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def encode_to_size(pair: Pair, *, size_bytes: int, **options: Any) -> bytes:
        asked.append(size_bytes)
        data: bytes = storing_codec.encode(pair)
        return data

    monkeypatch.setattr(storing_codec, "encode_to_size", encode_to_size, raising=False)
    assert run("encode", *pictures, "-o", "pair.xb", "--target-bpp", "2").code == 0
    alone = ("encode", "--infrared-only", pictures[1], "-o", "one.xb", "--target-bpp", "2")
    assert run(*alone).code == 0
    assert asked == [2 * 24 * 32 // 8, 2 * 20 * 28 // 8]


def test_a_size_that_cannot_be_reached_leaves_no_file(run: Run, pictures: Pictures) -> None:
    outcome = run("encode", *pictures, "-o", "pair.xb", "--target-bytes", "9")
    assert outcome.code == 3
    assert "smallest file has" in outcome.complaint
    assert not Path("pair.xb").exists()


def test_a_picture_may_come_from_standard_input(run: Run, pictures: Pictures, scene: Pair) -> None:
    visible, infrared = pictures
    assert run("encode", "-", infrared, "-o", "a.xb", stdin=visible.read_bytes()).code == 0
    assert run("encode", visible, "-", "-o", "b.xb", stdin=infrared.read_bytes()).code == 0
    for name in ("a.xb", "b.xb"):
        assert crossband.load("base").decode(Path(name).read_bytes()).equals(scene)


def test_the_file_may_go_to_standard_output(
    run: Run, pictures: Pictures, storing_codec: Any, scene: Pair
) -> None:
    outcome = run("encode", *pictures, "-o", "-")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.encode("utf-8", "surrogateescape") == storing_codec.encode(scene)


def test_force_replaces_and_nothing_else_does(run: Run, pictures: Pictures) -> None:
    Path("pair.xb").write_bytes(b"old")
    outcome = run("encode", *pictures, "-o", "pair.xb")
    assert outcome.code == 3
    assert "pair.xb: exists" in outcome.complaint
    assert "--force" in outcome.complaint
    assert Path("pair.xb").read_bytes() == b"old"
    assert run("encode", *pictures, "-o", "pair.xb", "--force").code == 0
    assert Path("pair.xb").read_bytes() != b"old"


def test_a_note_goes_to_standard_error_and_into_json(run: Run, pictures: Pictures) -> None:
    gray = np.full((20, 28), 99, np.uint8)
    Image.fromarray(np.stack([gray] * 3, axis=-1)).save("equal.png")
    outcome = run("encode", pictures[0], "equal.png", "-o", "pair.xb", "--json")
    assert outcome.code == 0
    assert "three equal channels" in outcome.complaint
    assert len(outcome.json["notes"]) == 1


WRONG_USAGE = {
    "no output": (("v", "i"), "'--output' / '-o'"),
    "no picture": (("-o", "x.xb"), "no picture is named"),
    "one picture, not said which": (("v", "-o", "x.xb"), "--infrared-only"),
    "two ways at once": (("v", "i", "--visible-only", "v", "-o", "x.xb"), "more than one way"),
    "both alone": (
        ("--visible-only", "v", "--infrared-only", "i", "-o", "x.xb"),
        "more than one way",
    ),
    "both from standard input": (("-", "-", "-o", "x.xb"), "both pictures are -"),
    "quality above 100": (("v", "i", "-o", "x.xb", "-q", "101"), "--quality is 101; allowed are 0"),
    "quality below 0": (("v", "i", "-o", "x.xb", "-q", "-1"), "--quality is -1; allowed are 0"),
    "quality no number": (("v", "i", "-o", "x.xb", "-q", "nan"), "--quality is nan"),
    "quality a word": (("v", "i", "-o", "x.xb", "-q", "high"), "--quality"),
    "two targets": (
        ("v", "i", "-o", "x.xb", "-q", "5", "--target-bytes", "100"),
        "--quality and --target-bytes contradict",
    ),
    "rate of nothing": (("v", "i", "-o", "x.xb", "--target-bpp", "0"), "--target-bpp is 0"),
    "rate without end": (("v", "i", "-o", "x.xb", "--target-bpp", "inf"), "--target-bpp is inf"),
    "no bytes": (("v", "i", "-o", "x.xb", "--target-bytes", "0"), "--target-bytes is 0"),
    "effort": (("v", "i", "-o", "x.xb", "-e", "10"), "--effort is 10; allowed are 1"),
    "order": (("v", "i", "-o", "x.xb", "--order", "last"), "infrared-first"),
    "json and standard output": (("v", "i", "-o", "-", "--json"), "--json and -o -"),
    "option that is not there": (("v", "i", "-o", "x.xb", "--qualty", "5"), "--qualty"),
}


@pytest.mark.parametrize("case", WRONG_USAGE)
def test_wrong_usage_is_one_line_and_exit_code_2(run: Run, case: str) -> None:
    words, part = WRONG_USAGE[case]
    outcome = run("encode", *words)
    assert outcome.code == 2
    assert part in outcome.complaint
    assert list(Path().iterdir()) == []


def _text(path: Path) -> None:
    path.write_text("not a picture")


def _truncated(path: Path) -> None:
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(path, format="PNG")
    path.write_bytes(path.read_bytes()[:60])


def _alpha(path: Path) -> None:
    Image.new("RGBA", (8, 8), (1, 2, 3, 100)).save(path, format="PNG")


def _cmyk(path: Path) -> None:
    Image.new("CMYK", (8, 8)).save(path, format="JPEG")


def _float(path: Path) -> None:
    Image.fromarray(np.zeros((8, 8), np.float32)).save(path, format="TIFF")


def _colour(path: Path) -> None:
    Image.new("RGB", (8, 8), (200, 10, 10)).save(path, format="PNG")


BAD_PICTURES: dict[str, Callable[[Path], None]] = {
    "missing": lambda path: None,
    "a folder": lambda path: path.mkdir(),
    "text named .png": _text,
    "truncated": _truncated,
    "empty": lambda path: path.write_bytes(b"") and None,
    "alpha": _alpha,
    "CMYK": _cmyk,
    "float": _float,
    "colour as infrared": _colour,
}


@pytest.mark.parametrize("case", BAD_PICTURES)
def test_a_bad_picture_is_one_line_and_leaves_no_file(
    run: Run, pictures: Pictures, case: str
) -> None:
    bad = Path("bad.png")
    BAD_PICTURES[case](bad)
    before = sorted(Path().iterdir())
    outcome = run("encode", pictures[0], bad, "-o", "pair.xb")
    assert outcome.code == 3
    assert "bad.png" in outcome.complaint
    assert sorted(Path().iterdir()) == before


def test_alpha_is_dropped_on_request(run: Run, pictures: Pictures) -> None:
    _alpha(Path("alpha.png"))
    assert run("encode", "alpha.png", pictures[1], "-o", "x.xb").code == 3
    assert run("encode", "alpha.png", pictures[1], "-o", "x.xb", "--drop-alpha").code == 0


def test_swapped_pictures_are_told(run: Run, pictures: Pictures) -> None:
    visible, infrared = pictures
    outcome = run("encode", infrared, visible, "-o", "x.xb")
    assert outcome.code == 3
    assert "swapped" in outcome.complaint


def test_a_missing_output_folder_is_told_before_anything_is_read(run: Run) -> None:
    outcome = run("encode", "no.png", "no.png", "-o", "missing/pair.xb")
    assert outcome.code == 3
    assert "missing" in outcome.complaint
    assert "mkdir -p" in outcome.complaint


def test_a_full_disk_is_one_line_and_leaves_no_file(
    run: Run, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    before = sorted(Path().iterdir())
    outcome = run("encode", *pictures, "-o", "pair.xb")
    assert outcome.code == 3
    assert "disk is full" in outcome.complaint
    assert sorted(Path().iterdir()) == before


@pytest.mark.parametrize("json", [(), ("--json",)])
def test_ctrl_c_is_exit_code_130_and_leaves_no_file(
    run: Run,
    pictures: Pictures,
    storing_codec: Any,
    monkeypatch: pytest.MonkeyPatch,
    json: tuple[str, ...],
) -> None:
    def interrupted(*arguments: Any, **options: Any) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr(storing_codec, "encode", interrupted, raising=False)
    before = sorted(Path().iterdir())
    outcome = run("encode", *pictures, "-o", "pair.xb", *json)
    assert outcome.code == 130
    assert "interrupted" in outcome.complaint
    assert sorted(Path().iterdir()) == before


def test_too_little_memory_is_one_line(
    run: Run, pictures: Pictures, storing_codec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hungry(*arguments: Any, **options: Any) -> bytes:
        raise MemoryError

    monkeypatch.setattr(storing_codec, "encode", hungry, raising=False)
    outcome = run("encode", *pictures, "-o", "pair.xb")
    assert outcome.code == 3
    assert "out of memory" in outcome.complaint


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (("no.png", "no.png", "-o", "x.xb"), "SourceError"),
        (("no.png", "no.png", "-o", "x.xb", "-q", "200"), "UsageError"),
        (("no.png", "no.png", "-o", "gone/x.xb"), "OutputError"),
        (("no.png",), "UsageError"),
    ],
)
def test_json_of_an_error_is_one_object_with_its_kind(
    run: Run, words: tuple[str, ...], kind: str
) -> None:
    outcome = run("encode", *words, "--json")
    assert outcome.code in (2, 3)
    assert outcome.json["error"]["kind"] == kind
    assert outcome.json["error"]["message"] in outcome.complaint
