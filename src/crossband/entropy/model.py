# SPDX-License-Identifier: Apache-2.0
"""The trainable entropy model of one picture: estimates bits, codes nothing."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from crossband.entropy.arithmetic import INDEX_GAIN, SIGNAL, RealArithmetic
from crossband.entropy.fixed_point import RealLayer
from crossband.entropy.prior import HYPER_FACTOR, Pass, Past, Prior
from crossband.entropy.settings import EntropySettings
from crossband.entropy.tables import OCTAVES_PER_TABLE, SPREAD_LOW, bounded, symbol_bits

_QUALITY_KNOTS = 8
_QUALITY_COUNT = 64
_SIDE_INDEX_LOW, _SIDE_INDEX_HIGH = 4.0, 63.0
"""Tables of hyper-latents and coefficients: a zero of the narrowest costs 0.001 bits, a one 11.
Where a one costs 24, what is zero for a while stays so for ever."""


class HyperAnalysis(nn.Module):
    """Latents to hyper-latents: what the decoder must be told first. Encoder only, so float."""

    def __init__(self, settings: EntropySettings) -> None:
        super().__init__()
        narrow = settings.hyper_width
        self.enter = nn.Conv2d(settings.latent_channels, narrow, 1)
        self.mix = nn.Conv2d(narrow, narrow, 3, padding=1, groups=narrow)
        self.down_half = nn.Conv2d(4 * narrow, 2 * narrow, 1)
        self.down_quarter = nn.Conv2d(8 * narrow, settings.hyper_channels, 1)
        # Hyper-latents of about one step from the start: smaller ones all round to zero, and the
        # prior then learns to do without them. `calibrate_hyper` does it by measurement.
        nn.init.normal_(self.down_quarter.weight, std=5 / (8 * narrow) ** 0.5)

    def forward(self, latents: Tensor) -> Tensor:
        """(batch, channels, height, width) in signal units to (batch, hyper channels, /4, /4)."""
        height, width = latents.shape[-2:]
        below, right = -height % HYPER_FACTOR, -width % HYPER_FACTOR
        # Compressed, for a block's mean is a hundred times its details.
        features = torch.sign(latents) * torch.log1p(latents.abs())
        features = F.pad(self.enter(features), (0, right, 0, below), mode="replicate")
        features = self.mix(F.leaky_relu(features, 0.1))
        features = self.down_half(F.pixel_unshuffle(F.leaky_relu(features, 0.1), 2))
        coarse: Tensor = self.down_quarter(F.pixel_unshuffle(F.leaky_relu(features, 0.1), 2))
        return coarse


class QualityTable(nn.Module):
    """One row of numbers for each of the 64 qualities, piecewise linear between 8 knots."""

    def __init__(self, width: int, start: float) -> None:
        super().__init__()
        self.knots = nn.Parameter(torch.full((_QUALITY_KNOTS, width), start))

    def forward(self, quality_index: Tensor) -> Tensor:
        """Rows (batch, width) for indices (batch,)."""
        place = quality_index.float() * ((_QUALITY_KNOTS - 1) / (_QUALITY_COUNT - 1))
        low = place.floor().clamp(max=_QUALITY_KNOTS - 2).long()
        share = (place - low)[:, None]
        return self.knots[low] * (1 - share) + self.knots[low + 1] * share

    def rows(self) -> Tensor:
        """All 64 rows."""
        return self.forward(torch.arange(_QUALITY_COUNT, device=self.knots.device))


@dataclass(frozen=True, slots=True)
class Estimate:
    """What coding a batch of pictures would take and give back."""

    bits: Tensor
    """Latents and hyper-latents, per picture, (batch,)."""
    hyper_bits: Tensor
    """Of these, the hyper-latents, (batch,)."""
    coefficient_bits: Tensor
    """Alignment coefficients, per picture, (batch,)."""
    latents: Tensor
    """Decoded latents in steps, NCHW, gradient straight through."""


class EntropyModel(nn.Module):
    """Trainable prior, hyper-analysis and tables of one modality."""

    def __init__(self, settings: EntropySettings) -> None:
        super().__init__()
        self.settings = settings
        self.hyper_analysis = HyperAnalysis(settings)
        self.prior = Prior(settings)
        # Gains above 1 and features above 0: had all hyper-latents rounded to zero, a ReLU of
        # exactly zero would have passed no gradient, ever.
        self.hyper_log_gain = QualityTable(settings.hyper_channels, 1.5)
        self.hyper_index = QualityTable(settings.hyper_channels, 2.0)
        self.quality_features = QualityTable(settings.width, 0.5)
        self.coefficient_index = nn.Parameter(torch.full((2 * settings.alignment_channels,), 1.5))
        self.hyper_charge = 1.0
        """How much of the hyper-latents' cost pulls at them: little at first, until the passes have
        learned what they are good for."""

    def imitate_integers(self, imitate: bool = True) -> None:
        """Makes the prior round as its exported form will, for the last part of a training."""
        for module in self.prior.modules():
            if isinstance(module, RealLayer):
                module.imitate_integers = imitate

    @torch.no_grad()
    def calibrate(self, spread: Tensor, partner_spread: Tensor) -> None:
        """Starts every table at its channel's spread and every layer at its channels' scales.

        Args:
            spread: mean absolute latents in signal units, (latent_channels,).
            partner_spread: the partner's, (partner_channels,).
        """
        # A logistic distribution's standard deviation is 1.308 mean absolute deviations.
        index = torch.log2(1.308 * spread.clamp(min=1e-3)) / (OCTAVES_PER_TABLE * INDEX_GAIN)
        gain = 1 / spread.clamp(0.05, 64)
        for geometry, each in zip(self.prior.geometry, self.prior.passes, strict=True):
            assert isinstance(each, Pass)
            coded = geometry.channels.stop - geometry.channels.start
            each.outer.bias[coded:] = index[geometry.channels]
            each.outer.row_gain[:coded] = spread[geometry.channels].clamp(0.05, 64)
            if each.around is not None:
                each.around.row_gain[:] = gain[: geometry.visible_channels]
        if self.settings.partner_context:
            self.calibrate_partner(partner_spread)

    @torch.no_grad()
    def calibrate_partner(self, spread: Tensor) -> None:
        """The part of `calibrate` that concerns the partner's latents."""
        self.prior.partner_in.column_gain[:] = 1 / spread.clamp(0.05, 64)

    def lacks_partner_scales(self) -> bool:
        """Whether the partner's path is new: never calibrated."""
        return self.settings.partner_context and bool(
            (self.prior.partner_in.column_gain == 1).all()
        )

    @torch.no_grad()
    def calibrate_hyper(self, latents: Tensor, quality_index: Tensor) -> None:
        """Draws the hyperprior anew, with hyper-latents of two steps down to a tenth of one.

        The features that the passes read keep their mean.

        Args:
            latents: of a batch, in sample units, (batch, channels, height, width).
            quality_index: (batch,).
        """
        prior, settings = self.prior, self.settings
        arithmetic = self.arithmetic(torch.ones(1, 1), quality_index)  # no latents in steps here
        before = self._hyper_features(latents, arithmetic)
        fresh = EntropyModel(settings).to(latents.device)
        self.hyper_analysis.load_state_dict(fresh.hyper_analysis.state_dict())
        for name in ("hyper_in", "hyper_mix", "hyper_up", "half_mix", "half_up", "full_mix"):
            getattr(prior, name).load_state_dict(getattr(fresh.prior, name).state_dict())
        self.hyper_log_gain.load_state_dict(fresh.hyper_log_gain.state_dict())
        prior.full_out.weight.copy_(0.3 * fresh.prior.full_out.weight)

        arithmetic = self.arithmetic(torch.ones(1, 1), quality_index)
        wanted = 2 * 0.05 ** torch.linspace(0, 1, settings.hyper_channels, device=latents.device)
        hyper = self.hyper_analysis(latents * SIGNAL) * arithmetic.hyper_gain.movedim(-1, 1)
        share = wanted / hyper.std((0, 2, 3)).clamp(min=1e-6)
        last = self.hyper_analysis.down_quarter
        last.weight *= share[:, None, None, None]
        assert last.bias is not None
        last.bias *= share
        last.bias -= (share * hyper.mean((0, 2, 3))) / arithmetic.hyper_gain.mean((0, 1, 2))
        index = torch.log2(wanted / SPREAD_LOW) / (OCTAVES_PER_TABLE * INDEX_GAIN)
        self.hyper_index.knots.copy_(index.expand_as(self.hyper_index.knots))
        after = self._hyper_features(latents, arithmetic)
        prior.full_out.bias.add_((before - after).mean((0, 1, 2)) / prior.full_out.row_gain)

    def hyper_is_dead(self, latents: Tensor, quality_index: Tensor) -> bool:
        """Whether all hyper-latents of a batch round to zero: arguments as `calibrate_hyper`."""
        arithmetic = self.arithmetic(torch.ones(1, 1), quality_index)
        hyper = self.hyper_analysis(latents * SIGNAL) * arithmetic.hyper_gain.movedim(-1, 1)
        return not bool(torch.round(hyper).any())

    def _hyper_features(self, latents: Tensor, arithmetic: RealArithmetic) -> Tensor:
        hyper = self.hyper_analysis(latents * SIGNAL).permute(0, 2, 3, 1) * arithmetic.hyper_gain
        return self.prior.hyper_features(torch.round(hyper), arithmetic)

    @staticmethod
    def side_table(knots: Tensor) -> Tensor:
        """Table indices of hyper-latents or coefficients for learned numbers."""
        return bounded(knots * INDEX_GAIN, _SIDE_INDEX_LOW, _SIDE_INDEX_HIGH)

    @staticmethod
    def hyper_gain(log_gain: Tensor) -> Tensor:
        """Hyper-latent steps a unit, between 1/20 and 20: coarse side information at low rates."""
        return torch.exp(3.0 * torch.tanh(log_gain / 3.0))

    def arithmetic(self, step: Tensor, quality_index: Tensor) -> RealArithmetic:
        """Real arithmetic for steps (batch, channels) at qualities (batch,)."""
        return RealArithmetic(
            step.float()[:, None, None, :],
            self.hyper_gain(self.hyper_log_gain(quality_index))[:, None, None, :],
            self.quality_features(quality_index)[:, None, None, :],
        )

    def estimate(
        self,
        latents: Tensor,
        step: Tensor,
        quality_index: Tensor,
        *,
        partner: Tensor | None = None,
        coefficients: Tensor | None = None,
        present: Tensor | None = None,
        past: Past | None = None,
        noise: bool = True,
    ) -> Estimate:
        """Bits and decoded latents.

        Args:
            latents: in sample units, (batch, channels, height, width).
            step: quantiser steps in sample units, (batch, channels).
            quality_index: (batch,).
            partner: the partner's decoded latents in signal units, (batch, height, width,
                channels), or None.
            coefficients: alignment coefficients (rounded), (batch, 2 * alignment channels).
            present: (batch,), 0 where the partner is missing.
            past: the same camera's earlier frames in signal units, or None.
            noise: uniform noise for the rate (training) instead of rounding (measuring).
        """
        with torch.autocast(latents.device.type, enabled=False):
            return self._estimate(
                latents.float(), step, quality_index, partner, coefficients, present, past, noise
            )

    def _estimate(
        self,
        latents: Tensor,
        step: Tensor,
        quality_index: Tensor,
        partner: Tensor | None,
        coefficients: Tensor | None,
        present: Tensor | None,
        past: Past | None,
        noise: bool,
    ) -> Estimate:
        arithmetic = self.arithmetic(step, quality_index)
        wanted = latents.permute(0, 2, 3, 1) / arithmetic.step
        height, width = wanted.shape[1:3]

        hyper = self.hyper_analysis(latents * SIGNAL).permute(0, 2, 3, 1) * arithmetic.hyper_gain
        hyper_index = self.side_table(self.hyper_index(quality_index))[:, None, None, :]
        charged = torch.lerp(hyper.detach(), hyper, self.hyper_charge)
        bits = hyper_bits = symbol_bits(_noisy(charged, noise), hyper_index).sum((1, 2, 3))
        rounded_hyper = _rounded(hyper)

        there = None if present is None else present[:, None, None, None].float()
        features = self.prior.features(
            rounded_hyper,
            partner,
            coefficients,
            there,
            arithmetic,
            height=height,
            width=width,
            past=past,
        )
        decoded = torch.zeros_like(wanted)
        for number, geometry in enumerate(self.prior.geometry):
            positions = geometry.positions(height, width, wanted.device)
            mean, index = self.prior.read(number, features, arithmetic.signal(decoded), arithmetic)
            target = wanted[..., geometry.channels].flatten(1, 2)[:, positions]
            residual = target - mean
            bits = bits + symbol_bits(_noisy(residual, noise), index).sum((1, 2))
            exact = target + (torch.round(residual) + mean - target).detach()
            flat = torch.zeros_like(wanted[..., geometry.channels]).flatten(1, 2)
            flat = flat.index_copy(1, positions, exact)
            group = flat.reshape(len(flat), height, width, -1)
            before = geometry.channels.start
            after = decoded.shape[-1] - geometry.channels.stop
            decoded = decoded + F.pad(group, (before, after))
        coefficient_bits = torch.zeros_like(bits)
        if coefficients is not None:
            coefficient_bits = symbol_bits(
                _noisy(coefficients, noise), self.side_table(self.coefficient_index)
            ).sum(1)
            if present is not None:
                coefficient_bits = coefficient_bits * present.float()
        return Estimate(bits, hyper_bits, coefficient_bits, decoded.permute(0, 3, 1, 2))


def _noisy(values: Tensor, noise: bool) -> Tensor:
    return values + torch.rand_like(values) - 0.5 if noise else torch.round(values)


def _rounded(values: Tensor) -> Tensor:
    """Rounded forward, gradient straight through."""
    return values + (torch.round(values) - values).detach()
