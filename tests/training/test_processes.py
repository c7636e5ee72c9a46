# SPDX-License-Identifier: Apache-2.0
"""Several processes: the gradient of one with the whole batch, one set of files."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from crossband.errors import TrainingError
from crossband.training.loop import Run
from crossband.training.processes import Processes
from crossband.training.recipe import Recipe
from crossband.training.run_log import read_rows

# One step in float32 with equal "noise" everywhere; its gradients go to a file.
ONE_STEP = """
import contextlib, sys, torch
from pathlib import Path
from crossband.training.loop import Run
from crossband.training.processes import Processes
from crossband.training.recipe import recipe_from_mapping
import json
torch.set_num_threads(1)
torch.autocast = lambda *_, **__: contextlib.nullcontext()
torch.rand_like = lambda values: torch.full_like(values, 0.7)
recipe = recipe_from_mapping(json.loads(sys.argv[1]), "test")
processes = Processes.from_environment()
run = Run(recipe, Path(sys.argv[2]), Path(sys.argv[3]), device="cpu", processes=processes)
print(run.step().loss, processes.agree(processes.rank + 1.0, "cpu"))
gradients = {name: weight.grad for name, weight in run.codec.named_parameters()}
torch.save(gradients, Path(sys.argv[3]) / f"gradients-{processes.rank}.pt")
"""


def launched(command: Sequence[str], *, count: int) -> list[subprocess.CompletedProcess[str]]:
    """Processes of one training, as torchrun and accelerate start them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "PYTHONPATH": str(Path(__file__).parents[2] / "src"),
        "WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "OMP_NUM_THREADS": "1",
    }
    running = [
        subprocess.Popen(
            [sys.executable, *command],
            env=environment | {"RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(count)
    ]
    finished = []
    for process in running:
        out, err = process.communicate(timeout=240)
        finished.append(subprocess.CompletedProcess(command, process.returncode, out, err))
    return finished


def flat(path: Path) -> torch.Tensor:
    found = torch.load(path, weights_only=True)
    return torch.cat([value.flatten() for value in found.values() if value is not None])


def test_two_processes_have_the_gradient_of_one_with_the_double_batch(
    recipe: Recipe, pairs: Path, tmp_path: Path
) -> None:
    # Small steps of the gradient are not cut off, so that its length is compared too.
    recipe = replace(recipe, batch=4, clip_norm=1e9)
    found = {}
    for name, count, batch in (("two", 2, 4), ("one", 1, 4), ("half", 1, 2)):
        (tmp_path / name).mkdir()
        asked = replace(recipe, batch=batch).to_json()
        results = launched(["-c", ONE_STEP, asked, str(pairs), str(tmp_path / name)], count=count)
        for result in results:
            assert result.returncode == 0, result.stderr
        (said,) = {result.stdout for result in results}  # the mean loss and clock, everywhere
        assert float(said.split()[1]) == (1 + count) / 2
        found[name] = flat(tmp_path / name / "gradients-0.pt")
    assert torch.equal(found["two"], flat(tmp_path / "two" / "gradients-1.pt"))
    length = found["one"].norm()
    assert (found["two"] - found["one"]).norm() < 1e-3 * length
    assert (found["half"] - found["one"]).norm() > 0.05 * length


def test_two_processes_train_one_run(recipe: Recipe, pairs: Path, tmp_path: Path) -> None:
    path, run = tmp_path / "two.toml", tmp_path / "run"
    codec = "".join(f"{key} = {value}\n" for key, value in WIDTHS.items())
    path.write_text(
        "steps = 4\nbatch = 2\ncrop = 64\nwarmup_steps = 0\ninteger_steps = 0\n"
        f"[sources]\n'.' = 1.0\n[validation_sources]\n'.' = 1\n[codec]\n{codec}"
    )
    command = ["-m", "crossband.training", str(path), "--data", str(pairs), "--run", str(run)]
    for result in launched(command, count=2):
        assert result.returncode == 0, result.stderr
        assert "step 4 of 4" in result.stdout
    assert sorted(each.name for each in run.iterdir()) == [
        *("checkpoint.pt", "log.jsonl", "recipe.json")
    ]
    kinds = [("data" in row, "loss" in row, "validation" in row) for row in read_rows(run)]
    assert kinds == [(True, False, False), (False, True, False), (False, False, True)]


WIDTHS = {
    "visible_channels": 32,
    "visible_deep_channels": 32,
    "visible_latents": 48,
    "infrared_channels": 32,
    "infrared_deep_channels": 32,
    "infrared_latents": 40,
    "entropy_width": 32,
}


def test_a_batch_that_does_not_divide_is_refused(
    recipe: Recipe, pairs: Path, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match="batch of 2 crops does not divide into 3 processes"):
        Run(recipe, pairs, tmp_path / "run", device="cpu", processes=Processes(0, 3))
    assert not (tmp_path / "run").exists()


def test_a_process_that_is_alone_in_its_group_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(TrainingError, match="the 2 processes of this training do not find each"):
        Processes.from_environment()
