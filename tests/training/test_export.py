# SPDX-License-Identifier: Apache-2.0
"""From a run to a weight file that codes, and from there to a codec that trains on."""

from __future__ import annotations

import errno
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import crossband
from crossband import models
from crossband.entropy.fixed_point import (
    IntegerWeights,
    RealLayer,
    dequantize_weights,
    quantize_weights,
)
from crossband.errors import OutputError, TrainingError
from crossband.testing import synthetic_pair
from crossband.training.export import export, exported_tensors, write_weights
from crossband.training.loop import Run
from crossband.training.network import TrainableCodec
from crossband.training.start import load_exported, starting_codec

MakeRun = Callable[..., Run]


@pytest.fixture(scope="module")
def trained(pairs: Path, recipe: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of eight steps."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("runs") / "trained"
    Run(replace(recipe, steps=8), pairs, folder, device="cpu").train(progress=False)
    return folder


@pytest.fixture(scope="module")
def weights(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "trained.safetensors"
    export(trained, path, notes={"camera": "rendered"})
    return path


def test_exported_weights_code_a_pair(weights: Path) -> None:
    codec = crossband.load(str(weights))
    pair = synthetic_pair(visible=(40, 50), infrared=(33, 47), infrared_bit_depth=14, seed=3)
    for quality in (10, 60):
        data = codec.encode(pair, quality=quality)
        decoded = codec.decode(data)
        codec.verify(data)
        assert decoded.visible is not None and decoded.infrared is not None
        assert decoded.visible.samples.shape == (40, 50, 3)
        assert decoded.infrared.samples.shape == (33, 47)
        assert decoded.infrared.bit_depth == 14


def test_exporting_twice_gives_the_same_file(weights: Path, trained: Path, tmp_path: Path) -> None:
    for _ in range(3):
        export(trained, tmp_path / "again.safetensors", notes={"camera": "rendered"})
        assert (tmp_path / "again.safetensors").read_bytes() == weights.read_bytes()


def test_metadata_tell_recipe_data_date_steps_validation_and_notes(
    weights: Path, trained: Path
) -> None:
    said = models.describe(str(weights)).metadata
    assert said.keys() == {*("settings", "recipe", "steps", "date", "data", "validation", "camera")}
    assert said["steps"] == "8"
    assert said["camera"] == "rendered"
    assert json.loads(said["recipe"]) == json.loads((trained / "recipe.json").read_text())
    assert json.loads(said["data"])["pairs"] == 11
    assert {point["mode"] for point in json.loads(said["validation"])} == {"joint", "alone"}


def test_exporting_what_a_weight_file_gives_yields_the_same_tensors(weights: Path) -> None:
    before = load_file(weights)
    after = exported_tensors(load_exported(weights))
    assert before.keys() == after.keys()
    for key, value in before.items():
        assert value.dtype == after[key].dtype, key
        assert torch.equal(value, after[key]), key


def test_gains_are_kept_to_the_nearest_power_of_two(weights: Path, trained: Path) -> None:
    codec = TrainableCodec(load_exported(weights).settings)
    state = torch.load(trained / "checkpoint.pt", weights_only=True)
    codec.load_state_dict(state["average"])
    loaded = load_exported(weights)
    seen = 0
    for (name, before), after in zip(codec.named_modules(), loaded.modules(), strict=True):
        if isinstance(before, RealLayer) and isinstance(after, RealLayer):
            for key in ("row_gain", "column_gain"):
                ratio = getattr(after, key) / getattr(before, key)
                assert ((ratio > 0.70) & (ratio < 1.42)).all(), f"{name}.{key}"
                seen += int((getattr(after, key) != 1).any())
            exact = zip(before.exact(), after.exact(), strict=True)
            assert all((a - b).abs().max() < 1e-3 for a, b in exact), name
    assert seen > 10


def test_loaded_weights_estimate_what_the_average_did(
    weights: Path, trained: Path, new_run: MakeRun
) -> None:
    run = new_run("other", start=trained)
    batch = run.sampler.draw(2)
    quality = torch.tensor([10, 40])
    average, loaded = run.codec, load_exported(weights)
    with torch.no_grad():
        wanted, found = (
            codec(batch.visible, batch.infrared, quality, noise=False)
            for codec in (average, loaded)
        )
    for one, other in ((wanted.visible, found.visible), (wanted.infrared, found.infrared)):
        assert torch.allclose(one.bits, other.bits, rtol=0.02)
        assert (one.picture - other.picture).abs().mean() < 0.01


@pytest.mark.parametrize("seed", range(5))
def test_dequantized_layers_are_quantized_to_the_same_integers(seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    scale = torch.exp(3 * torch.randn(64, 1, generator=random))
    weight = torch.randn(64, 20, generator=random) * scale
    weight[0] = 0
    weight[1, 0] = 32_767 / 2**9  # the largest integer at its shift
    weight[2] *= 1e-6
    bias = torch.randn(64, generator=random) * 30
    first = quantize_weights(weight, bias)
    again = quantize_weights(*dequantize_weights(first))
    for field in ("weight", "bias", "shift"):
        assert torch.equal(getattr(first, field), getattr(again, field)), field


@pytest.mark.parametrize("shift", range(16))
@pytest.mark.parametrize("largest", [16_384, 16_385, 32_766, 32_767])
def test_every_shift_survives_its_largest_and_smallest_integer(shift: int, largest: int) -> None:
    integer = IntegerWeights(
        torch.tensor([[largest, -3]], dtype=torch.int16),
        torch.tensor([-5 << shift], dtype=torch.int32),
        torch.tensor([shift], dtype=torch.uint8),
    )
    again = quantize_weights(*dequantize_weights(integer))
    assert torch.equal(again.shift, integer.shift)
    assert torch.equal(again.weight, integer.weight)
    assert torch.equal(again.bias, integer.bias)


# ------------------------------------------------------------------------------------ beginnings


def test_training_goes_on_from_a_run_a_checkpoint_and_a_weight_file(
    trained: Path, weights: Path, new_run: MakeRun
) -> None:
    wanted = torch.load(trained / "checkpoint.pt", weights_only=True)["average"]
    for start in (trained, str(trained / "checkpoint.pt")):
        found = starting_codec(start, load_exported(weights).settings).state_dict()
        assert all(torch.equal(found[key], wanted[key]) for key in wanted)
    run = new_run("next", start=str(weights), steps=2)
    assert run.train(progress=False).step == 2


def test_branches_that_the_weights_lack_are_new_and_add_nothing_yet(
    weights: Path, new_run: MakeRun, recipe: Any
) -> None:
    bare = replace(
        recipe.codec, channel_alignment=False, spatial_alignment=False, entropy_context=False
    )
    without = new_run("without", start=str(weights), codec=bare)
    without.save()
    again = new_run("again", start=without.folder)
    kept, state = without.codec.state_dict(), again.codec.state_dict()
    assert all(torch.equal(state[name], kept[name]) for name in kept)
    assert "visible.entropy.prior.partner_in.weight" in state.keys() - kept.keys()
    for network in (again.codec.visible, again.codec.infrared):
        assert not network.entropy.lacks_partner_scales()
    batch = again.sampler.draw(2)
    pictures = (batch.visible, batch.infrared, torch.tensor([24, 24]))
    with torch.no_grad():
        joint = again.codec(*pictures, noise=False)
        alone = again.codec(*pictures, noise=False, alone=True)
    assert torch.equal(joint.visible.picture, alone.visible.picture)
    assert torch.equal(joint.visible.bits, alone.visible.bits)


def test_weights_of_another_shape_are_refused_with_the_key_that_differs(
    trained: Path, weights: Path, new_run: MakeRun, recipe: Any
) -> None:
    wider = replace(recipe.codec, entropy_width=48)
    for start in (trained, weights):
        with pytest.raises(TrainingError, match=r"has entropy_width = 48, the weights of .* 32;"):
            new_run("wider", start=start, codec=wider)


@pytest.mark.parametrize("start", ["nothing", "nowhere/nothing.safetensors"])
def test_weights_that_are_not_there_are_named(new_run: MakeRun, start: str) -> None:
    with pytest.raises(TrainingError, match=f"{start} is neither the folder of a run, nor"):
        new_run(start=start)


def test_an_empty_folder_is_no_run(new_run: MakeRun, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="holds no checkpoint"):
        new_run(start=tmp_path)
    with pytest.raises(TrainingError, match="holds no checkpoint"):
        export(tmp_path, tmp_path / "a.safetensors")


def test_a_weight_file_without_its_knots_is_refused_in_one_line(
    weights: Path, tmp_path: Path
) -> None:
    tensors = {key: v for key, v in load_file(weights).items() if ".training." not in key}
    metadata = models.describe(str(weights)).metadata
    save_file(tensors, tmp_path / "old.safetensors", metadata=metadata)
    with pytest.raises(TrainingError, match="exported to code, not to train on"):
        load_exported(tmp_path / "old.safetensors")
    crossband.load(str(tmp_path / "old.safetensors"))


def test_tensors_that_do_not_fit_are_refused_in_one_line(weights: Path, tmp_path: Path) -> None:
    tensors = load_file(weights)
    tensors["visible.training.hyper_index"] = torch.zeros(8, 3)
    metadata = models.describe(str(weights)).metadata
    save_file(tensors, tmp_path / "odd.safetensors", metadata=metadata)
    with pytest.raises(TrainingError, match="does not fit its own settings") as caught:
        load_exported(tmp_path / "odd.safetensors")
    assert "\n" not in str(caught.value)


def test_a_full_disk_leaves_the_weight_file_as_it_was(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codec = load_exported(weights)
    target = tmp_path / "a.safetensors"
    target.write_bytes(b"before")
    opened = Path.open

    class Full(io.BytesIO):
        def write(self, data: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    def full(path: Path, mode: str = "r", **more: Any) -> Any:
        return Full() if "w" in mode else opened(path, mode, **more)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(OutputError, match="the disk is full"):
        write_weights(codec, target)
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]
    assert target.read_bytes() == b"before"
