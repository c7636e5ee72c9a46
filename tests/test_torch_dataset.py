# SPDX-License-Identifier: Apache-2.0
"""The laws of the dataset over `.xb` files."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import crossband
from crossband import Camera, MissingPicture, Modality, Pair, PictureError, SourceError, Writer
from crossband.codec import Codec
from crossband.testing import synthetic_pair
from crossband.torch_dataset import XbDataset

FRAMES = 5


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory, tiny_codec: Codec, tiny_predictor: Codec
) -> Path:
    """A film, a pair, and a film whose visible camera is silent at first."""
    root = tmp_path_factory.mktemp("xb")
    pairs = [
        synthetic_pair(visible=(32, 48), infrared=(32, 48), seed=seed, infrared_bit_depth=14)
        for seed in range(FRAMES)
    ]
    with Writer(root / "film.xb", codec=tiny_codec, predictor=tiny_predictor) as writer:
        for pair in pairs:
            writer.write(pair)
    (root / "pair.xb").write_bytes(tiny_codec.encode(pairs[0]))
    cameras = tuple(Camera.of(pairs[0].get(each), each) for each in Modality)
    with Writer(root / "silent.xb", codec=tiny_codec, cameras=cameras) as writer:
        writer.write(Pair(None, pairs[0].infrared))
        writer.write(pairs[1])
    return root


@pytest.fixture
def weights(tiny_codec: Codec, tiny_predictor: Codec) -> dict[str, object]:
    return {"codecs": (tiny_codec, tiny_predictor)}


def test_a_sample_is_what_the_film_shows(folder, weights, tiny_codec, tiny_predictor):
    found = XbDataset([folder / "film.xb", folder / "pair.xb"], **weights)
    assert len(found) == FRAMES + 1
    with crossband.open(folder / "film.xb", codec=tiny_codec, predictor=tiny_predictor) as film:
        shown, times = list(film), film.timestamps_us
    for number in (3, 0, 4):
        sample, pair = found[number], shown[number]
        assert sample["visible"].dtype == torch.uint8
        assert sample["infrared"].dtype == torch.int32
        assert np.array_equal(sample["visible"].permute(1, 2, 0).numpy(), pair.visible.samples)
        assert np.array_equal(sample["infrared"][0].numpy(), pair.infrared.samples)
        assert int(sample["timestamp_us"]) == times[number]
    pair = tiny_codec.decode((folder / "pair.xb").read_bytes())
    assert np.array_equal(found[FRAMES]["visible"].permute(1, 2, 0).numpy(), pair.visible.samples)


def test_frames_in_a_row_are_one_sample(folder, weights):
    single = XbDataset([folder / "film.xb"], **weights)
    double = XbDataset([folder / "film.xb", folder / "pair.xb"], frames=2, **weights)
    assert len(double) == FRAMES // 2
    assert double[1]["visible"].shape == (2, 3, 32, 48)
    assert torch.equal(double[1]["infrared"][1], single[3]["infrared"])
    assert double[1]["timestamp_us"].tolist() == [
        int(single[number]["timestamp_us"]) for number in (2, 3)
    ]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_collates_what_workers_decode(folder, weights, workers):
    found = XbDataset([folder / "film.xb"], only=Modality.INFRARED, **weights)
    found[0]  # an open film must not reach the workers
    (batch,) = DataLoader(found, batch_size=FRAMES, num_workers=workers)
    assert batch["infrared"].shape == (FRAMES, 1, 32, 48)
    assert "visible" not in batch
    assert torch.equal(batch["infrared"][2], found[2]["infrared"])


def test_it_is_pickled_without_its_open_film(folder):
    found = XbDataset([folder / "film.xb"])
    assert len(pickle.loads(pickle.dumps(found))) == FRAMES


def test_a_silent_camera_is_told(folder, weights):
    found = XbDataset([folder / "silent.xb"], **weights)
    with pytest.raises(MissingPicture, match="without a picture of the visible camera"):
        found[0]
    assert found[1]["visible"].shape == (3, 32, 48)
    alone = XbDataset([folder / "silent.xb"], only=Modality.INFRARED, **weights)
    assert alone[0]["infrared"].shape == (1, 32, 48)


def test_bad_arguments_are_named(folder, tmp_path):
    with pytest.raises(PictureError, match="frames is 0"):
        XbDataset([folder / "film.xb"], frames=0)
    with pytest.raises(PictureError, match="none of the 1 files has 99 frames"):
        XbDataset([folder / "film.xb"], frames=99)
    with pytest.raises(SourceError, match=r"nothing\.xb: cannot be read"):
        XbDataset([tmp_path / "nothing.xb"])
