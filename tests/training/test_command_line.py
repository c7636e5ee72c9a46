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

from crossband.bench import run as bench_run
from crossband.cli import main as crossband
from crossband.training import request
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
    assert captured.out.endswith("; the same command goes on\n")
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
        (["--set", "kayst"], "no data set is called kayst; allowed are bsds500"),
        (["--set", "kaist"], "(. as kaist: set*/V*/{visible,lwir}; "),
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


def test_a_run_without_steps_and_minutes_is_refused_before_anything_is_read(
    train: Callable[..., int], toml: Path, tmp_path: Path, one_line: Callable[[], str]
) -> None:
    toml.write_text(toml.read_text().replace("steps = 3\n", "", 1))
    run = str(tmp_path / "run")
    assert train(str(toml), "--data", "nowhere", "--run", run) == 3
    assert "give --minutes or --steps" in one_line()
    assert not Path(run).exists()


def test_without_a_recipe_own_pairs_are_trained_from_shipped_weights_into_runs_own(
    train: Callable[..., int],
    pairs: Path,
    one_line: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = []
    monkeypatch.setattr(request, "Run", lambda *words, **more: asked.append((words, more)))
    with pytest.raises(AttributeError):  # there is no run
        train("--data", str(pairs), "--minutes", "60")
    (((recipe, data, folder), options),) = asked
    assert (recipe.name, data, folder) == ("own", pairs, Path("runs/own"))
    assert options["start"] == "base"


def test_a_published_set_is_read_as_its_archive_unpacks(
    train: Callable[..., int], words: list[str], pairs: Path, tmp_path: Path
) -> None:
    kaist = tmp_path / "kaist"
    for camera, folder in (("visible", "visible"), ("infrared", "lwir")):
        shutil.copytree(pairs / camera, kaist / "set00" / "V000" / folder)
    assert train(*words, "--data", str(kaist), "--set", "kaist", "--minutes", "0") == 0
    written = json.loads((tmp_path / "run" / "recipe.json").read_text())
    assert written["layouts"] == {".": "kaist"}


def test_resuming_with_other_steps_is_one_line_and_3(
    train: Callable[..., int], words: list[str], one_line: Callable[[], str]
) -> None:
    assert train(*words, "--minutes", "0") == 0
    assert train(*words, "--steps", "9") == 3
    assert "another recipe (steps: 3 before, 9 now)" in one_line()


@pytest.mark.parametrize(
    "option", [("--threads", "0"), ("--steps", "0"), ("--minutes", "-1"), ("--minutes", "nan")]
)
def test_wrong_numbers_are_wrong_usage(
    words: list[str], option: tuple[str, str], one_line: Callable[[], str]
) -> None:
    assert crossband(["train", *words, *option]) == 2
    assert option[0] in one_line()
    with pytest.raises(SystemExit, match="2"):
        training([*words, *option])


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
    assert (told["done"], told["table"]) == (False, None)
    assert told["interrupted"] is False
    assert told["unreadable"] == []
    assert Path(told["checkpoint"]).is_file()


def test_ctrl_c_with_json_is_told_as_json_too(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt_first_step(monkeypatch)
    assert crossband(["train", *words, "--json"]) == 130
    assert json.loads(capsys.readouterr().out)["error"]["kind"] == "Interrupted"


# --------------------------------------------------------------------------------- before and after


def test_a_run_from_other_weights_ends_with_a_table_of_files_before_and_after(
    words: list[str], tiny_weights: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run, start = tmp_path / "run", str(tiny_weights)
    assert crossband(["train", *words, "--from", start]) == 0
    captured = capsys.readouterr()
    line, _, table = captured.out.partition("\n\n")
    assert "step 3 of 3" in line
    own = f"crossband@{run / 'weights.safetensors'}"
    for codec in (f"crossband@{start}", own):
        assert table.count(f"| val | {codec} |") == 5
    assert f"| val | 1 | {own} |" in table
    rows = (run / "before-after.jsonl").read_text()

    # Again: nothing is measured twice, the start is remembered.
    assert crossband(["train", *words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["done"], told["table"]["against"]) == (True, f"crossband@{start}")
    assert (run / "before-after.jsonl").read_text() == rows
    (measured,) = told["table"]["lines"]
    assert measured["codec"] == own

    assert crossband(["train", *words, "--no-table"]) == 0
    assert "| val" not in capsys.readouterr().out


def test_a_run_from_a_run_is_compared_with_its_weights(
    words: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert crossband(["train", *words]) == 0
    first, second = tmp_path / "run", tmp_path / "second"
    capsys.readouterr()
    assert crossband(["train", *words, "--run", str(second), "--from", str(first)]) == 0
    assert f"crossband@{second / 'start.safetensors'}" in capsys.readouterr().out
    assert (second / "weights.safetensors").is_file()


def test_ctrl_c_in_the_table_says_that_the_run_is_done(
    words: list[str],
    tiny_weights: Path,
    one_line: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(bench_run, "run", interrupted)
    assert crossband(["train", *words, "--from", str(tiny_weights)]) == 130
    assert "interrupted; the run is done" in one_line()


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
