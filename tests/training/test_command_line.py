# SPDX-License-Identifier: Apache-2.0
"""`crossband train`, `crossband export` and `python -m crossband.training`."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from crossband.cli import main as crossband
from crossband.training.__main__ import main as training
from crossband.training.loop import Run, StepResult
from crossband.training.recipe import Recipe


@pytest.fixture
def toml(recipe: Recipe, tmp_path: Path) -> Path:
    """The tiny recipe of three steps as a file."""
    lines, tables = [], []
    for key, value in {**asdict(recipe), "steps": 3}.items():
        if isinstance(value, dict):
            entries = "".join(f'"{k}" = {json.dumps(v)}\n' for k, v in value.items())
            tables.append(f"[{key}]\n{entries}")
        else:
            lines.append(f"{key} = {json.dumps(value)}\n")
    path = tmp_path / "tiny.toml"
    path.write_text("".join(lines + tables), encoding="utf-8")
    return path


@pytest.fixture
def words(toml: Path, pairs: Path, tmp_path: Path) -> list[str]:
    """What follows `crossband train`."""
    return [str(toml), "--data", str(pairs), "--run", str(tmp_path / "run"), "--threads", "1"]


@pytest.fixture(params=["crossband train", "python -m crossband.training"])
def train(request: pytest.FixtureRequest) -> Callable[..., int]:
    """Both command lines."""

    def call(*arguments: str) -> int:
        if request.param == "crossband train":
            return crossband(["train", *arguments])
        return training(arguments)

    return call


@pytest.fixture
def one_line(capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """The one line on standard error."""

    def read() -> str:
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1, lines
        assert lines[0].startswith("crossband: ")
        return lines[0]

    return read


def interrupt_first_step(monkeypatch: pytest.MonkeyPatch) -> None:
    step = Run.step

    def interrupted(run: Run) -> StepResult:
        signal.raise_signal(signal.SIGINT)
        return step(run)

    monkeypatch.setattr(Run, "step", interrupted)


def test_training_says_in_one_line_how_far_it_came(
    train: Callable[..., int],
    words: list[str],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    assert train(*words, "--minutes", "0") == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out.startswith(f"{tmp_path / 'run'}: step 1 of 3, loss ")
    assert captured.out.count("\n") == 1
    assert train(*words) == 0
    assert "step 3 of 3" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        *("checkpoint.pt", "log.jsonl", "recipe.json")
    ]


def test_ctrl_c_leaves_a_checkpoint_one_line_and_130(
    train: Callable[..., int],
    words: list[str],
    one_line: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    interrupt_first_step(monkeypatch)
    assert train(*words) == 130
    assert "interrupted after step 1 of 3" in one_line()
    assert (tmp_path / "run" / "checkpoint.pt").is_file()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (["--data", "nowhere"], "nowhere is not a folder"),
        (["--from", "nothing"], "nothing is neither the folder of a run"),
    ],
)
def test_bad_input_is_one_line_and_3(
    train: Callable[..., int],
    words: list[str],
    one_line: Callable[[], str],
    change: list[str],
    said: str,
) -> None:
    assert train(*words, *change) == 3
    assert said in one_line()


def test_an_unknown_recipe_key_is_one_line_and_3(
    train: Callable[..., int], words: list[str], toml: Path, one_line: Callable[[], str]
) -> None:
    toml.write_text("batches = 3\n" + toml.read_text())
    assert train(*words) == 3
    assert "unknown recipe key 'batches'; did you mean 'batch'?" in one_line()


def test_resuming_with_other_steps_is_one_line_and_3(
    train: Callable[..., int], words: list[str], one_line: Callable[[], str]
) -> None:
    assert train(*words, "--minutes", "0") == 0
    assert train(*words, "--steps", "9") == 3
    assert "another recipe (steps: 3 before, 9 now)" in one_line()


def test_wrong_numbers_are_wrong_usage(words: list[str], one_line: Callable[[], str]) -> None:
    assert crossband(["train", *words, "--threads", "0"]) == 2
    assert "--threads" in one_line()
    assert crossband(["train", *words, "--steps", "0"]) == 2
    assert "--steps" in one_line()
    with pytest.raises(SystemExit, match="2"):
        training([*words, "--threads", "0"])


def test_notes_come_first_and_unreadable_pictures_again_at_the_end(
    train: Callable[..., int],
    words: list[str],
    pairs: Path,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    data = tmp_path / "data"
    shutil.copytree(pairs, data)
    for camera in ("visible", "infrared"):
        for number in range(100, 200):
            shutil.copy(data / camera / "000.png", data / camera / f"{number}.png")
    (data / "visible" / "005.png").write_bytes(b"no picture")
    (data / "infrared" / "007.png").unlink()
    assert train(*words, "--data", str(data), "--minutes", "0") == 0
    captured = capsys.readouterr()
    first, second, last = captured.err.splitlines()
    assert "1 of the pictures (visible/007.png) have no partner" in first
    assert "could not be read and were left out" in second
    assert last == "crossband: left out, cannot be read: ./005: not a picture"
    assert ", 1 unreadable files, " in captured.out


def test_json_is_one_object(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert crossband(["train", *words, "--minutes", "0", "--json"]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (told["step"], told["steps"], told["skipped_steps"]) == (1, 3, 0)
    assert told["interrupted"] is False
    assert told["unreadable"] == []
    assert Path(told["checkpoint"]).is_file()


def test_ctrl_c_with_json_is_told_as_json_too(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt_first_step(monkeypatch)
    assert crossband(["train", *words, "--json"]) == 130
    assert json.loads(capsys.readouterr().out)["error"]["kind"] == "Interrupted"


# ---------------------------------------------------------------------------------------- export


def test_a_run_is_exported_trained_on_and_exported_again(
    words: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path, recipe: Recipe
) -> None:
    run, file = str(tmp_path / "run"), tmp_path / "own.safetensors"
    assert crossband(["train", *words, "--minutes", "0"]) == 0
    capsys.readouterr()
    assert crossband(["export", run, "-o", str(file), "--note", "a=b=c"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"{file}: {file.stat().st_size:,} bytes, weights ")
    assert out.endswith(f", step 1 of {run}\n")

    assert crossband(["export", run, "-o", str(file)]) == 3
    assert "--force" in capsys.readouterr().err
    assert crossband(["export", run, "-o", str(file), "--force", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["step"], told["size_bytes"]) == (1, file.stat().st_size)

    other = [*words, "--run", str(tmp_path / "next"), "--from", str(file), "--minutes", "0"]
    assert crossband(["train", *other]) == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["-o", "a.bin"], 2, "weight files end in .safetensors"),
        (["-o", "a.safetensors", "--note", "word"], 2, "write it as KEY=VALUE"),
        (["-o", "a.safetensors", "--note", "recipe=x"], 2, "recipe is written by the export"),
        (["-o", "nowhere/a.safetensors"], 3, "does not exist"),
        (["-o", "a.safetensors"], 3, "holds no checkpoint"),
    ],
)
def test_bad_words_to_export_are_one_line(
    arguments: list[str],
    code: int,
    said: str,
    one_line: Callable[[], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert crossband(["export", ".", *arguments]) == code
    assert said in one_line()
    assert not list(tmp_path.iterdir())
