# SPDX-License-Identifier: Apache-2.0
"""Several processes: the gradient of one with the whole batch, one set of files."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
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
loss, clock = run.step().loss, processes.agree(processes.rank + 1.0, "cpu")
print(f"{loss} {clock}\\n", end="")  # one write: launched processes share the pipe, unbuffered
gradients = {name: weight.grad for name, weight in run.codec.named_parameters()}
torch.save(gradients, Path(sys.argv[3]) / f"gradients-{processes.rank}.pt")
"""


ENVIRONMENT = os.environ | {
    "PYTHONPATH": str(Path(__file__).parents[2] / "src"),
    "OMP_NUM_THREADS": "1",
}
Launch = Callable[[Sequence[str], int], str]


def finished(process: subprocess.Popen[str]) -> str:
    """What it printed."""
    out, err = process.communicate(timeout=500)
    assert process.returncode == 0, err
    return out


def start(command: Sequence[str], **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        env=ENVIRONMENT | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def by_environment(words: Sequence[str], count: int) -> str:
    """Processes that find each other by what torchrun sets."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    together = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    running = [start([sys.executable, *words], **together, RANK=str(rank)) for rank in range(count)]
    return "".join(map(finished, running))


def by_accelerate(words: Sequence[str], count: int) -> str:
    """`accelerate launch` itself; --multi_gpu means several processes, also where no GPU is."""
    options = ["--multi_gpu", "--num_processes", str(count), "--num_machines", "1"]
    plain = ["--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]
    launch = [sys.executable, "-m", "accelerate.commands.launch", *options, *plain]
    return finished(start([*launch, *words]))


LAUNCHERS = [
    pytest.param(by_environment, id="torchrun's environment"),
    pytest.param(
        by_accelerate,
        id="accelerate launch",
        marks=pytest.mark.skipif(
            importlib.util.find_spec("accelerate") is None,
            reason="needs accelerate: pip install crossband[test]",
        ),
    ),
]


def flat(path: Path) -> torch.Tensor:
    found = torch.load(path, weights_only=True)
    return torch.cat([value.flatten() for value in found.values() if value is not None])


@pytest.fixture(scope="module")
def gradients(
    recipe: Recipe, pairs: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Launch, int, int], torch.Tensor]:
    """That of one step by so many processes with so many crops in all; each is taken once."""
    # Long gradients are not shortened, so that their length is compared too.
    long = replace(recipe, clip_norm=1e9)
    script = tmp_path_factory.mktemp("step") / "one_step.py"
    script.write_text(ONE_STEP)
    known: dict[tuple[Launch, int, int], torch.Tensor] = {}

    def found(launch: Launch, count: int, batch: int) -> torch.Tensor:
        if (launch, count, batch) not in known:
            folder = tmp_path_factory.mktemp("run")
            asked = replace(long, batch=batch).to_json()
            said = launch([str(script), asked, str(pairs), str(folder)], count).split("\n")
            (line,) = set(said) - {""}  # the mean loss and clock, everywhere
            assert float(line.split()[1]) == (1 + count) / 2
            each = [flat(folder / f"gradients-{rank}.pt") for rank in range(count)]
            assert all(torch.equal(one, each[0]) for one in each)
            known[launch, count, batch] = each[0]
        return known[launch, count, batch]

    return found


@pytest.mark.parametrize("launch", LAUNCHERS)
def test_two_processes_have_the_gradient_of_one_with_the_double_batch(
    gradients: Callable[[Launch, int, int], torch.Tensor], launch: Launch
) -> None:
    two, one = gradients(launch, 2, 4), gradients(by_environment, 1, 4)
    half = gradients(by_environment, 1, 2)
    length = one.norm()
    assert (two - one).norm() < 1e-3 * length
    assert (half - one).norm() > 0.05 * length


@pytest.mark.parametrize("launch", LAUNCHERS)
def test_two_processes_train_one_run(launch: Launch, pairs: Path, tmp_path: Path) -> None:
    path, run = tmp_path / "two.toml", tmp_path / "run"
    codec = "".join(f"{key} = {value}\n" for key, value in WIDTHS.items())
    path.write_text(
        "steps = 4\nbatch = 2\ncrop = 64\nwarmup_steps = 0\ninteger_steps = 0\n"
        f"[sources]\n'.' = 1.0\n[validation_sources]\n'.' = 1\n[codec]\n{codec}"
    )
    words = ["-m", "crossband.training", str(path), "--data", str(pairs), "--run", str(run)]
    assert launch(words, 2).count("step 4 of 4") == 2
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
