# SPDX-License-Identifier: Apache-2.0
"""Weight files: found by name, path or id, and loaded as exactly what was exported."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from crossband import models
from crossband.entropy.fixed_point import IntegerLayer
from crossband.entropy.tables import TABLE_COUNT
from crossband.errors import MissingWeights, PictureError
from crossband.models.settings import CodecSettings
from crossband.pair import Modality
from crossband.prepare import geometry, prepare
from crossband.testing import synthetic_pair
from crossband.training.export import exported_tensors, write_weights
from crossband.training.network import TrainableCodec
from crossband.transforms import QUALITY_COUNT


def test_base_is_shipped_and_says_where_it_comes_from():
    assert "base" in models.names()
    card = models.describe("base")
    assert card.name == "base"
    assert {"settings", "recipe", "steps", "date", "validation"} <= card.metadata.keys()
    assert json.loads(card.metadata["recipe"])["sources"]
    assert card.size_bytes == card.path.stat().st_size
    assert card.parameters > 1_000_000


@pytest.mark.parametrize("modality", list(Modality))
def test_the_hyper_latents_of_base_say_something(modality):
    """In the first weights they were all zero, and the codec 15 % worse."""
    model = models.load("base").get(modality)
    raster = synthetic_pair(visible=(256, 320), infrared=(256, 320), seed=5).get(modality)
    assert raster is not None
    picture = prepare(raster, modality, geometry(raster))
    for quality_index in (10, 30):
        analysis = model.transforms.analysis
        features = analysis.features(picture, torch.tensor([quality_index]))
        hyper = model.hyper(analysis(features, None, torch.ones(1)), quality_index)
        assert (torch.round(hyper) != 0).float().mean() > 0.02


@pytest.mark.parametrize("name", models.names())
def test_a_weight_file_is_named_by_its_digest_and_found_by_it(name):
    card = models.describe(name)
    digest = hashlib.sha256(card.path.read_bytes()).digest()
    assert card.weights_id == digest[:8].hex()
    assert models.find(digest[:8]) == card


def test_names_and_cards_need_no_torch():
    code = (
        "import sys; from crossband import models; models.describe(models.names()[0]);"
        "assert 'torch' not in sys.modules"
    )
    source = str(Path(models.__file__).parents[2])
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": source})


def test_weights_elsewhere_are_described_by_their_path(tiny_weights):
    card = models.describe(str(tiny_weights))
    assert card.path == tiny_weights
    assert card.name == "tiny"
    assert card.metadata["recipe"] == "tests"


def test_a_changed_file_is_described_anew(tiny_weights, tmp_path):
    path = tmp_path / "copy.safetensors"
    path.write_bytes(tiny_weights.read_bytes())
    before = models.describe(str(path))
    path.write_bytes(Path(models.describe("base").path).read_bytes())
    assert models.describe(str(path)).weights_id != before.weights_id


@pytest.mark.parametrize("name", ["bass", "", "nowhere/base.safetensors"])
def test_unknown_weights_are_refused_with_the_known_ones(name):
    with pytest.raises(PictureError, match=r"no weights called .*; shipped are .*base"):
        models.describe(name)


def test_a_file_that_holds_no_weights_is_refused(tmp_path):
    path = tmp_path / "text.safetensors"
    path.write_text("weights, honest")
    with pytest.raises(PictureError, match="is not a weight file"):
        models.describe(str(path))


@pytest.mark.parametrize(
    ("keep", "metadata"),
    [
        (["tables.radius"], None),
        (["tables.radius"], {"settings": "{}"}),
        (["tables.radius"], {"settings": "no JSON"}),
        (["tables.radius"], {"settings": '{"colour": 3}'}),
        (None, {"settings": "{}"}),
        ([], {"settings": "{}"}),
    ],
)
def test_weights_that_are_not_of_this_codec_are_refused(tiny_weights, tmp_path, keep, metadata):
    tensors = load_file(tiny_weights)
    path = tmp_path / "other.safetensors"
    save_file({key: tensors[key] for key in (tensors if keep is None else keep)}, path, metadata)
    with pytest.raises(PictureError, match="does not hold weights of this crossband") as caught:
        models.load(str(path))
    assert "\n" not in str(caught.value)


def test_an_id_that_is_not_here_is_refused_with_those_that_are():
    here = models.describe("base").weights_id
    with pytest.raises(MissingWeights, match=f"0102030405060708, .* here are base .{here}."):
        models.find(bytes(range(1, 9)))


# --- what an export holds ---------------------------------------------------------------------


def test_every_number_that_decides_a_probability_is_an_integer(tiny_weights):
    with safe_open(tiny_weights, framework="pt") as file:
        kinds = {key: file.get_tensor(key).dtype for key in file.keys()}  # noqa: SIM118
    for key, kind in kinds.items():
        part = key.split(".", 1)[1]
        if key.startswith("tables.") or part.startswith(("prior.", "qualities.", "coefficient_")):
            assert kind in (torch.int16, torch.int32, torch.uint8), key
        elif part.startswith(("transforms.", "hyper_analysis.")):
            assert kind == torch.float16, key
        else:  # the encoder's, and what only a further training reads
            assert part == "hyper_gain" or part.startswith("training."), key


def test_exporting_twice_gives_the_same_numbers(tiny_trainable, tiny_weights, tmp_path):
    """Though not the same bytes: the order of metadata in the header is the library's."""
    again = tmp_path / "tiny.safetensors"
    write_weights(tiny_trainable, again, metadata={"recipe": "tests"})
    first, second = load_file(tiny_weights), load_file(again)
    assert first.keys() == second.keys()
    for key, value in first.items():
        assert value.dtype == second[key].dtype
        assert np.array_equal(value, second[key])
    cards = models.describe(str(tiny_weights)), models.describe(str(again))
    assert cards[0].metadata == cards[1].metadata
    assert list(tmp_path.iterdir()) == [again]


def test_loading_gives_the_exported_numbers(tiny_trainable, tiny_codec):
    tensors = exported_tensors(tiny_trainable)
    for modality in Modality:
        part = tiny_codec.model.get(modality)
        for key, value in part.transforms.state_dict().items():
            assert torch.equal(value, tensors[f"{modality.value}.transforms.{key}"].float())
        for key, layer in part.entropy.prior.named_modules():
            if isinstance(layer, IntegerLayer):
                wanted = tensors[f"{modality.value}.prior.{key}.weight"]
                assert torch.equal(layer.weight, wanted.double())


def test_nothing_that_is_loaded_can_be_trained(tiny_codec):
    for modality in Modality:
        part = tiny_codec.model.get(modality)
        for module in (part.transforms, part.hyper_analysis, part.entropy.prior):
            assert not module.training
            assert not any(parameter.requires_grad for parameter in module.parameters())


@pytest.mark.parametrize(
    "switch", ["channel_alignment", "spatial_alignment", "entropy_context", "residual"]
)
def test_weights_with_another_switch_are_exported_and_loaded(tiny_trainable, tmp_path, switch):
    settings = replace(tiny_trainable.settings, **{switch: switch == "residual"})
    path = tmp_path / "ablation.safetensors"
    write_weights(TrainableCodec(settings), path)
    card = models.load(str(path)).card
    assert CodecSettings.from_mapping(json.loads(card.metadata["settings"])) == settings


@pytest.mark.parametrize("fixture", ["tiny_codec", "base_codec"])
def test_integers_stay_where_float64_is_exact(request, fixture):
    """Rule 1 rests on it: no sum of a layer reaches 2^53, however large its inputs."""
    model = request.getfixturevalue(fixture).model
    for modality in Modality:
        entropy = model.get(modality).entropy
        for layer in entropy.prior.modules():
            if isinstance(layer, IntegerLayer):
                largest = 32_767 * layer.weight.abs().sum(1) + layer.bias.abs()
                assert largest.max() < 2**53
                # The scale is a power of two that a table entry can say.
                assert torch.equal(torch.log2(layer.scale), torch.log2(layer.scale).round())
                assert (layer.scale >= 2**-15).all() and (layer.scale <= 1).all()
        tables = entropy.qualities
        assert tables.step.signal.shape[0] == QUALITY_COUNT
        # Latents stay below 2^30 in 1/64 steps, hyper-latents below 2^30.
        assert int(tables.step.signal.max()) * 2**30 < 2**53
        assert int(tables.hyper_value.max()) * 2**30 < 2**53
        assert tables.step.signal.min() > 0
        means = torch.stack([tables.step.mean(index) for index in range(QUALITY_COUNT)])
        assert means.min() > 0 and int(means.max()) * 32_767 < 2**53
        for index in (tables.hyper_index, torch.from_numpy(entropy.coefficient_index)):
            assert index.min() >= 0 and index.max() < TABLE_COUNT


@pytest.mark.parametrize("modality", list(Modality))
def test_no_branch_to_the_partner_stayed_as_silent_as_it_started(base_codec, modality):
    part = base_codec.model.get(modality)
    synthesis, analysis = part.transforms.synthesis, part.transforms.analysis
    for layer in (
        part.entropy.prior.partner_out,
        part.transforms.alignment.predict,
        analysis.context.leave,
        synthesis.context.leave,
        synthesis.look_deep.leave,
        synthesis.look_wide.leave,
    ):
        assert layer.weight.any()
