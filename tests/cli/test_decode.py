# SPDX-License-Identifier: Apache-2.0
"""`crossband decode`: which files it writes, and that it never writes half of them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import crossband.sources
from crossband import CorruptStream, Modality, Pair
from crossband.sources import read

Run = Callable[..., Any]


def test_both_pictures_come_back_under_the_name_of_the_file(
    run: Run, coded: Path, scene: Pair
) -> None:
    outcome = run("decode", coded, "-o", ".")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.splitlines() == ["pair.visible.png", "pair.infrared.png"]
    for modality in Modality:
        raster = read(Path(f"pair.{modality.value}.png"), modality).raster
        assert np.array_equal(raster.samples, scene.get(modality).samples)  # type: ignore[union-attr]


@pytest.mark.parametrize("modality", list(Modality))
def test_only_one_picture_is_written_on_request(run: Run, coded: Path, modality: Modality) -> None:
    assert run("decode", coded, "-o", ".", "--only", modality.value).code == 0
    assert [path.name for path in Path().glob("*.png")] == [f"pair.{modality.value}.png"]


@pytest.mark.parametrize("format", ["png", "tiff"])
def test_the_format_is_the_one_asked_for(run: Run, coded: Path, format: str) -> None:
    assert run("decode", coded, "-o", ".", "--format", format).code == 0
    for modality in Modality:
        with Image.open(f"pair.{modality.value}.{format}") as picture:
            assert picture.format == format.upper()


def test_webp_refuses_14_bits_and_writes_neither_picture(run: Run, coded: Path) -> None:
    outcome = run("decode", coded, "-o", ".", "--format", "webp")
    assert outcome.code == 3
    assert "png or tiff" in outcome.complaint
    assert list(Path().glob("*.webp")) == []
    assert run("decode", coded, "-o", ".", "--format", "webp", "--only", "visible").code == 0


def test_a_file_from_standard_input_is_named_so(run: Run, coded: Path) -> None:
    assert run("decode", "-", "-o", ".", stdin=coded.read_bytes()).code == 0
    assert Path("stdin.visible.png").exists()


def test_one_picture_may_go_to_standard_output(run: Run, coded: Path, scene: Pair) -> None:
    outcome = run("decode", coded, "-o", "-", "--only", "visible")
    assert (outcome.code, outcome.err) == (0, "")
    with Image.open(io.BytesIO(outcome.out.encode("utf-8", "surrogateescape"))) as picture:
        assert scene.visible is not None
        assert np.array_equal(np.asarray(picture), scene.visible.samples)
    assert list(Path().glob("*.png")) == []


def test_two_pictures_do_not_fit_standard_output(run: Run, coded: Path) -> None:
    outcome = run("decode", coded, "-o", "-")
    assert outcome.code == 2
    assert "--only" in outcome.complaint


def test_json_tells_files_sizes_and_seconds(run: Run, coded: Path) -> None:
    facts = run("decode", coded, "-o", ".", "--json").json
    assert facts["pictures"]["infrared"] == {
        "file": "pair.infrared.png",
        "width": 28,
        "height": 20,
        "channels": 1,
        "bit_depth": 14,
        "sidecars": [],
    }
    assert set(facts) == {"file", "pictures", "load_s", "decode_s"}


def test_force_replaces_and_nothing_else_does(run: Run, coded: Path) -> None:
    Path("pair.infrared.png").write_bytes(b"old")
    outcome = run("decode", coded, "-o", ".")
    assert outcome.code == 3
    assert "pair.infrared.png: exists" in outcome.complaint
    assert not Path("pair.visible.png").exists()
    assert run("decode", coded, "-o", ".", "--force").code == 0


@pytest.mark.parametrize(("output", "part"), [("gone", "mkdir -p"), ("pair.xb", "is a file")])
def test_an_output_that_is_no_folder_is_told(run: Run, coded: Path, output: str, part: str) -> None:
    before = sorted(Path().iterdir())
    outcome = run("decode", coded, "-o", output)
    assert outcome.code == 3
    assert output in outcome.complaint
    assert part in outcome.complaint
    assert sorted(Path().iterdir()) == before


def test_a_picture_that_is_not_there_is_told(run: Run, storing_codec: Any, scene: Pair) -> None:
    Path("one.xb").write_bytes(storing_codec.encode(Pair(infrared=scene.infrared)))
    outcome = run("decode", "one.xb", "-o", ".", "--only", "visible")
    assert outcome.code == 3
    assert "no visible picture" in outcome.complaint
    assert list(Path().glob("*.png")) == []


BAD_FILES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda data: b"", "NotCrossband"),
    "text": (lambda data: b"hello, this is only text\n" * 4, "NotCrossband"),
    "cut short": (lambda data: data[:-1], "CorruptStream"),
    "with garbage": (lambda data: data + b"x", "CorruptStream"),
    "one bit flipped": (
        lambda data: data[:-9] + bytes([data[-9] ^ 4]) + data[-8:],
        "CorruptStream",
    ),
}


@pytest.mark.parametrize("command", ["decode", "info", "verify"])
@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_is_one_line_and_leaves_no_file(
    run: Run, coded: Path, case: str, command: str
) -> None:
    spoil, kind = BAD_FILES[case]
    Path("bad.xb").write_bytes(spoil(coded.read_bytes()))
    before = sorted(Path().iterdir())
    outcome = run(command, "bad.xb", "--json", *(("-o", ".") if command == "decode" else ()))
    assert outcome.code == 3
    assert outcome.complaint
    error = outcome.json["files"][0]["error"] if command == "verify" else outcome.json["error"]
    assert error["kind"] == kind
    assert sorted(Path().iterdir()) == before


@pytest.mark.parametrize("command", ["decode", "info", "verify"])
def test_a_missing_file_and_a_folder_are_named(run: Run, tmp_path: Path, command: str) -> None:
    (tmp_path / "folder").mkdir()
    for name in ("gone.xb", "folder"):
        outcome = run(command, name, *(("-o", ".") if command == "decode" else ()))
        assert outcome.code == 3
        assert outcome.complaint.startswith(f"crossband: {name}: ")


@pytest.mark.parametrize("stop", [KeyboardInterrupt, CorruptStream("made up")])
def test_a_stop_between_two_pictures_leaves_neither(
    run: Run, coded: Path, monkeypatch: pytest.MonkeyPatch, stop: Any
) -> None:
    write = crossband.sources.atomic_write
    calls: list[Any] = []

    def stopping(*arguments: Any, **options: Any) -> None:
        calls.append(arguments)
        if len(calls) == 2:
            raise stop
        write(*arguments, **options)

    monkeypatch.setattr(crossband.sources, "atomic_write", stopping)
    before = sorted(Path().iterdir())
    assert run("decode", coded, "-o", ".").code in (3, 130)
    assert len(calls) == 2
    assert sorted(Path().iterdir()) == before
