# SPDX-License-Identifier: Apache-2.0
"""The laws of coded motion vectors."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from crossband.entropy.coder import SymbolReader, SymbolWriter, TableModels
from crossband.entropy.settings import FURTHEST
from crossband.entropy.tables import logistic_tables
from crossband.entropy.vectors import (
    BRIGHTNESS_LIMIT,
    HEADER_TABLE,
    get_brightness,
    get_vectors,
    put_brightness,
    put_vectors,
    resampled,
)
from crossband.errors import CorruptStream
from crossband.transforms import motion

MODELS = TableModels(logistic_tables())


def coded(vectors: np.ndarray, reference: np.ndarray | None = None) -> bytes:
    writer = SymbolWriter(MODELS)
    put_vectors(vectors, reference, writer, MODELS)
    return writer.finish()


def random_field(rows: int, columns: int, size: int, seed: int = 2) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.integers(-size, size + 1, (rows, columns, 2)).astype(np.int32)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 1), (6, 9)])
@pytest.mark.parametrize("size", [0, 1, 40, FURTHEST])
@pytest.mark.parametrize("with_reference", [False, True])
def test_vectors_come_back(shape, size, with_reference):
    vectors = random_field(*shape, size)
    reference = random_field(*shape, FURTHEST, seed=3) if with_reference else None
    reader = SymbolReader(coded(vectors, reference), MODELS)
    assert np.array_equal(get_vectors(*shape, reference, reader), vectors)


def test_what_does_not_move_and_what_moves_as_one_takes_a_few_bytes():
    still = np.zeros((30, 40, 2), np.int32)
    assert len(coded(still)) <= 6
    assert len(coded(still + np.array([13, -200], np.int32))) <= 16


def test_vectors_like_the_reference_take_what_no_motion_takes():
    field = random_field(30, 40, 100)
    assert len(coded(field, field)) == len(coded(np.zeros_like(field)))
    assert len(coded(field)) > 1500


def test_the_search_and_the_coder_expect_the_same():
    field = random_field(7, 5, 30)
    symbols = field - motion.expected(torch.from_numpy(field)[None].float())[0].numpy().astype(
        np.int32
    )
    writer = SymbolWriter(MODELS)
    put_vectors(field, None, writer, MODELS)
    reader = SymbolReader(writer.finish(), MODELS)
    found = []
    for count in (35, np.count_nonzero(symbols)):
        table = int(reader.get(np.array([HEADER_TABLE], np.int32))[0]) + 32
        found.append(reader.get(np.full(count, table, np.int32)))
    assert np.array_equal(found[0] != 0, (symbols != 0).any(-1).ravel())
    assert np.array_equal(found[1], symbols[symbols != 0])


def test_another_grid_gets_nearest_vectors_in_proportion():
    field = np.array([[[8, -8], [16, 3]]], np.int32)
    found = resampled(field, 2, 4)
    assert found[..., 0].tolist() == [[16, 16, 32, 32]] * 2
    assert found[..., 1].tolist() == [[-16, -16, 6, 6]] * 2
    assert np.array_equal(resampled(field, 1, 2), field)


@pytest.mark.parametrize("change", [(0, 0), (-63, 63), (5, -1)])
def test_a_change_of_brightness_comes_back(change):
    writer = SymbolWriter(MODELS)
    put_brightness(np.array(change, np.int32), writer)
    data = writer.finish()
    assert tuple(get_brightness(SymbolReader(data, MODELS))) == change
    assert len(data) <= (4 if change == (0, 0) else 8)


def test_a_change_of_brightness_too_far_is_refused():
    writer = SymbolWriter(MODELS)
    put_brightness(np.array([0, BRIGHTNESS_LIMIT + 1], np.int32), writer)
    with pytest.raises(CorruptStream, match="brightness beyond 63"):
        get_brightness(SymbolReader(writer.finish(), MODELS))


@pytest.mark.parametrize(("table", "message"), [(32, "symbol table 64"), (-33, "symbol table -1")])
def test_a_table_that_is_not_there_is_refused(table, message):
    writer = SymbolWriter(MODELS)
    writer.put(np.array([table], np.int32), np.array([HEADER_TABLE], np.int32))
    with pytest.raises(CorruptStream, match=message):
        get_vectors(2, 2, None, SymbolReader(writer.finish(), MODELS))


def test_a_kind_that_is_not_there_is_refused():
    writer = SymbolWriter(MODELS)
    writer.put(np.array([0], np.int32), np.array([HEADER_TABLE], np.int32))
    writer.put(np.array([0, 3], np.int32), np.array([32, 32], np.int32))
    with pytest.raises(CorruptStream, match="a kind of motion vector"):
        get_vectors(1, 2, None, SymbolReader(writer.finish(), MODELS))


def test_a_vector_too_far_is_refused():
    with pytest.raises(CorruptStream, match="beyond 256 pixels"):
        get_vectors(
            1, 1, None, SymbolReader(coded(np.full((1, 1, 2), FURTHEST + 1, np.int32)), MODELS)
        )


def test_the_encoder_finds_no_change_that_the_coder_refuses():
    assert motion.BRIGHTNESS_LIMIT == BRIGHTNESS_LIMIT
