# SPDX-License-Identifier: Apache-2.0
"""The 64 tables are whole, and training counts the bits that they cost."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from crossband.entropy.tables import (
    FREQUENCY_BITS,
    OCTAVES_PER_TABLE,
    SPREAD_LOW,
    TABLE_COUNT,
    SymbolTables,
    bounded,
    logistic_tables,
    symbol_bits,
)

TOTAL = 1 << FREQUENCY_BITS


@pytest.fixture(scope="module")
def tables() -> SymbolTables:
    return logistic_tables()


def symbols_of(tables: SymbolTables, index: int) -> torch.Tensor:
    radius = int(tables.radius[index])
    return torch.arange(-radius, radius + 1).float()


def test_every_table_adds_up_to_2_24_and_leaves_nothing_impossible(tables):
    for index in range(TABLE_COUNT):
        table = tables.table(index)
        assert len(table) == 2 * tables.radius[index] + 2
        assert table.min() >= 1
        assert int(table.sum()) == TOTAL


def test_tables_lie_one_after_the_other(tables):
    joined = np.concatenate([tables.table(index) for index in range(TABLE_COUNT)])
    assert np.array_equal(joined, tables.frequencies)


def test_every_table_is_even_and_falls_to_both_sides(tables):
    for index in range(TABLE_COUNT):
        symbols = tables.table(index)[:-1]
        assert np.array_equal(symbols, symbols[::-1])
        assert (np.diff(symbols[len(symbols) // 2 :]) <= 0).all()


def test_spreads_grow_in_equal_ratios_to_200_steps(tables):
    assert pytest.approx(200) == SPREAD_LOW * 2 ** (OCTAVES_PER_TABLE * (TABLE_COUNT - 1))
    for index in range(25, TABLE_COUNT):  # below, rounding widens the distribution
        share = tables.table(index)[:-1] / TOTAL
        spread = float((share * symbols_of(tables, index).numpy() ** 2).sum() ** 0.5)
        assert spread == pytest.approx(SPREAD_LOW * 2 ** (OCTAVES_PER_TABLE * index), rel=0.02)


def test_estimated_bits_are_what_the_tables_cost(tables):
    for index in range(TABLE_COUNT):
        symbols = symbols_of(tables, index)
        estimated = symbol_bits(symbols, torch.full_like(symbols, float(index))).numpy()
        table = tables.table(index)[:-1]
        cost = FREQUENCY_BITS - np.log2(table)
        assert (2.0**-estimated * (cost - estimated)).sum() < 2e-3
        # The symbol 0 gets what is left of rounding all others down: up to 0.045 bits.
        radius, common = len(table) // 2, estimated < 12
        assert (cost - estimated)[common].max() < 0.05
        middle = slice(radius - 1, radius + 2)  # beyond, tails may be fuller
        assert np.abs(cost - estimated)[middle][common[middle]].max() < 0.05
        # Tails are fuller than the logistic's; a frequency of 1 or 2 may round a bit off.
        assert (cost - estimated).max() < 1


def test_no_symbol_but_one_is_much_rarer_than_its_neighbour(tables):
    for index in range(TABLE_COUNT):
        radius = int(tables.radius[index])
        half = tables.table(index)[radius:].astype(float)  # 0 to radius, then the escape
        # 1 where frequencies are too small to be shared out.
        assert (half[2 : radius + 1] + 1 >= half[1:radius] / 64).all()
        assert half[-1] + 1 >= half[radius] / 4


def test_indices_beyond_the_ends_count_as_the_ends():
    residual = torch.tensor([0.0, 1.0, -300.0])
    for beyond, end in ((-50.0, 0.0), (1e9, TABLE_COUNT - 1.0)):
        assert torch.equal(
            symbol_bits(residual, torch.full((3,), beyond)),
            symbol_bits(residual, torch.full((3,), end)),
        )


def test_bits_and_their_gradients_are_finite_for_every_residual():
    residual = torch.tensor([0.0, 0.5, -0.5, 30.0, -1e4, 1e9], requires_grad=True)
    index = torch.full((6,), 3.0, requires_grad=True)
    bits = symbol_bits(residual, index)
    bits.sum().backward()
    assert bits.isfinite().all() and (bits >= 0).all()
    assert residual.grad is not None and residual.grad.isfinite().all()
    assert index.grad is not None and index.grad.isfinite().all()


def test_noise_costs_at_least_what_rounding_costs():
    latents = torch.randn(20_000) * torch.exp2(torch.linspace(-4, 6, 20_000))
    index = torch.linspace(0, TABLE_COUNT - 1, 20_000)
    noisy = symbol_bits(latents + torch.rand(20_000) - 0.5, index)
    rounded = symbol_bits(torch.round(latents), index)
    assert float(noisy.mean()) >= float(rounded.mean())


GOOD = (np.array([1, 0], np.int32), np.array([1, TOTAL - 3, 1, 1, TOTAL - 1, 1], np.int32))


def test_good_tables_are_taken():
    assert SymbolTables(*GOOD).table(1).tolist() == [TOTAL - 1, 1]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda f: f[:-1], "table 1 is short"),
        (lambda f: f[:3], "table 0 is short"),
        (lambda f: np.append(f, np.int32(1)), "1 frequencies beyond the last table"),
        (lambda f: np.where(np.arange(6) == 0, 0, f).astype(np.int32), "table 0 .* below 1"),
        (lambda f: f + (np.arange(6) == 5).astype(np.int32), "table 1 adds up to 16777217"),
    ],
)
def test_bad_tables_are_refused(change, complaint):
    with pytest.raises(ValueError, match=complaint):
        SymbolTables(GOOD[0], change(GOOD[1]))


@pytest.mark.parametrize("index", [-30.0, -1.0, 0.0, 10.0])
def test_a_symbol_far_out_pulls_its_mean_nearer_and_its_table_wider(index: float) -> None:
    """Where the cost is that of the rarest symbol whatever one does, training stood still."""
    residual = torch.tensor([9.0], requires_grad=True)
    table = torch.tensor([index], requires_grad=True)
    bits = symbol_bits(residual, table)
    assert bits.item() == pytest.approx(FREQUENCY_BITS, abs=0.1)
    bits.sum().backward()  # type: ignore[no-untyped-call]
    assert residual.grad is not None and residual.grad.item() > 1
    assert table.grad is not None and table.grad.item() < -0.1


@pytest.mark.parametrize(("value", "gradient", "passed"), [
    (-1.0, 1.0, 0.0), (-1.0, -1.0, -1.0), (0.5, 1.0, 1.0), (3.0, -1.0, 0.0), (3.0, 1.0, 1.0),
])  # fmt: skip
def test_a_bound_lets_pass_what_leads_back_inside(
    value: float, gradient: float, passed: float
) -> None:
    values = torch.tensor([value], requires_grad=True)
    (bounded(values, 0.0, 2.0) * gradient).sum().backward()  # type: ignore[no-untyped-call]
    assert values.grad is not None and values.grad.item() == passed
