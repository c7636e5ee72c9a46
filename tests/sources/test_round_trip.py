# SPDX-License-Identifier: Apache-2.0
"""What is written is read again, sample for sample."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossband.errors import OutputError
from crossband.pair import Modality, Raster
from crossband.sources import Format, read, write


def noise(height: int, width: int, *, bit_depth: int = 8, channels: int = 1) -> Raster:
    shape = (height, width) if channels == 1 else (height, width, channels)
    kind = np.uint8 if bit_depth <= 8 else np.uint16
    samples = np.random.randint(0, 1 << bit_depth, shape).astype(kind)
    samples.flat[0] = (1 << bit_depth) - 1
    return Raster(samples, bit_depth)


def there_and_back(raster: Raster, modality: Modality, format: Format) -> Raster:
    file = BytesIO()
    write(raster, file, format=format)
    return read(file.getvalue(), modality).raster


@pytest.mark.parametrize("format", ["png", "tiff"])
@pytest.mark.parametrize("bit_depth", range(8, 17))
def test_infrared_comes_back_at_its_own_depth(format: Format, bit_depth: int) -> None:
    raster = noise(21, 34, bit_depth=bit_depth)
    assert there_and_back(raster, Modality.INFRARED, format).equals(raster)


@pytest.mark.parametrize("format", ["png", "tiff"])
def test_16_bit_samples_of_an_8_bit_camera_stay_16_bit_samples(format: Format) -> None:
    raster = Raster(noise(5, 7).samples.astype(np.uint16), 8)
    assert there_and_back(raster, Modality.INFRARED, format).equals(raster)


@pytest.mark.parametrize("format", ["png", "tiff", "webp"])
def test_colour_comes_back_sample_for_sample(format: Format) -> None:
    raster = noise(21, 34, channels=3)
    assert there_and_back(raster, Modality.VISIBLE, format).equals(raster)


@pytest.mark.parametrize("format", ["png", "tiff"])
def test_gray_visible_stays_one_channel(format: Format) -> None:
    raster = noise(21, 34)
    assert there_and_back(raster, Modality.VISIBLE, format).equals(raster)


def test_gray_through_webp_comes_back_as_equal_channels() -> None:
    raster = noise(21, 34)
    visible = there_and_back(raster, Modality.VISIBLE, "webp")
    assert np.array_equal(visible.samples, np.stack([raster.samples] * 3, axis=-1))
    assert there_and_back(raster, Modality.INFRARED, "webp").equals(raster)


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_comes_back_close(channels: int) -> None:
    ramp = np.add.outer(np.arange(40), np.arange(60)).astype(np.uint8)
    raster = Raster(ramp if channels == 1 else np.stack([ramp, 255 - ramp, ramp // 2], axis=-1))
    back = there_and_back(raster, Modality.VISIBLE, "jpeg")
    assert back.samples.shape == raster.samples.shape
    assert np.abs(back.samples.astype(int) - raster.samples).max() <= 4


@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    bit_depth=st.integers(8, 16),
    format=st.sampled_from(["png", "tiff"]),
)
def test_any_size_comes_back(height: int, width: int, bit_depth: int, format: Format) -> None:
    raster = noise(height, width, bit_depth=bit_depth)
    assert there_and_back(raster, Modality.INFRARED, format).equals(raster)


@given(height=st.integers(1, 40), width=st.integers(1, 40), format=st.sampled_from(["png", "webp"]))
def test_any_size_of_colour_comes_back(height: int, width: int, format: Format) -> None:
    raster = noise(height, width, channels=3)
    assert there_and_back(raster, Modality.VISIBLE, format).equals(raster)


@pytest.mark.parametrize("format", ["png", "tiff", "webp", "jpeg"])
def test_the_ending_of_the_name_decides_nothing(tmp_path: Path, format: Format) -> None:
    path = tmp_path / "picture.txt"
    write(noise(9, 9, channels=3), path, format=format)
    assert read(path, Modality.VISIBLE).raster.samples.shape == (9, 9, 3)


def test_paths_strings_bytes_and_streams_read_alike(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    raster = noise(9, 11)
    write(raster, path)
    with path.open("rb") as stream:
        for source in (path, str(path), path.read_bytes(), stream):
            assert read(source, Modality.INFRARED).raster.equals(raster)


def test_samples_may_be_written_to() -> None:
    # torch.from_numpy warns about arrays that may not.
    for format in ("png", "tiff", "webp", "jpeg"):
        assert there_and_back(noise(3, 3), Modality.INFRARED, format).samples.flags.writeable


def test_a_view_with_strides_is_written_as_it_looks() -> None:
    raster = Raster(noise(20, 30, bit_depth=14).samples[::-2, ::3], 14)
    for format in ("png", "tiff"):
        assert there_and_back(raster, Modality.INFRARED, format).equals(raster)


@pytest.mark.parametrize(
    ("raster", "format", "advice"),
    [
        (noise(4, 4, bit_depth=14), "jpeg", "use png or tiff"),
        (noise(4, 4, bit_depth=14), "webp", "use png or tiff"),
        (noise(4, 4, bit_depth=16, channels=3), "png", "use tiff"),
        (noise(1, 16_384), "webp", "use png or tiff"),
        (noise(4, 4), "bmp", "allowed are png, tiff, webp, jpeg"),
    ],
)
def test_a_format_that_cannot_hold_the_picture_says_so(
    raster: Raster, format: Format, advice: str
) -> None:
    file = BytesIO()
    with pytest.raises(OutputError, match=advice):
        write(raster, file, format=format)
    assert file.getvalue() == b""


def test_an_existing_picture_is_replaced_only_on_request(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write(noise(2, 2), path)
    with pytest.raises(OutputError, match="exists"):
        write(noise(3, 3), path)
    assert read(path, Modality.INFRARED).raster.samples.shape == (2, 2)
    write(noise(3, 3), path, force=True)
    assert read(path, Modality.INFRARED).raster.samples.shape == (3, 3)
