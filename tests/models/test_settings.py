# SPDX-License-Identifier: Apache-2.0
"""A weight file's settings say all of its shape, and a wrong one is refused by name."""

from __future__ import annotations

import json

import pytest

from crossband.errors import TrainingError
from crossband.models.settings import CodecSettings
from crossband.pair import Modality

OTHER = CodecSettings(visible_channels=32, visible_latents=40, entropy_context=False)


@pytest.mark.parametrize("settings", [CodecSettings(), OTHER])
def test_settings_come_back_from_their_metadata(settings):
    assert CodecSettings.from_mapping(json.loads(settings.to_json())) == settings


def test_what_is_not_said_is_the_default():
    assert CodecSettings.from_mapping({}) == CodecSettings()


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"visible_chanels": 3}, "unknown codec setting 'visible_chanels'; known are visible_cha"),
        ({"visible_channels": "3"}, "'visible_channels' is '3'; allowed is a int"),
        ({"visible_channels": 3.0}, "'visible_channels' is 3.0; allowed is a int"),
        ({"visible_channels": True}, "'visible_channels' is True; allowed is a int"),
        ({"spatial_alignment": 1}, "'spatial_alignment' is 1; allowed is a bool"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(values, complaint):
    with pytest.raises(TrainingError, match=complaint):
        CodecSettings.from_mapping(values)


def test_both_modalities_know_each_others_widths():
    settings = CodecSettings()
    visible, infrared = (settings.transform(modality) for modality in Modality)
    assert visible.partner_eighth_channels == infrared.eighth_channels
    assert infrared.partner_eighth_channels == visible.eighth_channels
    assert visible.partner_latent_channels == infrared.latent_channels
    for modality in Modality:
        entropy, transform = settings.entropy(modality), settings.transform(modality)
        partner = settings.transform(modality.partner)
        assert entropy.latent_channels == transform.latent_channels
        assert entropy.partner_channels == partner.latent_channels
        assert entropy.alignment_channels == transform.alignment_channels


@pytest.mark.parametrize("switch", ["channel_alignment", "spatial_alignment", "entropy_context"])
def test_each_use_of_the_partner_can_be_switched_off(switch):
    settings = CodecSettings(**{switch: False})
    transform, entropy = settings.transform(Modality.VISIBLE), settings.entropy(Modality.VISIBLE)
    found = (transform.channel_alignment, transform.spatial_alignment, entropy.partner_context)
    assert found.count(False) == 1


def test_residual_instead_of_conditional_coding_is_a_switch_of_both_modalities():
    for residual in (False, True):
        settings = CodecSettings(residual=residual)
        assert {settings.transform(each).residual for each in Modality} == {residual}
