# SPDX-License-Identifier: Apache-2.0
"""Recipes: what TOML may say, and that every stored one says it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crossband.errors import TrainingError
from crossband.models.settings import CodecSettings
from crossband.training.recipe import Recipe, differences, read_recipe, recipe_from_mapping
from crossband.training.request import OWN_RECIPE

ROOT = Path(__file__).resolve().parents[2]
RECIPES = [*sorted((ROOT / "recipes").glob("*.toml")), OWN_RECIPE]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_every_stored_recipe_is_one(path: Path) -> None:
    recipe = read_recipe(path)
    assert recipe.name == path.stem
    assert recipe_from_mapping(json.loads(recipe.to_json()), "json") == recipe


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("stepps = 3", "unknown recipe key 'stepps'; did you mean 'steps'?"),
        ("qwertz = 3", "unknown recipe key 'qwertz'; known are name, steps,"),
        ("[variation]\nshift = 1.0", "unknown recipe key 'variation.shift'; did you mean"),
        ("[codec]\nvisible_chanels = 1", "unknown codec setting 'visible_chanels'"),
        ("steps = 'many'", "'steps' is 'many'; a int is allowed"),
        ("steps = 2.5", "'steps' is 2.5; a int is allowed"),
        ("steps = true", "'steps' is True; a int is allowed"),
        ("variation = 3", "'variation' is 3; a table [variation] is allowed"),
        ("steps = -1", "steps is -1; allowed are 0 and more"),
        ("crop = 100", "crop is 100; allowed are multiples of 64"),
        ("dropout = 2.0", "dropout is 2; allowed are 0 to 1"),
        ("quality_high = 64", "quality_high is 64; allowed are 0 to 63"),
        ("quality_low = 9\nquality_high = 3", "qualities are 9 to 3"),
        ("learning_rate = nan", "learning_rate is nan"),
        ("[sources]\na = -1", "sources.a is -1; a number from 0 is allowed"),
        ("[sources]\na = 0", "all sources have a share of 0"),
        ("[validation_sources]\na = 0", "validation_sources.a is 0; a whole number from 1"),
        ("[layouts]\na = 'kayst'", "layouts.a is 'kayst'; allowed are"),
        ("[layouts]\nb = 'kaist'", "layouts.b is of no source; sources are a"),
        ("= 3", "not valid TOML"),
    ],
)
def test_a_bad_recipe_is_told_in_one_line_with_its_file(
    tmp_path: Path, text: str, said: str
) -> None:
    path = tmp_path / "bad.toml"
    sources = "" if "[sources]" in text else "\n[sources]\na = 1.0"
    path.write_text(f"{text}{sources}\n", encoding="utf-8")
    with pytest.raises(TrainingError) as caught:
        read_recipe(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


STAGES = ("alone", "partner", "joint", "finish")


def test_the_stages_are_what_the_page_says_of_them() -> None:
    alone, partner, joint, finish = (
        read_recipe(ROOT / "recipes" / f"{name}.toml") for name in STAGES
    )
    assert alone.alone_share == 1.0
    assert not (alone.codec.channel_alignment or alone.codec.spatial_alignment)
    assert not alone.codec.entropy_context
    assert alone.variation.unrelated_share > partner.variation.unrelated_share
    for later in (partner, joint, finish):
        assert later.codec == CodecSettings()
        assert later.alone_share < 1.0 and later.hyper_free_steps == 0
    assert joint.crop == 2 * partner.crop
    assert joint.batch * joint.crop**2 == partner.batch * partner.crop**2
    assert finish.integer_steps == finish.steps
    assert all(stage.decay_share > 0 for stage in (alone, partner, joint, finish))


def test_every_number_of_a_stage_has_its_reason_beside_it_where_it_is_new() -> None:
    before: dict[str, str] = {}
    for name in STAGES:
        lines = (ROOT / "recipes" / f"{name}.toml").read_text(encoding="utf-8").splitlines()
        for line in lines[: lines.index("[validation_sources]")]:
            key, _, rest = line.partition("=")
            value, _, reason = (part.strip() for part in rest.partition("#"))
            if line.startswith(("#", "[", "name")) or not rest or before.get(key) == value:
                continue
            before[key] = value
            shares = key.strip() in read_recipe(ROOT / "recipes" / f"{name}.toml").sources
            assert reason or shares, f"{name}.toml: {line}"


def test_own_pairs_start_from_weights_whose_hyper_latents_live_and_take_the_minutes_there_are() -> (
    None
):
    recipe = read_recipe(OWN_RECIPE)
    assert (recipe.hyper_free_steps, recipe.steps) == (0, 0)


def test_a_recipe_without_sources_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text("steps = 3", encoding="utf-8")
    with pytest.raises(TrainingError, match="names no sources"):
        read_recipe(path)


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"], ids=["missing", "not text"])
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "bad.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TrainingError, match=r"bad\.toml: "):
        read_recipe(path)


def test_keys_that_an_old_recipe_does_not_have_are_defaults() -> None:
    old = json.loads(Recipe(sources={"a": 1.0}).to_json())
    for key in ("integer_steps", "visible_weight"):
        del old[key]
    del old["codec"]["random_start"], old["variation"]["jitter_share"]
    assert recipe_from_mapping(old, "old") == Recipe(sources={"a": 1.0})


def test_differences_name_the_keys_and_both_values() -> None:
    before, now = Recipe(sources={"a": 1.0}), Recipe(sources={"a": 1.0}, steps=7)
    assert differences(before, now) == ["steps: 0 before, 7 now"]
    assert differences(now, now) == []
