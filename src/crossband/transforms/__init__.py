# SPDX-License-Identifier: Apache-2.0
"""Stage 3: tensors to latents and back, alone or in the context of the partner picture."""

from crossband.transforms.alignment import ChannelAlignment, SpatialAlignment
from crossband.transforms.blocks import to_channels_last
from crossband.transforms.picture import PictureTransforms, SynthesisFeatures
from crossband.transforms.quality import QUALITY_COUNT, QualityGain, base_step, lagrangian
from crossband.transforms.settings import TransformSettings

__all__ = [
    "QUALITY_COUNT",
    "ChannelAlignment",
    "PictureTransforms",
    "QualityGain",
    "SpatialAlignment",
    "SynthesisFeatures",
    "TransformSettings",
    "base_step",
    "lagrangian",
    "to_channels_last",
]
