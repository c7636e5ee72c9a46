# SPDX-License-Identifier: Apache-2.0
"""Symbols to bytes and back: exact tables, every integer, and no trust in the bytes."""

from __future__ import annotations

import contextlib
import time

import numpy as np
import pytest
from constriction import stream as coding
from crc32c import crc32c
from hypothesis import given
from hypothesis import strategies as st

from crossband.entropy.coder import LARGEST_SYMBOL, SymbolReader, SymbolWriter, TableModels
from crossband.entropy.tables import FREQUENCY_BITS, TABLE_COUNT, SymbolTables, logistic_tables
from crossband.errors import CorruptStream

TABLES = logistic_tables()
MODELS = TableModels(TABLES)


def int32(values) -> np.ndarray:
    return np.array(values, np.int32)


def coded(*batches: tuple[list[int], list[int]]) -> tuple[bytes, int]:
    """The stream of (symbols, table indices) batches, and its checksum."""
    writer = SymbolWriter(MODELS)
    for symbols, indices in batches:
        writer.put(int32(symbols), int32(indices))
    return writer.finish(), writer.checksum


def symbol_at(models: TableModels, index: int, quantile: int) -> int:
    """The place in a table to which the coder takes a 24-bit quantile of its first symbol."""
    # The coder's first interval is 2^64 - 1 long and is divided by a shift of 24 bits.
    point = quantile * ((2**64 - 1) >> FREQUENCY_BITS)
    words = np.array([point >> 32, point & 0xFFFF_FFFF], np.uint32)
    return int(coding.queue.RangeDecoder(words).decode(models.models[index]))


def assert_exact(tables: SymbolTables, models: TableModels) -> None:
    for index in range(len(tables.radius)):
        edges = np.append(0, np.cumsum(tables.table(index).astype(np.int64)))
        first = [symbol_at(models, index, int(edge)) for edge in edges[:-1]]
        last = [symbol_at(models, index, int(edge) - 1) for edge in edges[1:]]
        assert first == last == list(range(len(edges) - 1))


def test_every_boundary_of_every_table_is_where_its_frequencies_put_it():
    assert_exact(TABLES, MODELS)


def test_every_boundary_of_the_shipped_tables_is_where_their_frequencies_put_it(base_codec):
    from safetensors.numpy import load_file

    tensors = load_file(base_codec.model.card.path)
    shipped = SymbolTables(tensors["tables.radius"], tensors["tables.frequencies"])
    assert_exact(shipped, base_codec.model.visible.entropy.models)


@pytest.mark.parametrize("seed", range(20))
def test_any_frequencies_are_coded_exactly(seed):
    """Not only bell-shaped ones: the library may not round whatever a later export ships."""
    random = np.random.default_rng(seed)
    size = int(random.integers(1, 40)) * 2
    cuts = np.sort(random.choice(np.arange(1, 1 << 24), size - 1, replace=False))
    frequencies = np.diff(np.concatenate([[0], cuts, [1 << 24]])).astype(np.int32)
    tables = SymbolTables(int32([size // 2 - 1]), frequencies)
    assert_exact(tables, TableModels(tables))


magnitudes = st.one_of(
    st.integers(0, 3), st.integers(0, 2000), st.integers(0, LARGEST_SYMBOL), st.just(LARGEST_SYMBOL)
)
symbols_of_tables = st.lists(
    st.tuples(
        st.builds(lambda size, sign: size * sign, magnitudes, st.sampled_from((-1, 1))),
        st.integers(0, TABLE_COUNT - 1),
    ),
    max_size=60,
)


@given(st.lists(symbols_of_tables, max_size=4))
def test_all_symbols_come_back_in_their_order(batches):
    pairs = [([s for s, _ in batch], [i for _, i in batch]) for batch in batches]
    stream, checksum = coded(*pairs)
    reader = SymbolReader(stream, MODELS)
    for symbols, indices in pairs:
        assert reader.get(int32(indices)).tolist() == symbols
    assert reader.checksum == checksum


@pytest.mark.parametrize("index", [0, 20, 63])
def test_symbols_at_the_rim_of_a_table_and_beyond_it_come_back(index):
    radius = int(TABLES.radius[index])
    sizes = [radius - 1, radius, radius + 1, radius + 2, radius + 65_536, radius + 65_537]
    sizes += [radius + 2**k for k in range(2, 30)] + [LARGEST_SYMBOL]
    symbols = [sign * size for size in sizes for sign in (1, -1)]
    stream, _ = coded((symbols, [index] * len(symbols)))
    assert SymbolReader(stream, MODELS).get(int32([index] * len(symbols))).tolist() == symbols


def test_the_checksum_is_of_the_symbols_as_given_not_as_grouped():
    symbols, indices = [5, -3, 700, 0, 2], [40, 3, 3, 40, 0]
    _, whole = coded((symbols, indices))
    _, parts = coded((symbols[:2], indices[:2]), (symbols[2:], indices[2:]))
    assert whole == parts == crc32c(np.array(symbols, "<i4").tobytes())
    _, swapped = coded((symbols[::-1], indices[::-1]))
    assert swapped != whole


def test_no_stream_ends_in_a_zero_byte_and_more_of_them_change_nothing():
    random = np.random.default_rng(0)
    shortened = 0
    for count in range(600):
        indices = random.integers(0, TABLE_COUNT, count).tolist()
        symbols = np.rint(random.normal(0, 3, count)).astype(int).tolist()
        stream, _ = coded((symbols, indices))
        assert not stream.endswith(b"\0")
        shortened += len(stream) % 4 > 0
        for zeros in (0, 1, 4, 11):
            reader = SymbolReader(stream + bytes(zeros), MODELS)
            assert reader.get(int32(indices)).tolist() == symbols
    assert shortened > 0


def test_nothing_takes_no_bytes():
    assert coded() == coded(([], [])) == (b"", 0)
    assert SymbolReader(b"", MODELS).get(int32([])).tolist() == []


def test_silent_symbols_take_nearly_no_bytes():
    stream, _ = coded(([0] * 100_000, [0] * 100_000))
    assert len(stream) <= 4
    assert not SymbolReader(stream, MODELS).get(int32([0] * 100_000)).any()


def test_a_stream_is_as_long_as_the_tables_say():
    random = np.random.default_rng(1)
    indices = random.integers(0, TABLE_COUNT, 20_000).astype(np.int32)
    spread = 0.07 * (200 / 0.07) ** (indices / 63)
    symbols = np.rint(random.logistic(0, 0.55 * spread)).astype(np.int32)
    symbols[::100] = np.rint(random.standard_cauchy(200) * 1e5).astype(np.int32)
    assert (np.abs(symbols) > TABLES.radius[indices]).sum() > 150
    stream, _ = coded((symbols.tolist(), indices.tolist()))
    assert len(stream) == pytest.approx(MODELS.bits(symbols, indices) / 8, abs=5)


def test_a_stream_of_these_symbols_has_these_bytes_for_ever():
    """The coder's words are part of the format: another library version must write the same."""
    symbols = [0, 1, -1, 2, -40, 3000, 0, 0, -LARGEST_SYMBOL, 17]
    stream, checksum = coded((symbols, [0, 12, 20, 30, 45, 63, 5, 5, 10, 33]))
    assert stream.hex() == "4dcd77ff0136f842a8c783ef60e834f7"
    assert checksum == 0xDC13D9D0


@given(st.binary(max_size=80), st.lists(st.integers(0, TABLE_COUNT - 1), max_size=80))
def test_garbage_gives_wrong_symbols_or_an_error(data, indices):
    reader = SymbolReader(data, MODELS)
    try:
        symbols = reader.get(int32(indices))
    except CorruptStream as error:
        assert "\n" not in str(error)
    else:
        assert len(symbols) == len(indices)
        assert np.abs(symbols.astype(np.int64)).max(initial=0) < 2**30 + 2**11


@pytest.mark.parametrize("byte", [0x00, 0x55, 0xFF])
@pytest.mark.parametrize("index", [0, 31, 63])
def test_garbage_costs_no_more_time_than_symbols(byte, index):
    start = time.process_time()
    with contextlib.suppress(CorruptStream):
        SymbolReader(bytes([byte]) * 100_000, MODELS).get(int32([index] * 20_000))
    assert time.process_time() - start < 2


@pytest.mark.parametrize("length", [30, 31])
def test_an_escape_that_no_encoder_writes_is_refused(length):
    encoder = coding.queue.RangeEncoder()
    encoder.encode(int32([2 * TABLES.radius[9] + 1]), MODELS.models[9])
    encoder.encode(int32([0]), coding.model.Uniform(2))
    encoder.encode(int32([length]), coding.model.Uniform(32))
    with pytest.raises(CorruptStream, match="beyond 2\\^30"):
        SymbolReader(encoder.get_compressed().tobytes(), MODELS).get(int32([9]))
