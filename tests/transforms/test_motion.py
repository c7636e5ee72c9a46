# SPDX-License-Identifier: Apache-2.0
"""The laws of motion vectors: how pictures are moved by them, and which the encoder chooses."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from crossband.entropy.settings import FURTHEST
from crossband.transforms.motion import (
    BRIGHTNESS_LIMIT,
    brightened,
    brightness,
    difference,
    moved,
    summed,
)
from crossband.transforms.motion_search import field_bits, search, vector_price

HEIGHT, WIDTH = 64, 96


@pytest.fixture(scope="module")
def scene() -> Tensor:
    """Smooth texture, larger than a picture on all sides."""
    generator = torch.Generator().manual_seed(4)
    noise = torch.rand(1, 3, HEIGHT // 4 + 32, WIDTH // 4 + 32, generator=generator)
    return F.interpolate(noise, scale_factor=4, mode="bicubic").clamp(0, 1)


def view(scene: Tensor, down: int, across: int) -> Tensor:
    """What a camera sees that has gone so many pixels."""
    return scene[:, :, 64 + down : 64 + down + HEIGHT, 64 + across : 64 + across + WIDTH]


def price(quality: int = 40) -> Tensor:
    return vector_price(torch.tensor([quality]))


def found(current: Tensor, past: Tensor, quality: int = 40) -> Tensor:
    """The vectors of one picture, coded from no reference."""
    return search(current, past, price(quality), FURTHEST)[0].vectors


def test_no_motion_changes_nothing(scene: Tensor) -> None:
    vectors = torch.zeros(1, HEIGHT // 16, WIDTH // 16, 2)
    assert torch.allclose(moved(view(scene, 0, 0), vectors), view(scene, 0, 0), atol=1e-5)


def test_whole_pixels_are_taken_from_where_the_vector_points(scene: Tensor) -> None:
    vectors = torch.zeros(1, HEIGHT // 16, WIDTH // 16, 2)
    vectors[0, 1, 2] = torch.tensor([4.0 * 3, 4.0 * -5])
    past = view(scene, 0, 0)
    shown = moved(past, vectors)
    # Blocks fade into each other over 6 pixels on each side.
    assert torch.allclose(shown[..., 22:26, 38:42], past[..., 25:29, 33:37], atol=1e-4)
    shown[..., 10:38, 26:54] = past[..., 10:38, 26:54]
    assert torch.allclose(shown, past, atol=1e-5)


def test_blocks_fade_into_their_neighbours() -> None:
    # On a ramp of one a pixel a vector adds its length, wherever it points.
    rows = torch.arange(HEIGHT, dtype=torch.float64)[:, None].expand(HEIGHT, WIDTH)
    columns = torch.arange(WIDTH, dtype=torch.float64).expand(HEIGHT, WIDTH)
    ramps = torch.stack((rows, columns))[:, None]
    vectors = torch.zeros(2, HEIGHT // 16, WIDTH // 16, 2)
    vectors[:, 2, 3] = 4.0
    added = (moved(ramps, vectors) - ramps)[:, 0]
    share = torch.arange(1, 24, 2, dtype=torch.float64) / 24
    profile = torch.cat((share, torch.ones(4), share.flip(0)))
    expected = torch.zeros(HEIGHT, WIDTH, dtype=torch.float64)
    expected[26:54, 42:70] = profile[:, None] * profile
    assert torch.allclose(added, expected.expand(2, -1, -1), atol=1e-9)


def test_each_picture_of_a_batch_is_moved_by_itself(scene: Tensor) -> None:
    generator = torch.Generator().manual_seed(2)
    pasts = torch.cat((view(scene, 0, 0), view(scene, 5, 5)))
    vectors = torch.randint(-9, 9, (2, HEIGHT // 16, WIDTH // 16, 2), generator=generator).float()
    both = moved(pasts, vectors)
    for number in range(2):
        one = slice(number, number + 1)
        assert torch.equal(both[one], moved(pasts[one], vectors[one]))


def test_the_border_goes_on(scene: Tensor) -> None:
    vectors = torch.full((1, HEIGHT // 16, WIDTH // 16, 2), float(FURTHEST))
    past = view(scene, 0, 0)
    assert torch.allclose(moved(past, vectors), past[..., -1:, -1:].expand_as(past), atol=1e-4)


@pytest.mark.parametrize(("down", "across"), [(0, 0), (1, -2), (9, 13), (-24, 20)])
def test_the_search_finds_a_pan(scene: Tensor, down: int, across: int) -> None:
    past, current = view(scene, 0, 0), view(scene, down, across)
    vectors = found(current, past)
    inside = vectors[0, 2:-2, 2:-2] if abs(down) > 16 else vectors[0, 1:-1, 1:-1]
    assert torch.equal(inside, torch.tensor([4.0 * down, 4.0 * across]).expand_as(inside))


def test_the_search_finds_quarter_pixels(scene: Tensor) -> None:
    wanted = torch.tensor([5.0, -7.0]).expand(1, HEIGHT // 16, WIDTH // 16, 2)
    current = moved(view(scene, 0, 0), wanted)
    vectors = found(current, view(scene, 0, 0), 63)
    assert (vectors - wanted).abs()[0, 1:-1, 1:-1].max() <= 1


def test_two_objects_get_vectors_of_their_own(scene: Tensor) -> None:
    past = view(scene, 0, 0)
    current = torch.cat([view(scene, 2, 0)[..., :48], view(scene, 0, -6)[..., 48:]], -1)
    vectors = found(current, past)[0, 1:-1]
    assert torch.equal(vectors[:, 1], torch.tensor([8.0, 0.0]).expand(2, 2))
    assert torch.equal(vectors[:, 4], torch.tensor([0.0, -24.0]).expand(2, 2))


def test_noise_moves_by_little() -> None:
    generator = torch.Generator().manual_seed(1)
    past, current = 0.5 + 0.02 * torch.randn(2, 1, 1, HEIGHT, WIDTH, generator=generator)
    # Between pixels noise is weaker, so some motion is found, but none far away.
    assert found(current, past, 5).abs().max() <= 8


def test_each_picture_of_a_batch_is_searched_by_itself(scene: Tensor) -> None:
    past = view(scene, 0, 0).repeat(2, 1, 1, 1)
    current = torch.cat([view(scene, 4, 4), view(scene, -3, 8)])
    last = torch.full((2, HEIGHT // 16, WIDTH // 16, 2), 16.0)
    both = search(current, past, price().repeat(2), FURTHEST, [last])
    for number in range(2):
        one = slice(number, number + 1)
        fields = search(current[one], past[one], price(), FURTHEST, [last[one]])
        for together, alone in zip(both, fields, strict=True):
            assert torch.equal(together.vectors[one], alone.vectors)
            assert torch.allclose(together.cost[one], alone.cost)


def test_a_pan_that_goes_on_is_cheapest_from_the_frame_before(scene: Tensor) -> None:
    past, current = view(scene, 0, 0), view(scene, 4, -8)
    pan = torch.tensor([16.0, -32.0]).expand(1, HEIGHT // 16, WIDTH // 16, 2)
    plain, referred = search(current, past, price(), FURTHEST, [pan])
    assert referred.cost < plain.cost
    assert referred.bits == 0
    assert torch.equal(referred.vectors, pan)
    cheaper = plain.or_cheaper(referred)
    assert torch.equal(cheaper.vectors, pan)
    assert cheaper.cost == referred.cost


def test_a_reference_that_misleads_is_left(scene: Tensor) -> None:
    past = view(scene, 0, 0)
    wrong = torch.full((1, HEIGHT // 16, WIDTH // 16, 2), 40.0)
    plain, referred = search(past, past, price(), FURTHEST, [wrong])
    assert plain.cost < referred.cost
    assert not plain.vectors.any()


def test_vectors_stay_within_their_limit(scene: Tensor) -> None:
    current, past = view(scene, -24, 20), view(scene, 0, 0)
    assert search(current, past, price(), 9)[0].vectors.abs().max() <= 9


def test_what_a_vector_takes_depends_on_its_neighbours() -> None:
    field = torch.zeros(2, 3, 2)
    field[0, 0] = field[0, 1] = torch.tensor([8.0, 4.0])
    bits = field_bits(field)
    # One of its own, the left one goes on, back to zero: the one above. Below: as most neighbours.
    own, expected, copied = bits[0].tolist()
    assert own > copied > expected == 0
    # Left 0, above 8, above right 8: the median is another one than the left one that it is.
    assert bits[1].tolist() == [copied, 0, 0]
    assert torch.equal(field_bits(torch.stack([field, field])), torch.stack([bits, bits]))


def test_a_difference_is_undone(scene: Tensor) -> None:
    one, other = view(scene, 0, 0), view(scene, 3, 3)
    assert torch.allclose(summed(difference(one, other), other), one, atol=1e-6)
    assert torch.equal(difference(one, one), torch.full_like(one, 0.5))


@pytest.mark.parametrize(("gain", "offset"), [(0.8, 0.1), (1.3, -0.15), (1.0, 0.08)])
def test_automatic_gain_is_found(scene: Tensor, gain: float, offset: float) -> None:
    past = view(scene, 0, 0) * 0.6 + 0.2
    current = past * gain + offset
    change = brightness(current, past)
    assert abs(float(1 + change[0, 0] / 64) - gain) < 0.02
    assert float((brightened(past, change) - current).abs().mean()) < 1 / 255


def test_brightness_that_does_not_change_is_left_alone(scene: Tensor) -> None:
    past = view(scene, 0, 0)
    for current in (past, past + 0.01 * torch.randn_like(past), view(scene, 1, 2)):
        assert not brightness(current, past).any()
    flat = torch.full((1, 1, 16, 16), 0.5)
    assert not brightness(flat, flat).any()


def test_brightness_stays_within_its_limits() -> None:
    dark, light = torch.zeros(1, 1, 32, 32), torch.ones(1, 1, 32, 32)
    generator = torch.Generator().manual_seed(0)
    rough = torch.rand(1, 1, 32, 32, generator=generator)
    for current, past in ((light, dark), (dark, light), (rough, dark), (dark, rough)):
        change = brightness(current, past)
        assert torch.equal(change, change.round())
        assert change.abs().max() <= BRIGHTNESS_LIMIT
        assert 0 <= brightened(past, change).min() <= brightened(past, change).max() <= 1
