# SPDX-License-Identifier: Apache-2.0
"""Symbols that an encoder chose at leisure: cheaper for the same picture, and files like others."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from crossband import Modality, Pair, Raster
from crossband.bench.metrics import psnr
from crossband.codec import Codec
from crossband.container import BoundedRecord, PictureRecord, unpack
from crossband.entropy.coder import SymbolWriter
from crossband.entropy.integer_model import Prices
from crossband.frame_codec import FrameCodec
from crossband.prepare import geometry, prepare
from crossband.refinement import ROUNDS, Target, refined, rounds_of
from crossband.testing import synthetic_pair
from crossband.transforms import lagrangian


@pytest.fixture(scope="module")
def scene() -> Pair:
    return synthetic_pair(visible=(90, 120), infrared=(90, 120), seed=3)


def cost(codec: Codec, pair: Pair, data: bytes) -> float:
    """Rate and weighted squared error in bits, as `lagrangian` weighs them."""
    return 8 * len(data) + weighted_error(pair, codec.decode(data), unpack(data).records)


def weighted_error(
    pair: Pair, shown: Pair, records: Sequence[PictureRecord | BoundedRecord]
) -> float:
    """The weighted squared error alone, in bits."""
    total = 0.0
    for record in records:
        wanted, found = pair.get(record.modality), shown.get(record.modality)
        assert wanted is not None and found is not None
        error = np.square(wanted.samples.astype(float) - found.samples).mean()
        weight = float(lagrangian(torch.tensor(record.quality_index)))
        total += weight * error * wanted.height * wanted.width
    return total


@pytest.mark.parametrize("quality", [10, 60])
@pytest.mark.parametrize("modality", list(Modality))
def test_more_rounds_cost_less(
    base_codec: Codec, scene: Pair, quality: int, modality: Modality
) -> None:
    alone = Pair(**{modality.value: scene.get(modality)})
    costs = [
        cost(base_codec, alone, base_codec.encode(alone, quality=quality, effort=effort))
        for effort in (5, 6, 8)
    ]
    word = 32  # streams end on one: at low rates that is as much as there is to gain here
    assert costs[1] < costs[0] + word and costs[2] < costs[1] + word
    if quality == 60:
        assert costs[1] < 0.998 * costs[0] and costs[2] < 0.999 * costs[1]


def test_the_same_picture_at_the_same_quality_costs_less(base_codec: Codec, scene: Pair) -> None:
    plain, slow = (base_codec.encode(scene, quality=60, effort=effort) for effort in (5, 8))
    assert len(slow) <= len(plain)
    for modality in Modality:
        wanted = scene.get(modality)
        before, after = (base_codec.decode(data).get(modality) for data in (plain, slow))
        assert wanted is not None and before is not None and after is not None
        assert psnr(wanted, after) > psnr(wanted, before)


def test_the_second_picture_is_refined_given_the_first(base_codec: Codec, scene: Pair) -> None:
    data = base_codec.encode(scene, quality=60, effort=6)
    assert unpack(data).records[1].conditional
    alone = base_codec.encode(Pair(visible=scene.visible), quality=60, effort=6)
    assert cost(base_codec, Pair(visible=scene.visible), alone) < cost(
        base_codec,
        Pair(visible=scene.visible),
        base_codec.encode(Pair(visible=scene.visible), quality=60, effort=5),
    )


def test_an_effort_gives_the_same_file_twice(tiny_codec: Codec, scene: Pair) -> None:
    assert tiny_codec.encode(scene, effort=7) == tiny_codec.encode(scene, effort=7)


def test_frames_of_films_are_refined_too(tiny_codec: Codec, tiny_predictor: Codec) -> None:
    first = synthetic_pair(visible=(48, 64), infrared=(48, 64), seed=5)
    assert first.visible is not None and first.infrared is not None
    second = Pair(
        Raster(np.roll(first.visible.samples, 2, 1)), Raster(np.roll(first.infrared.samples, 2, 1))
    )
    costs = []
    for effort in (5, 8):
        encoder, decoder = (FrameCodec(tiny_codec, tiny_predictor, keyframe=9) for _ in range(2))
        for pair, chosen in ((first, 5), (second, effort)):
            records, predicted = encoder.encode(
                pair, quality=60, order="infrared-first", effort=chosen
            )
            shown = decoder.decode(records, predicted=predicted)
        assert predicted and shown is not None
        bits = 8 * sum(len(record.stream) for record in records)
        costs.append(bits + weighted_error(second, shown, records))
    assert costs[1] < 0.999 * costs[0]


def test_prices_are_what_coding_takes(base_codec: Codec, scene: Pair) -> None:
    raster = scene.infrared
    assert raster is not None
    part = base_codec.model.infrared
    index = torch.tensor([30])
    with torch.no_grad():
        picture = prepare(raster, Modality.INFRARED, geometry(raster))
        features = part.transforms.analysis.features(picture, index)
        latents = part.transforms.analysis(features, None, torch.ones(1, 1, 1, 1))
        step = part.transforms.step(index)[:, :, None, None]
        wanted = (latents / step).permute(0, 2, 3, 1)
        hyper = part.hyper(latents, 30)
        prices = part.entropy.prices(wanted, hyper, 30, None)
        writer = SymbolWriter(part.entropy.models)
        coded = part.entropy.encode(wanted, hyper, 30, None, writer)
    assert torch.equal(prices.latents * 64, coded.latents)
    symbols = torch.round(hyper).flatten().numpy().astype(np.int32)
    tables = part.entropy._hyper_index(30, hyper.shape[1] * hyper.shape[2])
    whole = prices.bits + part.entropy.models.bits(symbols, tables)
    assert 8 * len(writer.finish()) == pytest.approx(whole, abs=64)


def test_prices_of_neighbours_are_differences(base_codec: Codec) -> None:
    models = base_codec.model.infrared.entropy.models
    symbols = np.arange(-40, 41, dtype=np.int32)
    for index in (0, 17, 40, 63):
        tables = np.full_like(symbols, index)
        here, up, down = models.prices(symbols, tables)
        for number, symbol in enumerate(symbols):
            alone = [
                models.bits(np.array([symbol + off], np.int32), tables[:1]) for off in (0, 1, -1)
            ]
            assert here[number] == pytest.approx(alone[0])
            assert up[number] == pytest.approx(alone[1] - alone[0])
            assert down[number] == pytest.approx(alone[2] - alone[0])


def test_symbols_beyond_every_table_have_a_price(base_codec: Codec) -> None:
    models = base_codec.model.infrared.entropy.models
    here, up, down = models.prices(np.array([1 << 29], np.int32), np.array([3], np.int32))
    assert here[0] > 20 and up[0] == down[0] == 0


# --- the search by itself, on a picture that is its latents ------------------------------------


def rounding(bits_of_one: float):
    """Prices of an entropy model that takes so many bits for each unit of a symbol."""

    def price(wanted: torch.Tensor) -> Prices:
        symbols = torch.round(wanted)
        up, down = (bits_of_one * ((symbols + off).abs() - symbols.abs()) for off in (1.0, -1.0))
        return Prices(symbols, float(bits_of_one * symbols.abs().sum()), up, down)

    return price


def target(picture: torch.Tensor, weight: float) -> Target:
    front = picture.permute(0, 3, 1, 2)
    return Target(front, front.shape[2], front.shape[3], weight)


def test_with_an_orthonormal_transform_each_symbol_becomes_the_best_one() -> None:
    picture = 3 * torch.randn(1, 4, 4, 8, dtype=torch.float64)
    found = refined(
        picture,
        torch.ones(8),
        target(picture.float(), 4.0),
        price=rounding(3.0),
        show=lambda latents: latents,
        rounds=200,
    )
    for wanted, symbol in zip(picture.flatten(), torch.round(found).flatten(), strict=True):
        near = [torch.round(wanted) + off for off in (-1, 0, 1)]
        costs = [float(4 * (each - wanted) ** 2 + 3 * each.abs()) for each in near]
        mine = float(4 * (symbol - wanted) ** 2 + 3 * symbol.abs())
        # What a move has to promise, and the care with which it is judged.
        assert mine <= min(costs) + 0.2 + 0.2 * 4
    assert not torch.equal(torch.round(found), torch.round(picture))


def test_what_cannot_be_bettered_stays_as_it_is() -> None:
    picture = torch.randint(-3, 4, (1, 4, 4, 8)).double()
    found = refined(
        picture,
        torch.ones(8),
        target(picture.float(), 100.0),
        price=rounding(1.0),
        show=lambda latents: latents,
        rounds=9,
    )
    assert torch.equal(found, picture)


def test_errors_in_the_padding_are_free() -> None:
    shown, wanted = torch.zeros(1, 2, 16, 16), torch.zeros(1, 2, 16, 16)
    wanted[..., 10:, :] = 1
    wanted[..., :, 12:] = 1
    assert float(Target(wanted, 10, 12, 5.0).distortion(shown)) == 0
    assert float(Target(wanted, 11, 12, 5.0).distortion(shown)) == 5 * 2 * 12


def test_pictures_too_large_for_the_memory_are_not_refined(
    tiny_codec: Codec, scene: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rounds_of(8, 2048, 2048) == 16 and rounds_of(8, 2048, 2049) == 0
    plain = tiny_codec.encode(scene, effort=5)
    monkeypatch.setattr("crossband.refinement.MOST_PIXELS", 90 * 120 - 1)
    assert tiny_codec.encode(scene, effort=8) == plain


def test_efforts_take_more_and_more_rounds() -> None:
    assert list(ROUNDS) == [6, 7, 8, 9]
    assert all(one < more for one, more in itertools.pairwise(ROUNDS.values()))
