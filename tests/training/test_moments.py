# SPDX-License-Identifier: Apache-2.0
"""What the optimisers remember goes into a file and comes back to a byte's exactness."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from crossband.errors import OutputError, TrainingError
from crossband.training.export import export, export_moments
from crossband.training.loop import Run
from crossband.training.moments import load_moments, write_moments
from crossband.training.network import TrainableCodec
from crossband.training.optimizers import optimizers_of
from crossband.training.recipe import Recipe

MakeRun = Callable[..., Run]


def remembered(run: Run) -> dict[str, dict[str, Any]]:
    """By the parameters' names."""
    names = {id(parameter): name for name, parameter in run.codec.named_parameters()}
    return {
        names[id(parameter)]: state
        for optimizer in run.optimizers
        for parameter, state in optimizer.state.items()
    }


@pytest.fixture
def trained(new_run: MakeRun) -> Run:
    """A run of twelve steps, with its checkpoint."""
    run = new_run("first", steps=12)
    run.train(progress=False)
    return run


def test_a_run_begins_with_the_moments_of_another(
    trained: Run, new_run: MakeRun, tmp_path: Path
) -> None:
    weights, kept = tmp_path / "w.safetensors", tmp_path / "m.safetensors"
    export(trained.folder, weights)
    assert export_moments(trained.folder, kept) == kept.stat().st_size
    count = sum(each.numel() for each in trained.codec.parameters())
    assert count < kept.stat().st_size < 2.5 * count
    next_run = new_run("next", steps=12, start=weights, moments=kept)
    before, after = remembered(trained), remembered(next_run)
    assert before.keys() == after.keys()
    for name, state in before.items():
        assert state.keys() == after[name].keys()
        for key, value in state.items():
            found = after[name][key]
            assert found.stride() == value.stride()
            if key == "step":
                assert found == value
                continue
            root = torch.sqrt if key == "exp_avg_sq" else torch.clone
            off = (root(found) - root(value)).abs()
            # Half a unit in the last place of two or three bits, or of the smallest number.
            assert (off <= root(value.abs()) / 8 + root(value.abs()).max() * 2.0**-9).all(), name
    assert next_run.step().finite


def test_without_moments_a_run_begins_with_nothing(trained: Run, new_run: MakeRun) -> None:
    assert remembered(trained)
    assert not remembered(new_run("next", steps=12, start=trained.folder))


def test_new_branches_begin_with_nothing(trained: Run, recipe: Recipe, tmp_path: Path) -> None:
    kept = tmp_path / "m.safetensors"
    export_moments(trained.folder, kept)
    codec = TrainableCodec(recipe.codec)
    codec.register_parameter("fresh", torch.nn.Parameter(torch.zeros(3)))
    optimizers = optimizers_of(codec, recipe)
    load_moments(kept, codec, optimizers)
    assert any(optimizer.state for optimizer in optimizers)
    assert not any(codec.fresh in optimizer.state for optimizer in optimizers)


def test_no_file_damaged_ones_and_those_of_other_widths_are_one_line(
    trained: Run, recipe: Recipe, tmp_path: Path
) -> None:
    codec = TrainableCodec(recipe.codec)
    optimizers = optimizers_of(codec, recipe)
    for name, data in (("none", None), ("damaged.safetensors", b"no tensors at all")):
        path = tmp_path / name
        if data is not None:
            path.write_bytes(data)
        with pytest.raises(TrainingError, match="no file of moments"):
            load_moments(path, codec, optimizers)
    layer = torch.nn.Linear(4, 4)
    adam = torch.optim.AdamW(layer.parameters())
    layer(torch.ones(4)).sum().backward()
    adam.step()
    path = tmp_path / "other.safetensors"
    write_moments(path, layer, [adam])
    other = torch.nn.Linear(5, 4)
    with pytest.raises(TrainingError, match=r"its weight has the shape \(4, 4\), the codec's"):
        load_moments(path, other, [torch.optim.AdamW(other.parameters())])


def test_a_folder_that_is_not_there_is_one_line(trained: Run, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="not written"):
        export_moments(trained.folder, tmp_path / "nowhere" / "m.safetensors")
