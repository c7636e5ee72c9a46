# SPDX-License-Identifier: Apache-2.0
"""The laws of the bench of films."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest
from PIL import Image

from crossband.bench import film_anchors, film_coders, film_run
from crossband.bench.metrics import ms_ssim
from crossband.bench.rows import read_rows
from crossband.errors import InputError
from crossband.pair import Modality, Raster
from crossband.testing import synthetic_pair

FRAMES = 4
SIZE = (64, 96)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> film_run.ClipPath:
    """A camera that pans, as two folders of pictures."""
    root = tmp_path_factory.mktemp("clip")
    scene = synthetic_pair(visible=SIZE, infrared=SIZE, seed=8)
    for name, raster in (("vis", scene.visible), ("ir", scene.infrared)):
        (root / name).mkdir()
        assert raster is not None
        for number in range(FRAMES):
            frame = np.roll(raster.samples, 2 * number, 1)
            Image.fromarray(frame).save(root / name / f"{number}.png")
    return film_run.parse_clip(f"pan={root / 'vis'},{root / 'ir'}")


@pytest.fixture(scope="module")
def films(clip: film_run.ClipPath) -> film_coders.Films:
    return film_run.read_clip(clip, None)


def measured(clip, names, output, **options):
    coders = [film_coders.find(name) for name in names]
    return film_run.run([clip], coders, output, dataset="tiny", **options)


@pytest.mark.parametrize("name", film_anchors.ANCHORS)
@pytest.mark.parametrize("modality", list(Modality))
def test_what_an_anchor_codes_comes_back_nearly(name, modality, films):
    anchor = film_anchors.find(name)
    if not anchor.available():
        pytest.skip(f"{name} is not installed")
    frames = list(films[modality])
    small, large = (anchor.encode(frames, anchor.grid[at], None) for at in (0, -1))
    assert len(small.data) < len(large.data)
    shown = np.stack(list(anchor.decode(large.data, frames[0].shape)))
    assert shown.shape == films[modality].shape
    assert film_run._psnr(films[modality], shown) > 33


@pytest.mark.parametrize(("name", "looks_ahead"), [("x265-ldp", False), ("x265-ra", True)])
def test_low_delay_has_no_frame_that_waits_for_a_later_one(name, looks_ahead, films):
    anchor = film_anchors.find(name)
    if not anchor.available():
        pytest.skip(f"{name} is not installed")
    import av
    from av.video.frame import PictureType

    data = anchor.encode(list(films[Modality.VISIBLE]), 35, None).data
    with av.open(io.BytesIO(data), format="hevc") as file:
        kinds = {PictureType(frame.pict_type).name for frame in file.decode(video=0)}
    assert ("B" in kinds) == looks_ahead
    assert {"I", "P"} <= kinds


@pytest.mark.parametrize("name", ["x265-ldp", "x265-ra", "svtav1-ra"])
def test_key_frames_cost_bytes(name, films):
    anchor = film_anchors.find(name)
    if not anchor.available():
        pytest.skip(f"{name} is not installed")
    frames = list(films[Modality.VISIBLE])
    sizes = [len(anchor.encode(frames, anchor.grid[2], keyframe).data) for keyframe in (None, 1)]
    assert sizes[0] < sizes[1]


def test_rows_count_every_byte_and_a_second_run_measures_nothing(clip, films, tmp_path):
    output = tmp_path / "rows.jsonl"
    names = ["crossband-keys", "crossband-alone/1"]
    first = measured(clip, names, output, qualities={name: (20,) for name in names})
    assert (first.measured, first.failures) == (2, ())
    joint, alone = read_rows(output)
    assert joint.pixels_visible == FRAMES * SIZE[0] * SIZE[1]
    assert joint.image == "pan"
    assert joint.psnr_visible is not None
    assert joint.psnr_visible > 20
    # 64 pixels are too few for MS-SSIM.
    assert (joint.msssim_visible, joint.msssim_infrared) == (None, None)
    assert 0.5 < joint.ssim_visible < 1 and 0.5 < joint.ssim_infrared < 1
    if sys.platform == "linux":
        assert joint.encode_peak_bytes > 2**26 and joint.decode_peak_bytes > 2**26
    assert f"{FRAMES} frames" in joint.settings
    coded = film_coders.find("crossband-keys").encode(films, 20)
    assert sum(map(len, coded.files)) == joint.bytes_visible + joint.bytes_infrared
    assert alone.bytes_infrared > 0
    again = measured(clip, names, output, qualities={name: (20,) for name in names})
    assert (again.measured, again.kept) == (0, 2)


def test_the_structure_of_a_film_is_the_mean_of_its_frames():
    pair = synthetic_pair(visible=(176, 192), infrared=(176, 192), seed=3)
    frame = pair.infrared.samples
    darker = (frame * 0.9).astype(np.uint8)
    films, shown = np.stack([frame, frame]), np.stack([frame, darker])
    expected = (1 + ms_ssim(Raster(frame), Raster(darker))) / 2
    found = film_run._structure(films, shown)
    assert found.ms_ssim == pytest.approx(expected, abs=1e-6)
    assert found.ssim is None


def test_a_codec_that_fails_costs_one_point(clip, tmp_path):
    if not film_anchors.find("vvenc-ra").available():
        pytest.skip("vvenc-ra is not installed")
    name, output = "vvenc-ra/5", tmp_path / "rows.jsonl"
    summary = measured(clip, [name], output, qualities={name: (40,)})
    (failure,) = summary.failures
    assert "multiples of 32 frames, not 5" in failure


def test_weights_that_are_not_here_are_skipped(clip, tmp_path):
    summary = measured(clip, ["crossband@nowhere.safetensors"], tmp_path / "rows.jsonl")
    assert summary.skipped == ("crossband@nowhere.safetensors",)


def test_only_the_first_frames_are_read(clip):
    found = film_run.read_clip(clip, 2)
    assert {each.shape[0] for each in found.values()} == {2}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pan", "write it as NAME=VISIBLE,INFRARED"),
        ("pan=a", "write it as NAME=VISIBLE,INFRARED"),
        ("pan=nowhere,nowhere", "nowhere is not there"),
    ],
)
def test_a_clip_that_is_none_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        film_run.parse_clip(text)


@pytest.mark.parametrize(
    ("name", "message"), [("h261", "no film codec is called h261"), ("x265-ra/a", "x265-ra/32")]
)
def test_a_codec_that_is_none_is_refused(name, message):
    with pytest.raises(InputError, match=message):
        film_coders.find(name)
