# SPDX-License-Identifier: Apache-2.0
"""`encode --register`: looked for, read from a file, shown, and refused in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import crossband
from crossband import Pair
from crossband.sources import write
from crossband.testing import synthetic_pair

Run = Callable[..., Any]
SHIFT = [[1.2, 0, 3], [0, 1.1, -2], [0, 0, 1]]


@pytest.fixture
def rig(tmp_path: Path) -> Path:
    file = tmp_path / "rig.json"
    file.write_text(json.dumps({"homography": SHIFT}), encoding="utf-8")
    return file


@pytest.fixture
def apart(tmp_path: Path) -> Pair:
    """visible.png and infrared.png of two cameras that are 12 px apart."""
    pair = synthetic_pair(visible=(120, 160), infrared=(120, 160), shift=(0.0, 0.075))
    for name, raster in (("visible.png", pair.visible), ("infrared.png", pair.infrared)):
        assert raster is not None
        write(raster, tmp_path / name)
    return pair


def matrix_of(facts: dict[str, Any]) -> np.ndarray:
    return np.array(facts["homography"])


def test_a_homography_from_a_file_is_in_the_file_and_shown(
    run: Run, pictures: tuple[Path, Path], rig: Path
) -> None:
    facts = run("encode", *pictures, "-o", "pair.xb", "--register", rig, "--json").json
    assert np.allclose(matrix_of(facts), SHIFT, atol=0.02)
    assert facts["notes"] == []
    assert run("info", "pair.xb", "--json").json["homography"] == facts["homography"]
    assert "  register  infrared to visible pixels: 1.2" in run("info", "pair.xb").out
    assert crossband.info(Path("pair.xb").read_bytes()).records[1].registration is not None


def test_what_info_shows_can_be_given_back(
    run: Run, pictures: tuple[Path, Path], rig: Path
) -> None:
    facts = run("encode", *pictures, "-o", "pair.xb", "--register", rig, "--json").json
    rig.write_text(json.dumps({"homography": facts["homography"]}), encoding="utf-8")
    again = run("encode", *pictures, "-o", "again.xb", "--register", rig, "--json").json
    assert again["homography"] == facts["homography"]


def test_auto_finds_cameras_that_are_apart(run: Run, apart: Pair) -> None:
    outcome = run(
        "encode", "visible.png", "infrared.png", "-o", "pair.xb", "--register", "auto", "--json"
    )
    assert (outcome.code, outcome.err) == (0, "")
    middle = matrix_of(outcome.json) @ [80, 60, 1]
    assert np.allclose(middle[:2] / middle[2], [68, 60], atol=2)


def test_auto_says_why_there_is_no_registration(run: Run, pictures: tuple[Path, Path]) -> None:
    outcome = run("encode", *pictures, "-o", "pair.xb", "--register", "auto")
    assert outcome.code == 0
    assert "not registered: a picture has a side of 20 px" in outcome.complaint
    assert "register" not in run("info", "pair.xb").out


def test_no_registration_is_the_default(run: Run, apart: Pair) -> None:
    facts = run("encode", "visible.png", "infrared.png", "-o", "pair.xb", "--json").json
    assert facts["homography"] is None
    plain = Path("pair.xb").read_bytes()
    assert (
        run("encode", "visible.png", "infrared.png", "-o", "b.xb", "--register", "none").code == 0
    )
    assert Path("b.xb").read_bytes() == plain


def test_a_registration_that_saves_nothing_is_told(
    run: Run,
    pictures: tuple[Path, Path],
    rig: Path,
    storing_codec: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = storing_codec.encode
    monkeypatch.setattr(
        storing_codec,
        "encode",
        lambda pair, **options: whole(pair, **options | {"registration": None}),
    )
    outcome = run("encode", *pictures, "-o", "pair.xb", "--register", rig)
    assert "the registration saves nothing here" in outcome.complaint


@pytest.mark.parametrize(
    ("matrix", "says"),
    [
        ([[1, 0, 0], [2, 0, 0], [0, 0, 1]], "is singular"),
        ([[1, 0, 900], [0, 1, 0], [0, 0, 1]], "outside of the visible one"),
        ([[1, 0, 0], [0, 1, 0], [-0.2, 0, 1]], "to infinity"),
        ([[90, 0, 0], [0, 90, 0], [0, 0, 1]], "widths or heights"),
        ([[1, 0], [0, 1]], "must be 3 x 3 finite numbers"),
    ],
)
def test_a_homography_of_no_use_is_refused(
    run: Run, pictures: tuple[Path, Path], rig: Path, matrix: Any, says: str
) -> None:
    rig.write_text(json.dumps({"homography": matrix}), encoding="utf-8")
    outcome = run("encode", *pictures, "-o", "pair.xb", "--register", rig)
    assert outcome.code != 0
    assert says in outcome.complaint
    assert not Path("pair.xb").exists()


def test_a_file_that_is_not_there_is_named(run: Run, pictures: tuple[Path, Path]) -> None:
    outcome = run("encode", *pictures, "-o", "pair.xb", "--register", "atuo")
    assert outcome.code != 0
    assert "atuo: cannot be read" in outcome.complaint


def test_one_picture_has_nothing_to_register(run: Run, pictures: tuple[Path, Path]) -> None:
    outcome = run("encode", "--infrared-only", "infrared.png", "-o", "p.xb", "--register", "auto")
    assert outcome.code == 2
    assert "--register is for two pictures" in outcome.complaint


def test_a_size_is_reached_with_a_registration(
    run: Run, pictures: tuple[Path, Path], rig: Path, storing_codec: Any, monkeypatch: Any
) -> None:
    asked: list[Any] = []

    def encode_to_size(pair: Pair, **options: Any) -> bytes:
        asked.append(options["registration"])
        data: bytes = storing_codec.encode(pair, registration=options["registration"])
        return data

    monkeypatch.setattr(storing_codec, "encode_to_size", encode_to_size, raising=False)
    for words in (("--target-bpp", "2"), ("--target-bytes", "9000")):
        assert (
            run("encode", *pictures, "-o", "p.xb", "--force", "--register", rig, *words).code == 0
        )
    assert len(asked) == 2 and all(asked)
