# SPDX-License-Identifier: Apache-2.0
"""The laws of training clips, and of weights that code a frame given the one before."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from crossband.errors import TrainingError
from crossband.models.settings import CodecSettings
from crossband.pair import Modality
from crossband.training.clips import ClipSampler, Motion
from crossband.training.data import Batch, PictureStore, Sampler, Variation
from crossband.training.export import write_weights
from crossband.training.loop import Run
from crossband.training.network import TrainableCodec
from crossband.training.recipe import Recipe
from crossband.training.start import starting_codec, stored_codec
from crossband.transforms.motion import difference, moved, summed

SEES_BEFORE = re.compile(r"\.(past|past_sizes|key_sizes)\.")
SIZE = 64
FRAMES = 3
PLAIN = Variation(unrelated_share=0, shift_share=0, scale_share=0, jitter_share=0)
STANDING = Motion(
    real_share=0, standing_share=1, crossing_share=0, noise=0, shake=0, jump_share=0, cut_share=0
)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two films of five frames that count up, and two stills of noise."""
    root = tmp_path_factory.mktemp("films")
    noise = np.random.default_rng(1)
    for film in range(2):
        for camera in ("vis", "ir"):
            folder = root / "rig" / "video" / f"train_{film}" / camera
            folder.mkdir(parents=True)
            for frame in range(5):
                Image.new("L", (80, 70), 100 * film + 10 * frame).save(folder / f"{frame}.png")
    for camera in ("vis", "ir"):
        folder = root / "stills" / "train" / camera
        folder.mkdir(parents=True)
        for number in range(2):
            texture = noise.integers(40, 216, (40, 45), np.uint8)
            Image.fromarray(texture).resize((180, 160)).save(folder / f"{number}.png")
    return root


def sampler(films: Path, source: str, motion: Motion, *, seed: int = 3) -> ClipSampler:
    store = PictureStore(films, {source: 1.0}, split="train", smallest=SIZE, device="cpu")
    pairs = Sampler(store, size=SIZE, variation=PLAIN, seed=seed)
    return ClipSampler(pairs, frames=FRAMES, motion=motion)


def apart(one: Batch, other: Batch) -> float:
    """Mean difference of the visible pictures."""
    return float((one.visible - other.visible).abs().mean())


def test_frames_of_a_film_come_in_its_order_or_backwards(films: Path) -> None:
    clips = sampler(films, "rig", Motion(real_share=1)).draw(40)
    levels = torch.stack([frame.infrared[:, 0, 0, 0] * 255 for frame in clips]).round()
    steps = levels.diff(dim=0)
    assert set(steps.flatten().tolist()) == {-20.0, -10.0, 10.0, 20.0}
    assert (steps[0] == steps[1]).all()
    for frame in clips:  # one place, one instant
        assert torch.equal(frame.visible[:, :1], frame.infrared)


def test_made_clips_have_the_asked_shape_and_whole_levels(films: Path) -> None:
    clips = sampler(films, "stills", Motion()).draw(6)
    assert len(clips) == FRAMES
    for frame in clips:
        assert frame.visible.shape == (6, 3, SIZE, SIZE)
        assert frame.infrared.shape == (6, 1, SIZE, SIZE)
        for picture in (frame.visible, frame.infrared):
            assert 0 <= float(picture.min()) < float(picture.max()) <= 1
            assert torch.allclose(picture * 255, (picture * 255).round(), atol=1e-3)


def test_a_standing_camera_without_noise_gives_equal_frames(films: Path) -> None:
    first, second, third = sampler(films, "stills", STANDING).draw(6)
    assert apart(first, second) == apart(second, third) == 0


@pytest.mark.parametrize(
    "change",
    [
        {"standing_share": 0.0},
        {"crossing_share": 1.0},
        {"noise": 4.0},
        {"jump_share": 1.0},
        {"cut_share": 1.0},
    ],
    ids=str,
)
def test_pans_crossings_and_noise_each_change_frames(films: Path, change: dict[str, float]) -> None:
    first, second, _ = sampler(films, "stills", replace(STANDING, **change)).draw(8)
    assert apart(first, second) > 1e-3


def test_a_pan_moves_both_cameras_alike(films: Path) -> None:
    """Both pictures are one texture, so they stay one."""
    for camera in ("vis", "ir"):
        (films / "same" / "train" / camera).mkdir(parents=True, exist_ok=True)
        Image.open(films / "stills" / "train" / "vis" / "0.png").save(
            films / "same" / "train" / camera / "0.png"
        )
    for frame in sampler(films, "same", replace(STANDING, standing_share=0, shake=0.3)).draw(6):
        assert torch.equal(frame.visible[:, :1], frame.infrared)


def test_a_seed_decides_every_clip(films: Path) -> None:
    quiet = Motion(noise=0)
    one, same, other = (sampler(films, "stills", quiet, seed=s).draw(4) for s in (1, 1, 2))
    assert all(torch.equal(a.infrared, b.infrared) for a, b in zip(one, same, strict=True))
    assert apart(one[0], other[0]) > 0


# ---------------------------------------------------------------------- weights of films


@pytest.fixture(scope="module")
def film_recipe(
    recipe: Recipe, tiny_trainable: TrainableCodec, tmp_path_factory: pytest.TempPathFactory
) -> Recipe:
    """A few steps of clips whose key frames the tiny codec codes."""
    keys = tmp_path_factory.mktemp("keys") / "keys.safetensors"
    write_weights(tiny_trainable, keys)
    return replace(
        recipe,
        steps=4,
        frames=FRAMES,
        key_weights=str(keys),
        sources={"stills": 1.0},
        validation_sources={},
        codec=replace(recipe.codec, past=True),
    )


def test_new_weights_of_films_code_differences_as_the_weights_they_start_from_code_pictures(
    tiny_settings: CodecSettings, film_recipe: Recipe
) -> None:
    key = starting_codec(film_recipe.key_weights, tiny_settings)
    film = starting_codec(film_recipe.key_weights, film_recipe.codec)
    generator = torch.Generator().manual_seed(1)
    visible = torch.rand(2, 3, 64, 64, generator=generator)
    infrared = torch.rand(2, 1, 64, 64, generator=generator)
    quality = torch.tensor([10, 40])
    before = key(visible.flip(3), infrared.flip(3), quality, noise=False)
    coded = film(visible, infrared, quality, noise=False, past=before)
    predicted = {
        each: moved(before.get(each).picture.clamp(0, 1), coded.get(each).vectors)
        for each in Modality
    }
    as_pictures = key(
        difference(visible, predicted[Modality.VISIBLE]),
        difference(infrared, predicted[Modality.INFRARED]),
        quality,
        noise=False,
    )
    for each in Modality:
        one, other = coded.get(each), as_pictures.get(each)
        assert torch.allclose(one.picture, summed(other.picture, predicted[each]), atol=1e-5)
        assert torch.allclose(one.bits, other.bits)
        assert torch.all(one.vector_bits > 0)


def test_weights_of_films_may_have_fewer_blocks_than_those_they_start_from(
    tiny_trainable: TrainableCodec, film_recipe: Recipe
) -> None:
    settings = replace(film_recipe.codec, synthesis_deep_blocks=1)
    film = starting_codec(film_recipe.key_weights, settings)
    kept, whole = (len(each.visible.transforms.synthesis.deep) for each in (film, tiny_trainable))
    assert (kept, whole) == (1, 2)
    first = film.visible.transforms.synthesis.deep[0].state_dict()
    stored = stored_codec(film_recipe.key_weights).visible.transforms.synthesis.deep[0]
    assert all(torch.equal(value, stored.state_dict()[key]) for key, value in first.items())


def test_weights_of_films_code_no_key_frames(
    films: Path, film_recipe: Recipe, tmp_path: Path
) -> None:
    keys = tmp_path / "film.safetensors"
    write_weights(TrainableCodec(film_recipe.codec), keys)
    chosen = replace(film_recipe, key_weights=str(keys))
    with pytest.raises(TrainingError, match=r"are weights of films themselves"):
        Run(chosen, films, tmp_path / "run", device="cpu")


def test_key_frames_and_others_have_the_same_latents(
    films: Path, film_recipe: Recipe, tmp_path: Path
) -> None:
    chosen = replace(film_recipe, codec=replace(film_recipe.codec, visible_latents=64))
    with pytest.raises(TrainingError, match=r"differ in visible_latents"):
        Run(chosen, films, tmp_path / "run", device="cpu")


def test_every_branch_of_the_frame_before_gets_a_gradient(
    films: Path, film_recipe: Recipe, tmp_path: Path
) -> None:
    run = Run(film_recipe, films, tmp_path / "run", device="cpu", start=film_recipe.key_weights)
    with torch.no_grad():
        for name, parameter in run.codec.named_parameters():
            if SEES_BEFORE.search(name) and not parameter.any():
                parameter.normal_(std=0.05)
    run.step()
    past = {name: p for name, p in run.codec.named_parameters() if SEES_BEFORE.search(name)}
    assert len(past) == 2 * (2 * 6 + 2 * 6)
    assert [n for n, p in past.items() if p.grad is None or not p.grad.any()] == []


def test_key_weights_stay_as_they_are_and_film_weights_learn(
    films: Path, film_recipe: Recipe, tmp_path: Path
) -> None:
    run = Run(film_recipe, films, tmp_path / "run", device="cpu", start=film_recipe.key_weights)
    assert run.key_codec is not None
    key = [p.clone() for p in run.key_codec.parameters()]
    film = [p.clone() for p in run.codec.parameters()]
    for _ in range(2):
        assert run.step().finite
    assert all(torch.equal(a, b) for a, b in zip(key, run.key_codec.parameters(), strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(film, run.codec.parameters(), strict=True))


def test_a_recipe_of_films_says_so_twice(recipe: Recipe) -> None:
    for change in ({"frames": 3}, {"codec": replace(recipe.codec, past=True)}):
        with pytest.raises(TrainingError, match=r"need past = true and 2 frames or more"):
            replace(recipe, **change)  # type: ignore[arg-type]


def test_validation_of_films_leaves_out_the_key_frame(
    films: Path, film_recipe: Recipe, tmp_path: Path, make_val_film: Callable[[Path], None]
) -> None:
    make_val_film(films)
    chosen = replace(film_recipe, validation_sources={"rig": 1}, frames=2)
    run = Run(chosen, films, tmp_path / "run", device="cpu", start=chosen.key_weights)
    (pair,) = run.validation.pairs
    assert len(pair.visible) == len(pair.infrared) == 2
    run.validate()
    assert run.key_codec is not None


@pytest.fixture
def make_val_film() -> Callable[[Path], None]:
    """Adds a film of two frames to the val split."""

    def make(root: Path) -> None:
        for camera in ("vis", "ir"):
            folder = root / "rig" / "video" / "val_0" / camera
            folder.mkdir(parents=True, exist_ok=True)
            for frame in range(2):
                Image.new("L", (64, 64), 50 + frame).save(folder / f"{frame}.png")

    return make
