# SPDX-License-Identifier: Apache-2.0
"""The laws of coded motion vectors."""

from __future__ import annotations

import numpy as np
import pytest

from crossband.entropy.coder import SymbolReader, SymbolWriter, TableModels
from crossband.entropy.settings import FURTHEST
from crossband.entropy.tables import logistic_tables
from crossband.entropy.vectors import (
    BRIGHTNESS_LIMIT,
    HEADER_TABLE,
    THREE_TABLE,
    USUAL_KIND_TABLES,
    Reference,
    get_brightness,
    get_vectors,
    put_brightness,
    put_vectors,
    resampled,
)
from crossband.errors import CorruptStream
from crossband.transforms import motion

MODELS = TableModels(logistic_tables())


def coded(vectors, reference=Reference.NONE, references=None) -> bytes:
    writer = SymbolWriter(MODELS)
    put_vectors(vectors, reference, references or {}, writer, MODELS)
    return writer.finish()


def decoded(data, shape, references=None):
    return get_vectors(*shape, references or {}, SymbolReader(data, MODELS))


def random_field(rows: int, columns: int, size: int, seed: int = 2) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.integers(-size, size + 1, (rows, columns, 2)).astype(np.int32)


def stream(*batches: tuple[int, list[int]]) -> bytes:
    """Symbols, each batch with its table."""
    writer = SymbolWriter(MODELS)
    for table, symbols in batches:
        writer.put(np.array(symbols, np.int32), np.full(len(symbols), table, np.int32))
    return writer.finish()


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 1), (6, 9)])
@pytest.mark.parametrize("size", [0, 1, 40, FURTHEST])
@pytest.mark.parametrize("reference", Reference)
def test_vectors_come_back(shape, size, reference):
    vectors = random_field(*shape, size)
    references = {each: random_field(*shape, FURTHEST, seed=3 + each) for each in (1, -1)}
    data = coded(vectors, reference, references)
    found, said = decoded(data, shape, references)
    assert np.array_equal(found, vectors)
    assert said is reference


def test_patches_that_move_as_one_come_back_and_are_cheap():
    patches = random_field(4, 5, 200).repeat(8, 0).repeat(8, 1)
    data = coded(patches)
    assert np.array_equal(decoded(data, patches.shape[:2])[0], patches)
    # Twenty vectors of their own, and borders of which a part is copied.
    assert len(data) < 0.1 * len(coded(random_field(32, 40, 200)))


def test_what_does_not_move_and_what_moves_as_one_takes_a_few_bytes():
    still = np.zeros((30, 40, 2), np.int32)
    assert len(coded(still)) <= 4
    assert len(coded(still + np.array([13, -200], np.int32))) <= 16


@pytest.mark.parametrize("reference", [Reference.LAST, Reference.PARTNER])
def test_vectors_like_the_reference_take_what_no_motion_takes(reference):
    field = random_field(30, 40, 100)
    assert len(coded(field, reference, {reference: field})) <= 5
    assert len(coded(field)) > 1500


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


@pytest.mark.parametrize("table", [-1, 64])
def test_a_table_that_is_not_there_is_refused(table):
    data = stream((THREE_TABLE, [0]), (HEADER_TABLE, [table - USUAL_KIND_TABLES[0]]))
    with pytest.raises(CorruptStream, match=f"symbol table {table};"):
        decoded(data, (2, 2))


def test_a_kind_that_is_not_there_is_refused():
    usual = USUAL_KIND_TABLES[0]
    data = stream((THREE_TABLE, [0]), (HEADER_TABLE, [32 - usual]), (32, [0, 2]))
    with pytest.raises(CorruptStream, match="a kind of motion vector"):
        decoded(data, (1, 2))


def test_a_copy_of_what_is_not_there_is_refused():
    usual = USUAL_KIND_TABLES[0]
    data = stream(
        (THREE_TABLE, [0]), (HEADER_TABLE, [32 - usual]), (32, [0, 1]), (THREE_TABLE, [2])
    )
    with pytest.raises(CorruptStream, match="a symbol beyond 1"):
        decoded(data, (1, 2))


@pytest.mark.parametrize("reference", [Reference.LAST, Reference.PARTNER])
def test_a_reference_that_is_not_there_is_refused(reference):
    field = random_field(2, 2, 5)
    data = coded(field, reference, {reference: field})
    with pytest.raises(CorruptStream, match="refers to motion vectors that there are not"):
        decoded(data, (2, 2), {Reference(-reference): field})


def test_a_vector_too_far_is_refused():
    with pytest.raises(CorruptStream, match="beyond 256 pixels"):
        decoded(coded(np.full((1, 1, 2), FURTHEST + 1, np.int32)), (1, 1))


def test_the_encoder_finds_no_change_that_the_coder_refuses():
    assert motion.BRIGHTNESS_LIMIT == BRIGHTNESS_LIMIT
