# SPDX-License-Identifier: Apache-2.0
"""Rule 1: every symbol's table is an integer from decoded integers, the same everywhere."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from crossband.codec import Codec
from crossband.entropy.arithmetic import SIGNAL, RealArithmetic, StepTables
from crossband.entropy.coder import LARGEST_SYMBOL, SymbolReader, SymbolWriter
from crossband.entropy.fixed_point import UNIT, IntegerWeights, integer_tensors
from crossband.entropy.integer_model import (
    MAX_COEFFICIENT_BITS,
    ONE,
    CodedLatents,
    IntegerModel,
    Partner,
)
from crossband.entropy.prior import PASS_COUNT, Past, Prior, pass_geometry
from crossband.entropy.settings import EntropySettings
from crossband.pair import Modality
from crossband.training.network import TrainableCodec

pytestmark = pytest.mark.usefixtures("thread_count")
QUALITY = 32
sides = st.integers(1, 9)


@pytest.fixture(scope="session")
def model(tiny_codec: Codec) -> IntegerModel:
    return tiny_codec.model.visible.entropy


def latents(model: IntegerModel, height: int, width: int, *, batch: int = 1) -> Tensor:
    """Latents in steps of very different spread, as pictures have them."""
    channels = model.prior.settings.latent_channels
    spread = torch.exp2(torch.linspace(4, -4, channels))
    return torch.randn(batch, height, width, channels) * spread


def hyper(model: IntegerModel, height: int, width: int, *, batch: int = 1) -> Tensor:
    channels = model.prior.settings.hyper_channels
    return torch.round(3 * torch.randn(batch, -(-height // 4), -(-width // 4), channels)).double()


def partner(model: IntegerModel, height: int, width: int, *, batch: int = 1) -> Partner:
    settings = model.prior.settings
    signal = torch.randint(-3000, 3001, (batch, height, width, settings.partner_channels))
    coefficients = torch.randint(-20, 21, (batch, 2 * settings.alignment_channels))
    return Partner(signal.double(), coefficients.double())


def there_and_back(
    model: IntegerModel, wanted: Tensor, side: Tensor, seen: Partner | None, quality: int = QUALITY
) -> tuple[CodedLatents, CodedLatents, bytes]:
    writer = SymbolWriter(model.models)
    sent = model.encode(wanted, side, quality, seen, writer)
    stream = writer.finish()
    reader = SymbolReader(stream, model.models)
    got = model.decode(wanted.shape[1], wanted.shape[2], quality, seen, reader)
    return sent, got, stream


# --- there and back ---------------------------------------------------------------------------


@settings(max_examples=25)
@given(sides, sides, sides, sides, st.booleans(), st.integers(0, 63))
def test_latents_of_any_size_come_back_as_the_encoder_has_them(
    model, height, width, partner_height, partner_width, paired, quality
):
    seen = partner(model, partner_height, partner_width) if paired else None
    wanted = latents(model, height, width)
    sent, got, _ = there_and_back(model, wanted, hyper(model, height, width), seen, quality)
    assert torch.equal(sent.latents, got.latents)
    assert torch.equal(sent.signal, got.signal)
    assert sent.checksum == got.checksum
    # Half a step, and half of the 1/64 in which means are counted.
    assert (sent.latents / ONE - wanted).abs().max() <= 0.5 + 0.5 / ONE


@pytest.fixture(scope="module")
def film_model(model: IntegerModel) -> IntegerModel:
    """One that also sees the frame before."""
    prior = Prior(replace(model.prior.settings, past=True))
    with torch.no_grad():
        for parameter in prior.parameters():
            if not parameter.any():
                parameter.normal_(0, 0.1)
    layers = integer_tensors(prior)
    prior = prior.with_integers(
        lambda name: IntegerWeights(*(layers[f"{name}.{x}"] for x in ("weight", "bias", "shift")))
    )
    return IntegerModel(
        prior, model.qualities, torch.from_numpy(model.coefficient_index), model.models
    )


def test_a_frame_comes_back_given_the_frame_before_and_only_given_that(film_model):
    wanted, side = latents(film_model, 5, 6), hyper(film_model, 5, 6)
    past = torch.randint(-3000, 3001, wanted.shape).double()
    streams = set()
    for before in (
        Past(past, past),
        Past(past.roll(1, 2), past),
        Past(past, torch.zeros_like(past)),
    ):
        writer = SymbolWriter(film_model.models)
        sent = film_model.encode(wanted, side, QUALITY, None, writer, past=before)
        stream = writer.finish()
        got = film_model.decode(
            5, 6, QUALITY, None, SymbolReader(stream, film_model.models), past=before
        )
        assert torch.equal(sent.latents, got.latents) and sent.checksum == got.checksum
        streams.add(stream)
    assert len(streams) == 3


@pytest.mark.parametrize("size", [1e3, 1e6, 1e12, float("inf")])
def test_latents_of_any_magnitude_come_back(model, size):
    wanted = latents(model, 2, 3).sign() * size
    side = hyper(model, 2, 3) * size
    sent, got, _ = there_and_back(model, wanted, side.nan_to_num(0), None)
    assert torch.equal(sent.latents, got.latents)
    assert sent.checksum == got.checksum
    assert sent.latents.abs().max() < LARGEST_SYMBOL + 2 * ONE


def test_the_partner_changes_the_stream(model):
    wanted, side = latents(model, 4, 4), hyper(model, 4, 4)
    seen = partner(model, 4, 4)
    streams = {
        there_and_back(model, wanted, side, each)[2]
        for each in (
            None,
            seen,
            Partner(-seen.signal, seen.coefficients),
            Partner(seen.signal, -seen.coefficients),
        )
    }
    assert len(streams) == 4


def test_decoding_with_another_partner_is_noticed(model):
    wanted, side = latents(model, 4, 4), hyper(model, 4, 4)
    writer = SymbolWriter(model.models)
    sent = model.encode(wanted, side, QUALITY, partner(model, 4, 4), writer)
    reader = SymbolReader(writer.finish(), model.models)
    got = model.decode(4, 4, QUALITY, partner(model, 4, 4), reader)
    assert got.checksum != sent.checksum


# --- alignment coefficients -------------------------------------------------------------------


def coefficients(model: IntegerModel, count: int, size: float) -> Tensor:
    """`count` coefficients of a size, the rest zero."""
    wanted = torch.zeros(1, 2 * model.prior.settings.alignment_channels)
    wanted[:, :count] = size * (torch.rand(count) - 0.5).sign()
    return wanted


@pytest.mark.parametrize(("count", "size"), [(0, 0.0), (128, 0.4), (60, 1.3), (20, 40.0)])
def test_alignment_coefficients_come_back_rounded(model, count, size):
    wanted = coefficients(model, count, size)
    writer = SymbolWriter(model.models)
    sent = model.encode_coefficients(wanted, writer)
    got = model.decode_coefficients(SymbolReader(writer.finish(), model.models))
    assert torch.equal(sent, got)
    assert torch.equal(sent, torch.round(wanted).double())


@pytest.mark.parametrize(
    ("size", "least"), [(1.0, 60), (2.0, 90), (3.0, 90), (40.0, 90), (127.0, 90)]
)
def test_alignment_coefficients_never_take_more_than_100_bytes(model, size, least):
    largest = 0
    for count in range(129):
        writer = SymbolWriter(model.models)
        sent = model.encode_coefficients(coefficients(model, count, size), writer)
        assert int(sent.count_nonzero()) in (0, count)
        largest = max(largest, len(writer.finish()))
    # The coder adds at most its last word.
    assert least < largest <= MAX_COEFFICIENT_BITS // 8 + 4


# --- the four passes --------------------------------------------------------------------------


@given(st.integers(4, 40), st.integers(1, 12), st.integers(1, 12))
def test_every_symbol_is_coded_exactly_once(channels, height, width):
    passes = pass_geometry(EntropySettings(channels, 8, first_channels=channels // 4))
    assert len(passes) == PASS_COUNT
    times = torch.zeros(height * width, channels)
    for one in passes:
        times[one.positions(height, width), one.channels] += 1
    assert bool((times == 1).all())


@pytest.mark.parametrize("number", range(PASS_COUNT))
def test_a_pass_sees_only_channels_that_are_partly_decoded(number):
    passes = pass_geometry(EntropySettings(16, 8, first_channels=4))
    known = torch.zeros(16, dtype=torch.bool)
    for earlier in passes[:number]:
        known[earlier.channels] = True
    assert passes[number].visible_channels == int(known.sum())
    assert bool(known[: passes[number].visible_channels].all())


@contextmanager
def readings(prior: Prior) -> Iterator[list[tuple[Tensor, Tensor]]]:
    """Means and table indices of every pass that the prior reads meanwhile."""
    seen: list[tuple[Tensor, Tensor]] = []
    read = prior.read

    def spy(*arguments: object) -> tuple[Tensor, Tensor]:
        mean, index = read(*arguments)  # type: ignore[arg-type]
        seen.append((mean.clone(), index.clone()))
        return mean, index

    prior.read = spy  # type: ignore[method-assign]
    try:
        yield seen
    finally:
        del prior.read


def changed_at_pass(model_settings: EntropySettings, values: Tensor, number: int) -> Tensor:
    """(batch, height, width, channels) with the symbols of one pass, and only those, replaced."""
    geometry = pass_geometry(model_settings)[number]
    flat = values.flatten(1, 2).clone()
    positions = geometry.positions(*values.shape[1:3])
    flat[:, positions, geometry.channels] = 7 - flat[:, positions, geometry.channels]
    return flat.reshape(values.shape)


def assert_causal(first: list, second: list, changed: int) -> None:
    """Passes up to the changed one read the same, some later one (if there is one) does not."""
    same = [all(map(torch.equal, a, b)) for a, b in zip(first, second, strict=True)]
    assert len(same) == PASS_COUNT
    assert all(same[: changed + 1])
    assert changed == PASS_COUNT - 1 or not all(same)


@pytest.mark.parametrize("changed", range(PASS_COUNT))
def test_no_table_depends_on_what_is_not_yet_decoded(model, changed):
    wanted, side, seen = latents(model, 5, 6), hyper(model, 5, 6), partner(model, 5, 6)
    runs = []
    for values in (wanted, changed_at_pass(model.prior.settings, wanted, changed)):
        with readings(model.prior) as found:
            model.encode(values, side, QUALITY, seen, SymbolWriter(model.models))
        runs.append(found)
    assert_causal(*runs, changed)


@pytest.mark.parametrize("changed", range(PASS_COUNT))
def test_no_trained_table_depends_on_what_is_not_yet_decoded(tiny_trainable, changed, monkeypatch):
    entropy = tiny_trainable.visible.entropy
    fixed = torch.randn(1, entropy.settings.hyper_channels, 2, 2)
    monkeypatch.setattr(entropy.hyper_analysis, "forward", lambda latents: fixed)
    quality = torch.tensor([QUALITY])
    step = tiny_trainable.visible.transforms.step(quality)
    wanted = torch.randn(1, 5, 6, entropy.settings.latent_channels)
    runs = []
    for values in (wanted, changed_at_pass(entropy.settings, wanted, changed)):
        with readings(entropy.prior) as found:
            entropy.estimate(values.permute(0, 3, 1, 2), step, quality, noise=False)
        runs.append(found)
    assert_causal(*runs, changed)


# --- real and integer arithmetic --------------------------------------------------------------


@pytest.mark.parametrize("modality", list(Modality))
@pytest.mark.parametrize("quality", [0, 20, 45, 63])
@pytest.mark.parametrize("paired", [False, True])
def test_integers_predict_what_real_numbers_predict(
    tiny_trainable: TrainableCodec, tiny_codec: Codec, modality: Modality, quality: int, paired
):
    entropy = getattr(tiny_trainable, modality.value).entropy
    step = getattr(tiny_trainable, modality.value).transforms.step(torch.tensor([quality]))
    model = tiny_codec.model.get(modality).entropy
    side = hyper(model, 6, 7)
    seen = partner(model, 6, 7) if paired else None
    sent, _, _ = there_and_back(model, latents(model, 6, 7), side, seen, quality)

    exact = model.arithmetic(quality)
    real = entropy.arithmetic(step, torch.tensor([quality]))
    assert isinstance(real, RealArithmetic)
    size = {"height": 6, "width": 7}
    both = []
    for prior, arithmetic, unit in ((entropy.prior, real, UNIT), (model.prior, exact, 1)):
        kind = torch.float32 if unit == UNIT else torch.float64
        features = prior.features(
            side.to(kind),
            None if seen is None else (seen.signal / unit).to(kind),
            None if seen is None else seen.coefficients.to(kind),
            None,
            arithmetic,
            **size,
        )
        decoded = (sent.signal / unit).to(kind)
        both.append([prior.read(n, features, decoded, arithmetic) for n in range(PASS_COUNT)])
    for (real_mean, real_index), (mean, index) in zip(*both, strict=True):
        # Means in signal units: at low qualities 1/256 of an activation is much less than a step.
        off = (real_mean - mean / ONE).abs() * step.min() * SIGNAL
        assert off.mean() < 0.05
        apart = (torch.round(real_index).clamp(0, 63) - index).abs()
        assert apart.max() <= 1
        assert apart.mean() < 0.1


def test_steps_become_integers_within_their_resolution():
    step = torch.logspace(-2.6, 0.5, 50)[None]
    tables = StepTables.from_steps(step)
    # Latents in 1/64 steps to activations in 1/256: step * 16 * 256 / 64.
    assert torch.allclose(tables.signal / 2**12, step * 64, rtol=2e-3)
    assert torch.allclose(tables.mean(0) / 2**18, 1 / (step * 64), rtol=2e-3)


def test_the_inverse_of_a_step_is_rounded_without_a_float():
    step = torch.logspace(-2.6, 0.5, 500)[None]
    tables = StepTables.from_steps(step)
    for signal, inverse in zip(tables.signal[0].tolist(), tables.mean(0).tolist(), strict=True):
        assert inverse == math.floor(Fraction(2**30, signal) + Fraction(1, 2))


# --- the same everywhere ----------------------------------------------------------------------


Result = tuple[Tensor, ...]


def predictions(model: IntegerModel, side: Tensor, seen: Partner | None, signal: Tensor) -> Result:
    """Features, and the mean and table index of every symbol, given decoded activations."""
    arithmetic = model.arithmetic(QUALITY)
    features = model.prior.features(
        side,
        None if seen is None else seen.signal,
        None if seen is None else seen.coefficients,
        None,
        arithmetic,
        height=signal.shape[1],
        width=signal.shape[2],
    )
    read = [model.prior.read(n, features, signal, arithmetic) for n in range(PASS_COUNT)]
    return features, *(tensor for pair in read for tensor in pair)


Question = tuple[Tensor, Partner, Tensor]


@pytest.fixture(params=["tiny", "base"])
def asked(request, tiny_codec: Codec, base_codec: Codec) -> tuple[IntegerModel, Question]:
    """A model and four pictures' worth of integers to ask it about."""
    codec = tiny_codec if request.param == "tiny" else base_codec
    model = codec.model.visible.entropy
    signal = torch.randint(-4000, 4001, (4, 9, 11, model.prior.settings.latent_channels))
    question = hyper(model, 9, 11, batch=4), partner(model, 5, 6, batch=4), signal.double()
    return model, question


def all_equal(first: Result, second: Result) -> bool:
    return all(map(torch.equal, first, second))


def test_tables_are_integers(asked):
    model, question = asked
    features, *rest = predictions(model, *question)
    assert torch.equal(features, features.round())
    assert features.min() >= -4_096 and features.max() <= 32_767
    for mean, index in zip(rest[::2], rest[1::2], strict=True):
        assert torch.equal(mean, mean.round())
        assert torch.equal(index, index.round())
        assert index.min() >= 0 and index.max() <= 63


def test_tables_are_equal_on_any_number_of_threads(asked):
    model, question = asked
    answers = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        answers.append(predictions(model, *question))
    assert all_equal(answers[0], answers[1])
    assert all_equal(answers[0], answers[2])


def test_tables_are_equal_with_and_without_onednn(asked):
    model, question = asked
    with without_onednn():
        without = predictions(model, *question)
    assert all_equal(predictions(model, *question), without)


def test_tables_are_equal_one_by_one_and_as_a_batch(asked):
    model, (side, seen, signal) = asked
    together = predictions(model, side, seen, signal)
    for number in range(4):
        one = slice(number, number + 1)
        alone = predictions(
            model,
            side[one],
            Partner(seen.signal[one], seen.coefficients[one]),
            signal[one],
        )
        assert all_equal(alone, tuple(tensor[one] for tensor in together))


def test_a_partner_on_a_finer_grid_is_read_at_the_nearest_positions(asked):
    model, (side, seen, signal) = asked
    values = torch.randint(-2000, 2001, (*signal.shape[:3], seen.signal.shape[3])).double()
    same = Partner(values, seen.coefficients)
    finer = Partner(values.repeat_interleave(2, 1).repeat_interleave(3, 2), seen.coefficients)
    assert all_equal(
        predictions(model, side, same, signal), predictions(model, side, finer, signal)
    )


def relaid(tensor: Tensor, layout: str) -> Tensor:
    """The same values in another order in memory."""
    if layout == "channels first":
        return tensor.permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1)
    if layout == "transposed":
        return tensor.transpose(1, 2).contiguous().transpose(1, 2)
    wide = torch.zeros(*tensor.shape[:-1], 2 * tensor.shape[-1], dtype=tensor.dtype)
    wide[..., ::2] = tensor
    return wide[..., ::2]


@pytest.mark.parametrize("layout", ["channels first", "transposed", "strided"])
def test_tables_are_equal_for_any_order_in_memory(asked, layout):
    model, (side, seen, signal) = asked
    moved = predictions(
        model,
        relaid(side, layout),
        Partner(relaid(seen.signal, layout), seen.coefficients),
        relaid(signal, layout),
    )
    assert all_equal(predictions(model, side, seen, signal), moved)


@contextmanager
def without_onednn() -> Iterator[None]:
    # Not `flags(enabled=False)`: that warns of a flag for Intel GPUs.
    before = torch.backends.mkldnn.set_flags(_enabled=False)
    yield
    torch.backends.mkldnn.set_flags(_enabled=before[0])


@contextmanager
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    "elsewhere",
    [one_thread, without_onednn],
    ids=["one thread", "no oneDNN"],
)
def test_a_stream_decodes_to_the_same_symbols_elsewhere(model, elsewhere: Callable):
    torch.set_num_threads(2)
    wanted, side, seen = latents(model, 9, 7), hyper(model, 9, 7), partner(model, 4, 8)
    writer = SymbolWriter(model.models)
    sent = model.encode(wanted, side, QUALITY, seen, writer)
    with elsewhere():
        reader = SymbolReader(writer.finish(), model.models)
        got = model.decode(9, 7, QUALITY, seen, reader)
    assert sent.checksum == got.checksum
    assert torch.equal(sent.latents, got.latents)


def test_a_stream_is_as_long_as_its_tables_say(model):
    wanted, side = latents(model, 12, 12), hyper(model, 12, 12)
    symbols, indices = [], []

    class Recorder(SymbolWriter):
        def put(self, values: np.ndarray, tables: np.ndarray) -> None:
            symbols.append(values)
            indices.append(tables)
            super().put(values, tables)

    writer = Recorder(model.models)
    model.encode(wanted, side, QUALITY, None, writer)
    bits = model.models.bits(np.concatenate(symbols), np.concatenate(indices))
    assert len(writer.finish()) == pytest.approx(bits / 8, abs=5)
