# SPDX-License-Identifier: Apache-2.0
"""The metrics against values worked out by hand, and where they stop."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest

from crossband import Modality, PictureError, Raster
from crossband.bench.metrics import (
    MS_SSIM_INSTALL,
    MS_SSIM_MIN_SIDE,
    KelvinError,
    compare,
    count_error,
    kelvin_error,
    ms_ssim,
    psnr,
    ssim,
)
from crossband.testing import synthetic_pair


def flat(value: int, *, depth: int = 8, shape: tuple[int, ...] = (6, 5)) -> Raster:
    if depth <= 8:
        return Raster(np.full(shape, value, np.uint8), depth)
    return Raster(np.full(shape, value, np.uint16), depth)


@pytest.mark.parametrize(
    ("depth", "peak", "expected"),
    [
        (8, None, 20 * math.log10(255 / 5)),
        (14, None, 20 * math.log10(16383 / 5)),
        (16, None, 20 * math.log10(65535 / 5)),
        (14, 4095, 20 * math.log10(4095 / 5)),
    ],
)
def test_psnr_takes_the_peak_given_or_that_of_the_depth(
    depth: int, peak: int | None, expected: float
) -> None:
    assert psnr(flat(100, depth=depth), flat(105, depth=depth), peak=peak) == pytest.approx(
        expected
    )


def test_psnr_of_rgb_is_over_all_samples() -> None:
    test = np.zeros((4, 4, 3), np.uint8)
    test[..., 1] = 9
    mean_square = 81 / 3
    expected = 10 * math.log10(255**2 / mean_square)
    assert psnr(flat(0, shape=(4, 4, 3)), Raster(test)) == pytest.approx(expected)


def test_equal_pictures_have_infinite_psnr() -> None:
    assert psnr(flat(3), flat(3)) == math.inf


def test_the_error_is_absolute_and_in_counts() -> None:
    test = np.full((10, 10), 1000, np.uint16)
    test[0, :4] = 900
    test[1, 0] = 1300
    error = count_error(flat(1000, depth=14, shape=(10, 10)), Raster(test, 14))
    assert (error.mean, error.percentile_95, error.largest) == (7.0, pytest.approx(5.0), 300)


def test_the_largest_possible_error_does_not_overflow() -> None:
    error = count_error(flat(0, depth=16), flat(65535, depth=16))
    assert error.largest == 65535
    assert psnr(flat(0, depth=16), flat(65535, depth=16)) == pytest.approx(0)


@pytest.mark.parametrize("modality", list(Modality))
def test_ms_ssim_is_1_for_equal_pictures_and_falls_with_noise(modality: Modality) -> None:
    size = (MS_SSIM_MIN_SIDE, MS_SSIM_MIN_SIDE + 2)
    clean, noisy, noisier = (
        synthetic_pair(visible=size, infrared=size, infrared_bit_depth=16, noise=noise).get(
            modality
        )
        for noise in (0, 4, 12)
    )
    assert clean is not None and noisy is not None and noisier is not None
    values = [ms_ssim(clean, other) for other in (clean, noisy, noisier)]
    assert values[0] == pytest.approx(1)
    assert values[0] is not None and values[1] is not None and values[2] is not None
    assert values[0] > values[1] > values[2] > 0


@pytest.mark.parametrize("modality", list(Modality))
def test_ms_ssim_is_that_of_its_package(modality: Modality) -> None:
    import pytorch_msssim
    import torch

    size = (MS_SSIM_MIN_SIDE, MS_SSIM_MIN_SIDE + 30)
    clean, noisy = (
        synthetic_pair(visible=size, infrared=size, noise=noise).get(modality) for noise in (0, 8)
    )
    assert clean is not None and noisy is not None
    tensors = [
        torch.from_numpy(np.atleast_3d(each.samples).astype(np.float64)).permute(2, 0, 1)[None]
        for each in (clean, noisy)
    ]
    expected = float(pytorch_msssim.ms_ssim(*tensors, data_range=255))
    assert ms_ssim(clean, noisy) == pytest.approx(expected)
    assert 0 < expected < 1


def test_small_pictures_have_no_ms_ssim() -> None:
    shape = (MS_SSIM_MIN_SIDE - 1, 400)
    result = compare(flat(0, shape=shape), flat(1, shape=shape))
    assert result.ms_ssim is None
    assert str(MS_SSIM_MIN_SIDE) in result.ms_ssim_absent
    assert result.ssim == ssim(flat(0, shape=shape), flat(1, shape=shape))


@pytest.mark.parametrize("modality", list(Modality))
def test_ssim_is_that_of_its_package_and_of_small_pictures_only(modality: Modality) -> None:
    import pytorch_msssim
    import torch

    size = (40, 160)
    clean, noisy = (
        synthetic_pair(visible=size, infrared=size, noise=noise).get(modality) for noise in (0, 8)
    )
    assert clean is not None and noisy is not None
    tensors = [
        torch.from_numpy(np.atleast_3d(each.samples).astype(np.float64)).permute(2, 0, 1)[None]
        for each in (clean, noisy)
    ]
    found = compare(clean, noisy)
    assert found.ms_ssim is None
    assert found.ssim == pytest.approx(float(pytorch_msssim.ssim(*tensors, data_range=255)))
    assert found.ssim is not None and 0 < found.ssim < 1
    large = flat(0, shape=(MS_SSIM_MIN_SIDE, MS_SSIM_MIN_SIDE))
    assert compare(large, large).ssim is None


def test_a_picture_below_the_window_has_no_ssim_either() -> None:
    assert ssim(flat(0, shape=(10, 400)), flat(1, shape=(10, 400))) is None
    assert ssim(flat(0, shape=(11, 400)), flat(0, shape=(11, 400))) == pytest.approx(1)


def test_a_missing_package_is_told_with_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pytorch_msssim", None)
    shape = (MS_SSIM_MIN_SIDE, MS_SSIM_MIN_SIDE)
    with pytest.raises(ModuleNotFoundError, match=MS_SSIM_INSTALL):
        ms_ssim(flat(0, shape=shape), flat(1, shape=shape))
    result = compare(flat(0, shape=shape), flat(1, shape=shape))
    assert result.ms_ssim is None
    assert MS_SSIM_INSTALL in result.ms_ssim_absent
    assert result.psnr_db == pytest.approx(20 * math.log10(255))


@pytest.mark.parametrize("measure", [psnr, ms_ssim, ssim, count_error, compare])
def test_pictures_of_different_shape_are_refused(measure: object) -> None:
    assert callable(measure)
    with pytest.raises(PictureError, match="5x6 with 1 channel against 6x6"):
        measure(flat(0), flat(0, shape=(6, 6)))


def test_a_peak_of_nothing_is_refused() -> None:
    with pytest.raises(PictureError, match="peak is 0"):
        psnr(flat(0), flat(1), peak=0)


def test_the_error_in_kelvin_is_that_of_the_temperatures():
    reference = Raster(np.array([[100, 200], [300, 400]], np.uint16))
    test = Raster(np.array([[101, 200], [300, 396]], np.uint16))
    error = kelvin_error(reference, test, lambda counts: counts * 0.5)
    assert error == KelvinError(mean=0.625, percentile_95=pytest.approx(1.775), largest=2.0)


def test_a_count_without_temperature_leaves_no_error_in_kelvin():
    reference = Raster(np.array([[0, 200]], np.uint16))
    assert kelvin_error(reference, reference, lambda n: np.where(n > 0, n, np.nan)) is None
