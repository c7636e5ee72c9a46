# SPDX-License-Identifier: Apache-2.0
"""Recorded steps do what steps do; here a recording is played by doing the work again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from crossband.training.loop import Run
from crossband.training.recipe import Recipe
from crossband.training.replay import Replays


class Replayed:
    """Like a CUDA graph: recording does nothing, a replay writes where gradients and result lie."""

    def __init__(self, work: Callable[[], Tensor]) -> None:
        chance = torch.get_rng_state()
        self.work, self.result, self.times = work, work(), 0
        torch.set_rng_state(chance)

    def replay(self) -> None:
        self.times += 1
        self.result = self.work()


class Recorder:
    """Keeps what it recorded."""

    def __init__(self) -> None:
        self.made: list[Replayed] = []

    def __call__(self, work: Callable[[], Tensor]) -> Replayed:
        self.made.append(Replayed(work))
        return self.made[-1]


@pytest.fixture
def layer() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(3, 1)


def work_of(layer: nn.Linear) -> Callable[[Tensor], Tensor]:
    def work(given: Tensor) -> Tensor:
        layer.zero_grad()
        loss = layer(given).square().sum()
        loss.backward()
        return loss.detach()

    return work


def test_a_replay_sees_new_inputs_and_leaves_their_gradients(layer: nn.Linear) -> None:
    recorder = Recorder()
    replays = Replays(tuple(layer.parameters()), recorder)
    for number in range(8):
        given = torch.full((2, 3), float(number))
        found = replays("kind", work_of(layer), given)
        gradient = layer.weight.grad
        assert gradient is not None
        gradient = gradient.clone()
        assert torch.equal(found, work_of(layer)(given))
        assert torch.equal(gradient, layer.weight.grad)
    (made,) = recorder.made
    assert made.times == 5


def test_each_kind_is_recorded_by_itself_and_none_never(layer: nn.Linear) -> None:
    recorder = Recorder()
    replays = Replays(tuple(layer.parameters()), recorder)
    for _ in range(5):
        for kind in ("one", "other", None):
            replays(kind, work_of(layer), torch.ones(2, 3))
    assert [made.times for made in recorder.made] == [2, 2]


def test_what_cannot_be_recorded_is_done_as_it_is(layer: nn.Linear) -> None:
    def record(work: Callable[[], Tensor]) -> Replayed:
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    replays = Replays(tuple(layer.parameters()), record)
    given = torch.ones(2, 3)
    for _ in range(6):
        found = replays("kind", work_of(layer), given)
        assert torch.equal(found, work_of(layer)(given))
        assert layer.weight.grad is not None
    assert replays.failure == "operation not permitted when stream is capturing"


def weights(run: Run) -> list[Tensor]:
    return [each.detach() for each in run.codec.parameters()]


def test_a_run_of_recorded_steps_is_the_same_run(
    recipe: Recipe, pairs: Path, tmp_path: Path
) -> None:
    recipe = replace(
        recipe, alone_share=0.5, reversed_share=0.0, steps=24, hyper_free_steps=2, integer_steps=8
    )
    recorder = Recorder()
    runs = []
    for name, record in (("plain", None), ("recorded", recorder)):
        run = Run(recipe, pairs, tmp_path / name, device="cpu", record=record)
        run.train()
        runs.append(run)
    # Jointly and alone, before the steps that imitate integers and in them.
    assert len(recorder.made) >= 3
    assert sum(made.times for made in recorder.made) >= 8
    for one, other in zip(*map(weights, runs), strict=True):
        assert torch.equal(one, other)


def test_the_log_says_why_nothing_is_recorded(recipe: Recipe, pairs: Path, tmp_path: Path) -> None:
    def record(work: Callable[[], Tensor]) -> Replayed:
        raise RuntimeError("no graph here")

    run = Run(recipe, pairs, tmp_path / "run", device="cpu", record=record)
    run.train()
    rows = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
    assert [row["not_recorded"] for row in rows if "loss" in row][-1] == "no graph here"
