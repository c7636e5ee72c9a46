# SPDX-License-Identifier: Apache-2.0
"""The shape of a whole pair codec: what a weight file's metadata says of it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from crossband.entropy.settings import EntropySettings
from crossband.errors import TrainingError
from crossband.pair import Modality
from crossband.transforms.settings import TransformSettings


@dataclass(frozen=True, slots=True)
class CodecSettings:
    """Both modalities' widths and the ablation switches.

    Raises:
        TrainingError: a key that is not known, or a value of another type.
    """

    visible_channels: int = 128
    """Visible features at 1/8 resolution."""
    visible_deep_channels: int = 192
    """Visible channels inside the blocks at 1/16 resolution."""
    visible_latents: int = 416
    """Visible latents, of 768 of an orthonormal transform of RGB: with 304, the noisy pictures of
    M3SVD could not pass 37.5 dB at any rate before training, with 416 they reach 52."""
    infrared_channels: int = 128
    """Infrared features at 1/8 resolution: half of RoadScene's pair bits are infrared."""
    infrared_deep_channels: int = 192
    """Infrared channels inside the blocks at 1/16 resolution."""
    infrared_latents: int = 192
    """Infrared latents: three quarters of an orthonormal transform's."""
    synthesis_deep_blocks: int = 2
    """Blocks at 1/16 resolution in each synthesis; weights of films have fewer, for the branches of
    the frame before need their room in the file."""
    infrared_analysis_deep_blocks: int = 2
    """Likewise in the infrared analysis."""
    entropy_width: int = 256
    """Features a position in the prior; with the rest about 2.5 kMAC a pixel, in float64."""
    channel_alignment: bool = True
    """Whether aligned partner features are context of analysis and synthesis."""
    spatial_alignment: bool = True
    """Whether the synthesis looks for counterparts by cross-attention."""
    entropy_context: bool = True
    """Whether the prior sees the partner's latents."""
    residual: bool = False
    """Whether channel alignment predicts from the partner alone: residual instead of conditional
    coding (an ablation switch)."""
    past: bool = False
    """Whether every picture is coded given the same camera's frame before: weights of films, which
    code no key frame."""
    random_start: bool = False
    """Random instead of transform-codec weights (an ablation switch)."""

    def transform(self, modality: Modality) -> TransformSettings:
        """The transforms' settings of one modality."""
        visible = modality is Modality.VISIBLE
        wide = (self.visible_channels, self.infrared_channels)
        latents = (self.visible_latents, self.infrared_latents)
        mine, other = (0, 1) if visible else (1, 0)
        return TransformSettings(
            picture_channels=3 if visible else 1,
            eighth_channels=wide[mine],
            latent_channels=latents[mine],
            deep_channels=self.visible_deep_channels if visible else self.infrared_deep_channels,
            analysis_deep_blocks=1 if visible else self.infrared_analysis_deep_blocks,
            synthesis_deep_blocks=self.synthesis_deep_blocks,
            partner_eighth_channels=wide[other],
            partner_latent_channels=latents[other],
            channel_alignment=self.channel_alignment,
            spatial_alignment=self.spatial_alignment,
            residual=self.residual,
            past=self.past,
        )

    def entropy(self, modality: Modality) -> EntropySettings:
        """The prior's settings of one modality."""
        mine, other = self.visible_latents, self.infrared_latents
        if modality is Modality.INFRARED:
            mine, other = other, mine
        return EntropySettings(
            latent_channels=mine,
            partner_channels=other,
            first_channels=mine // 4,
            width=self.entropy_width,
            partner_context=self.entropy_context,
            past=self.past,
        )

    def to_json(self) -> str:
        """One line for a weight file's metadata."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_mapping(cls, values: dict[str, object]) -> CodecSettings:
        """Settings from a recipe or a weight file."""
        known = cls.__dataclass_fields__
        for key, value in values.items():
            if key not in known:
                raise TrainingError(f"unknown codec setting '{key}'; known are {', '.join(known)}")
            if type(value) is not type(known[key].default):
                raise TrainingError(
                    f"codec setting '{key}' is {value!r};"
                    f" allowed is a {type(known[key].default).__name__}"
                )
        return cls(**values)  # type: ignore[arg-type]
