# SPDX-License-Identifier: Apache-2.0
"""What every test gets: fixed seeds, small weights, and the shared pictures where there are any."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import numpy as np
import pytest

if TYPE_CHECKING:
    from crossband.codec import Codec
    from crossband.models.settings import CodecSettings
    from crossband.training.network import TrainableCodec

SEED = 20_220_619

# No deadline: the machine may be busy. Derandomized: the same examples in every run.
hypothesis.settings.register_profile("crossband", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("crossband")


@pytest.fixture(autouse=True)
def fixed_seeds() -> None:
    """Each test starts from the same random state, whatever ran before it."""
    random.seed(SEED)
    np.random.seed(SEED)
    # Not imported for its own sake: most tests do without torch.
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(SEED)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real pairs: CROSSBAND_DATA, or shared/data beside the repository."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("CROSSBAND_DATA", beside))
    if not (folder / "MANIFEST.csv").is_file():
        pytest.skip(f"no real pairs in {folder}: set CROSSBAND_DATA to the folder that has them")
    return folder


@pytest.fixture(scope="session")
def tiny_settings() -> CodecSettings:
    """The shape of a codec of 1 M weights."""
    from crossband.models.settings import CodecSettings

    return CodecSettings(
        visible_channels=32,
        visible_deep_channels=64,
        visible_latents=48,
        infrared_channels=32,
        infrared_deep_channels=48,
        infrared_latents=40,
        entropy_width=32,
    )


@pytest.fixture(scope="session")
def tiny_trainable(tiny_settings: CodecSettings) -> TrainableCodec:
    """A small codec in which no branch is silent: random where training starts at zero.

    Its tables fit road scenes, so its files cost what such files cost.
    """
    import torch

    from crossband.pair import Modality
    from crossband.prepare import geometry, prepare
    from crossband.testing import synthetic_pair
    from crossband.training.network import TrainableCodec

    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(SEED)
        codec = TrainableCodec(tiny_settings)
        latents, spread = {}, {}
        scene = synthetic_pair(visible=(96, 128), infrared=(96, 128), seed=1)
        for modality in Modality:
            transforms = getattr(codec, modality.value).transforms
            raster = scene.get(modality)
            assert raster is not None
            picture = prepare(raster, modality, geometry(raster))
            features = transforms.analysis.features(picture, torch.tensor([32]))
            latents[modality] = transforms.analysis(features, None, torch.ones(1))
            spread[modality] = latents[modality].abs().mean((0, 2, 3)) * 16
        for modality in Modality:
            entropy = getattr(codec, modality.value).entropy
            entropy.calibrate(spread[modality], spread[modality.partner])
            entropy.calibrate_hyper(latents[modality], torch.tensor([32]))
        for parameter in codec.parameters():
            if not parameter.any():
                parameter.normal_(0, 0.01)
        for modality in Modality:  # so that the coefficients stay within their 100 bytes
            getattr(codec, modality.value).transforms.alignment.predict.weight /= 16
    return codec.requires_grad_(False).eval()


@pytest.fixture(scope="session")
def tiny_weights(tiny_trainable: TrainableCodec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weight file of `tiny_trainable`, which from then on has the rounded weights."""
    from crossband.training.export import write_weights

    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    write_weights(tiny_trainable, path, metadata={"recipe": "tests"})
    return path


@pytest.fixture(scope="session")
def tiny_film_weights(
    tiny_trainable: TrainableCodec, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Weights of films that go on from `tiny_trainable`, no branch silent."""
    from dataclasses import replace

    import torch

    from crossband.training.export import write_weights
    from crossband.training.network import TrainableCodec

    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(SEED)
        codec = TrainableCodec(replace(tiny_trainable.settings, past=True))
        codec.load_state_dict(tiny_trainable.state_dict(), strict=False)
        for parameter in codec.parameters():
            if not parameter.any():
                parameter.normal_(0, 0.01)
    path = tmp_path_factory.mktemp("weights") / "tiny-video.safetensors"
    write_weights(codec, path, metadata={"recipe": "tests"})
    return path


@pytest.fixture(scope="session")
def tiny_predictor(tiny_film_weights: Path) -> Codec:
    """What codes the frames between the key frames of `tiny_codec`."""
    from crossband import models
    from crossband.codec import Codec

    return Codec(models.load(str(tiny_film_weights)))


@pytest.fixture(scope="session")
def tiny_codec(tiny_weights: Path) -> Codec:
    """A codec that is fast enough to state every law with."""
    from crossband import models
    from crossband.codec import Codec

    return Codec(models.load(str(tiny_weights)))


@pytest.fixture(scope="session")
def base_codec() -> Codec:
    """A codec with the weights that are shipped."""
    import crossband

    return crossband.load("base")


@pytest.fixture
def thread_count() -> Iterator[None]:
    """Restores the number of threads that the test changes."""
    import torch

    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)
