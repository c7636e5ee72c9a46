# SPDX-License-Identifier: Apache-2.0
"""The command line with the shipped weights: a pair there and back, and the whole demo."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import crossband
import crossband.models
from crossband import Modality, Pair
from crossband.bench.metrics import psnr
from crossband.cli import main
from crossband.sources import read_pair, write
from crossband.testing import synthetic_pair

pytestmark = pytest.mark.skipif(
    "base" not in getattr(crossband.models, "names", tuple)(),
    reason="the weights `base` are not in this tree",
)

Files = tuple[Path, Path]


@pytest.fixture(scope="module")
def codec() -> Any:
    return crossband.load("base")


@pytest.fixture
def answer(
    codec: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Callable[..., dict[str, Any]]:
    """Runs a command in an empty folder with weights loaded once; gives its JSON."""
    monkeypatch.setattr(crossband, "load", lambda name="base": codec)
    monkeypatch.chdir(tmp_path)

    def call(*words: object) -> dict[str, Any]:
        capfd.readouterr()
        code = main([*map(str, words), "--json"])
        captured = capfd.readouterr()
        assert code == 0, captured.err
        facts: dict[str, Any] = json.loads(captured.out)
        return facts

    return call


@pytest.fixture
def scene() -> Pair:
    return synthetic_pair(visible=(96, 128), infrared=(80, 100), infrared_bit_depth=14)


@pytest.fixture
def files(tmp_path: Path, scene: Pair) -> Files:
    visible, infrared = tmp_path / "visible.png", tmp_path / "infrared.png"
    assert scene.visible is not None and scene.infrared is not None
    write(scene.visible, visible)
    write(scene.infrared, infrared)
    return visible, infrared


def test_a_pair_goes_there_and_back(
    answer: Callable[..., dict[str, Any]], files: Files, scene: Pair
) -> None:
    facts = answer("encode", *files, "-o", "pair.xb", "-q", 80)
    assert facts["weights_name"] == "base"
    assert answer("verify", "pair.xb")["failed"] == 0
    answer("decode", "pair.xb", "-o", ".")
    back = read_pair(Path("pair.visible.png"), Path("pair.infrared.png")).pair
    for modality in Modality:
        before, after = scene.get(modality), back.get(modality)
        assert before is not None and after is not None
        assert psnr(before, after) > 22


def test_a_higher_quality_is_a_larger_file(
    answer: Callable[..., dict[str, Any]], files: Files
) -> None:
    sizes = [
        answer("encode", *files, "-o", f"{quality}.xb", "-q", quality)["size_bytes"]
        for quality in (10, 50, 90)
    ]
    assert sizes == sorted(set(sizes))


def test_a_size_asked_for_is_kept_and_nearly_used(
    answer: Callable[..., dict[str, Any]], files: Files
) -> None:
    middle = answer("encode", *files, "-o", "middle.xb", "-q", 50)["size_bytes"]
    facts = answer("encode", *files, "-o", "pair.xb", "--target-bytes", middle)
    assert 0.8 * middle < facts["size_bytes"] <= middle


def test_the_demo_decodes_in_a_process_of_its_own(
    answer: Callable[..., dict[str, Any]], files: Files
) -> None:
    facts = answer("demo", *files)
    ours = facts["results"][0]
    assert ours["codec"] == "crossband"
    assert min(ours["psnrs_db"].values()) > 20
    assert facts["decode_process_s"] > ours["decode_s"]
    written = read_pair(
        Path("crossband-demo/crossband-demo.visible.png"),
        Path("crossband-demo/crossband-demo.infrared.png"),
    ).pair
    decoded = crossband.load("base").decode(Path(facts["coded_file"]).read_bytes())
    assert written.equals(decoded)


def test_the_doctor_finds_nothing_vital_missing(
    answer: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    checks = answer("doctor")["checks"]
    wanted = {"weights base", "self-test", "golden file"}
    assert wanted <= {check["name"] for check in checks}


def test_a_file_made_with_own_weights_decodes_only_with_them_named(
    scene: Pair, tiny_weights: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert scene.visible is not None
    write(scene.visible, tmp_path / "visible.png")
    coded = tmp_path / "own.xb"
    own = ("--model", str(tiny_weights))
    picture = str(tmp_path / "visible.png")
    assert main(["encode", "--visible-only", picture, "-o", str(coded), *own]) == 0
    assert main(["decode", str(coded), "-o", str(tmp_path)]) == 3
    assert "--model FILE" in capfd.readouterr().err
    assert main(["decode", str(coded), "-o", str(tmp_path), *own]) == 0
    assert main(["verify", str(coded), *own]) == 0
    assert (tmp_path / "own.visible.png").is_file()
