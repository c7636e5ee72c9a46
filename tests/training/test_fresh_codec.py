# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import torch

from crossband.models.settings import CodecSettings
from crossband.testing import synthetic_pair
from crossband.training.network import TrainableCodec


def test_every_parameter_of_a_fresh_codec_gets_a_gradient(tiny_settings: CodecSettings) -> None:
    """Hyper-latents that all rounded to zero once cut the prior off from any gradient."""
    codec = TrainableCodec(tiny_settings)
    with torch.no_grad():
        for parameter in codec.parameters():  # what starts at zero hides what comes before it
            if not parameter.any():
                parameter.normal_(std=0.05)
    pair = synthetic_pair(visible=(128, 128), infrared=(128, 128), seed=3)
    assert pair.visible is not None and pair.infrared is not None
    visible = torch.from_numpy(pair.visible.samples.astype(np.float32) / 255)
    infrared = torch.from_numpy(pair.infrared.samples.astype(np.float32) / 255)
    pictures = visible.permute(2, 0, 1)[None], infrared[None, None]
    quality = torch.tensor([20])
    loss = torch.zeros(())
    for order in (("infrared", "visible"), ("visible", "infrared")):
        coded = codec(*pictures, quality, order=order)
        for one, true in ((coded.visible, pictures[0]), (coded.infrared, pictures[1])):
            loss = loss + (one.bits + one.coefficient_bits).sum() / 128**2
            loss = loss + 100 * (one.picture - true).square().mean()
    loss.backward()  # type: ignore[no-untyped-call]
    untouched = [name for name, p in codec.named_parameters() if p.grad is None or not p.grad.any()]
    assert untouched == []
