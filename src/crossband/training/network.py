# SPDX-License-Identifier: Apache-2.0
"""The trainable pair codec: estimates rate and distortion, writes no file."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from crossband.entropy.arithmetic import SIGNAL
from crossband.entropy.model import EntropyModel
from crossband.entropy.prior import Past
from crossband.entropy.settings import FURTHEST
from crossband.models.settings import CodecSettings
from crossband.pair import Modality
from crossband.transforms import PictureTransforms, SynthesisFeatures
from crossband.transforms.motion import (
    brightened,
    brightness,
    difference,
    moved,
    summed,
)
from crossband.transforms.motion_search import Field, search, vector_price


@dataclass(frozen=True, slots=True)
class CodedPicture:
    """One modality of a batch after (estimated) coding."""

    bits: Tensor
    """Latents and hyper-latents, (batch,)."""
    hyper_bits: Tensor
    """Of these, the hyper-latents, (batch,)."""
    coefficient_bits: Tensor
    """Channel-alignment coefficients, (batch,)."""
    picture: Tensor
    """What the decoder would show, (batch, channels, height, width), not clamped."""
    features: SynthesisFeatures
    signal: Tensor
    """Decoded latents in signal units, (batch, height, width, channels): the partner's context."""
    past: Past
    """What the entropy model of the next frame sees."""
    vectors: Tensor | None
    """What moved since the frame before, (batch, height / 16, width / 16, 2); None: a key frame."""
    vector_bits: Tensor
    """Estimate of what the vectors take, (batch,); nothing is learned from it."""

    @property
    def all_bits(self) -> Tensor:
        """What the picture takes, (batch,)."""
        return self.bits + self.coefficient_bits + self.vector_bits


class TrainablePicture(nn.Module):
    """Transforms and entropy model of one modality."""

    def __init__(self, settings: CodecSettings, modality: Modality) -> None:
        super().__init__()
        self.transforms = PictureTransforms(settings.transform(modality))
        self.entropy = EntropyModel(settings.entropy(modality))

    def forward(
        self,
        picture: Tensor,
        quality_index: Tensor,
        partner: CodedPicture | None,
        present: Tensor | None,
        *,
        noise: bool,
        past: CodedPicture | None = None,
    ) -> CodedPicture:
        """Codes a batch, given the partner's coded pictures where `present` (batch,) is 1.

        Weights of films also need the coded pictures of the same camera's frame before. Sides
        must be multiples of 16, all grids the same.
        """
        transforms = self.transforms
        vectors = predicted = before = None
        vector_bits = torch.zeros_like(quality_index, dtype=torch.float32)
        if past is not None:
            shown = past.picture.clamp(0, 1)
            shown = brightened(shown, brightness(picture, shown.detach()))
            field = _motion(picture, shown.detach(), quality_index, past, partner, present)
            vectors, vector_bits = field.vectors, field.bits
            predicted = moved(shown, vectors)
            before = transforms.analysis.look(predicted)
            picture = difference(picture, predicted)
        step = transforms.step(quality_index)
        features = transforms.analysis.features(picture, quality_index)
        context = coefficients = seen = None
        mask = features.new_ones(len(features), 1, 1, 1)
        if partner is not None:
            if present is not None:
                mask = present[:, None, None, None].to(features.dtype)
            seen = partner.features
            wanted = transforms.alignment.coefficients(features, seen.eighth)
            coefficients = wanted + (torch.round(wanted) - wanted).detach()
            context = transforms.alignment(seen.eighth, coefficients)
        latents = transforms.analysis(features, context, mask, before)
        estimate = self.entropy.estimate(
            latents,
            step,
            quality_index,
            partner=None if partner is None else partner.signal,
            coefficients=coefficients,
            present=present,
            past=None if past is None else past.past,
            noise=noise,
        )
        decoded = estimate.latents * step[:, :, None, None]
        shown, own = transforms.synthesis(decoded, quality_index, seen, context, mask, before)
        shown = shown.float() if predicted is None else summed(shown.float(), predicted)
        signal = (decoded * SIGNAL).permute(0, 2, 3, 1)
        return CodedPicture(
            bits=estimate.bits,
            hyper_bits=estimate.hyper_bits,
            coefficient_bits=estimate.coefficient_bits,
            picture=shown,
            features=own,
            signal=signal,
            past=Past(signal, signal if past is None else past.past.key),
            vectors=vectors,
            vector_bits=vector_bits,
        )


def _motion(
    picture: Tensor,
    shown: Tensor,
    quality_index: Tensor,
    past: CodedPicture,
    partner: CodedPicture | None,
    present: Tensor | None,
) -> Field:
    """The cheapest vectors of each picture of a batch."""
    references = [] if past.vectors is None else [past.vectors]
    if partner is not None and partner.vectors is not None:
        references.append(partner.vectors)
    found, *others = search(picture, shown, vector_price(quality_index), FURTHEST, references)
    for field, reference in zip(others, references, strict=True):
        if present is not None and reference is not past.vectors:
            field = replace(field, cost=torch.where(present > 0, field.cost, torch.inf))
        found = found.or_cheaper(field)
    return found


@dataclass(frozen=True, slots=True)
class CodedPair:
    """Both modalities after (estimated) coding."""

    visible: CodedPicture
    infrared: CodedPicture

    def get(self, modality: Modality) -> CodedPicture:
        """The picture of one camera."""
        return self.visible if modality is Modality.VISIBLE else self.infrared


class TrainableCodec(nn.Module):
    """Both modalities. Cannot encode: only an exported weight file can."""

    def __init__(self, settings: CodecSettings) -> None:
        super().__init__()
        self.settings = settings
        self.visible = TrainablePicture(settings, Modality.VISIBLE)
        self.infrared = TrainablePicture(settings, Modality.INFRARED)
        if settings.random_start:
            for module in self.modules():
                if isinstance(module, nn.Conv2d) and module.weight.abs().sum() > 0:
                    module.reset_parameters()

    def forward(
        self,
        visible: Tensor,
        infrared: Tensor,
        quality_index: Tensor,
        *,
        order: tuple[Modality, Modality] = (Modality.INFRARED, Modality.VISIBLE),
        present: Tensor | None = None,
        alone: bool = False,
        noise: bool = True,
        past: CodedPair | None = None,
    ) -> CodedPair:
        """Codes pairs in the given order.

        Args:
            visible: (batch, 3, height, width) in 0 to 1, sides multiples of 16.
            infrared: (batch, 1, height, width) likewise.
            quality_index: (batch,), 0 to 63.
            order: which picture is coded first.
            present: (batch,), 0 where the second picture must do without the first.
            alone: code both without context.
            noise: noise instead of rounding for the rate (training).
            past: the frame before, which weights of films need.
        """
        assert (past is not None) == self.settings.past
        pictures = {Modality.VISIBLE: visible, Modality.INFRARED: infrared}
        networks = {Modality.VISIBLE: self.visible, Modality.INFRARED: self.infrared}
        before = {each: None if past is None else past.get(each) for each in Modality}
        first = networks[order[0]](
            pictures[order[0]], quality_index, None, None, noise=noise, past=before[order[0]]
        )
        second = networks[order[1]](
            pictures[order[1]],
            quality_index,
            None if alone else first,
            present,
            noise=noise,
            past=before[order[1]],
        )
        coded = {order[0]: first, order[1]: second}
        return CodedPair(coded[Modality.VISIBLE], coded[Modality.INFRARED])
