# SPDX-License-Identifier: Apache-2.0
"""The scripts that measure training: experiments, speed, the learning curve."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

pytest.importorskip("bjontegaard", reason="needs bjontegaard: pip install crossband[bench]")

from crossband.models.settings import CodecSettings
from crossband.training.loop import Run
from crossband.training.network import TrainableCodec
from crossband.training.precision import working_dtype
from crossband.training.recipe import Recipe
from crossband.training.run_log import append_row

SCRIPTS = Path(__file__).parents[2] / "scripts"


def script(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)  # dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


# ------------------------------------------------------------------------------------ experiments


@pytest.fixture
def experiments(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return script("experiments", monkeypatch)


def test_every_experiment_is_one_change_with_a_name_of_its_own(experiments: ModuleType) -> None:
    reference, *others = experiments.EXPERIMENTS
    assert reference == experiments.Experiment("reference", "reference")
    names = [each.name for each in experiments.EXPERIMENTS]
    assert len(set(names)) == len(names)
    base = experiments.read_recipe(experiments.RECIPE)
    wanted = experiments.recipe_of(reference, base, 400)
    for each in others:
        assert each.codec or each.recipe or each.change
        recipe = experiments.recipe_of(each, base, 400)
        assert recipe.steps * recipe.batch == wanted.steps * wanted.batch  # as many crops
        assert recipe.seed == wanted.seed
        for modality in experiments.CodecSettings.__dataclass_fields__:
            assert modality in each.codec or getattr(recipe.codec, modality) == getattr(
                wanted.codec, modality
            )


def test_width_and_depth_are_changed_at_equal_inference_time(experiments: ModuleType) -> None:
    asked = [
        each
        for each in experiments.EXPERIMENTS
        if each.question in ("reference", "width and depth at equal inference time", "gated blocks")
    ]
    assert len(asked) == 4
    reference, *others = (
        experiments.kflop_per_pixel(
            experiments.builder(each.change)(replace(CodecSettings(), **each.codec))
        )
        for each in asked
    )
    assert others == pytest.approx([reference] * 3, rel=0.02)


def changes(experiments: ModuleType) -> list[Any]:
    return [each for each in experiments.EXPERIMENTS if each.change]


def test_every_change_of_the_network_trains(
    experiments: ModuleType, tiny_settings: CodecSettings
) -> None:
    visible, infrared, index = torch.rand(1, 3, 64, 64), torch.rand(1, 1, 64, 64), torch.tensor([9])
    for each in changes(experiments):
        torch.manual_seed(1)
        codec: TrainableCodec = experiments.builder(each.change)(tiny_settings)
        coded = codec(visible, infrared, index)
        (coded.visible.bits.sum() + coded.visible.picture.square().sum()).backward()
        alike = replace(TrainableCodec(tiny_settings).settings)
        assert codec.settings == alike
        new = {name for name, _ in codec.named_parameters()}
        assert new != {name for name, _ in TrainableCodec(tiny_settings).named_parameters()} or (
            sum(p.numel() for p in codec.parameters())
            != sum(p.numel() for p in TrainableCodec(tiny_settings).parameters())
        ), each.name
        assert torch.isfinite(coded.visible.bits).all()


@pytest.mark.parametrize(("ends", "count"), [((1.0,), 2), ((0.25, 1.0), 4), ((0.1, 0.5, 1.0), 6)])
def test_every_latent_is_coded_in_one_of_the_passes(
    experiments: ModuleType, tiny_settings: CodecSettings, ends: tuple[float, ...], count: int
) -> None:
    codec = TrainableCodec(tiny_settings)
    experiments.passes(*ends)(codec)
    prior = codec.visible.entropy.prior
    assert len(prior.passes) == len(prior.geometry) == count
    seen = torch.zeros(4, 4, tiny_settings.visible_latents)
    for geometry in prior.geometry:
        seen.flatten(0, 1)[geometry.positions(4, 4), geometry.channels] += 1
    assert (seen == 1).all()


def test_experiments_become_rows_are_kept_and_go_on(
    experiments: ModuleType,
    recipe: Recipe,
    pairs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(experiments, "read_recipe", lambda _: recipe)
    monkeypatch.setattr(experiments, "VALIDATION", {".": 1})
    output = tmp_path / "experiments.jsonl"
    words = ["--data", str(pairs), "--runs", str(tmp_path), "-o", str(output), "--steps", "2"]
    words += ["--only", "lambda sampling"]
    assert experiments.main([*words, "--minutes", "0.0001"]) == 0
    assert "minutes are over" in capsys.readouterr().out
    assert experiments.main(words) == 0
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert [row["name"] for row in rows] == ["reference", "bias-0.7", "bias-1.5", "bias-2.2"]
    reference, *others = rows
    assert set(reference["bd_percent"].values()) <= {0.0, None}
    assert reference["steps"] == 2 and reference["seconds_per_step"] > 0
    assert {(p["mode"], p["quality_index"]) for p in reference["points"]} == {
        (mode, quality) for mode in ("joint", "alone") for quality in (8, 20, 32)
    }
    for row in others:
        assert row["changed"] == {"quality_bias": float(row["name"].partition("-")[2])}
        assert set(row["bd_percent"]) == set(reference["bd_percent"])

    monkeypatch.setattr(experiments, "Run", None)  # nothing is trained again
    assert experiments.main(words) == 0


def test_experiments_of_other_steps_do_not_go_into_one_file(
    experiments: ModuleType,
    recipe: Recipe,
    pairs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(experiments, "read_recipe", lambda _: recipe)
    output = tmp_path / "experiments.jsonl"
    output.write_text(json.dumps({"name": "reference", "steps": 7, "points": []}) + "\n")
    words = ["--data", str(pairs), "--runs", str(tmp_path), "-o", str(output), "--steps", "2"]
    assert experiments.main([*words, "--only", "passes"]) == 3
    assert "its reference has 7 steps, not 2; name another file" in capsys.readouterr().err
    assert not list(tmp_path.glob("experiment-*"))


# ------------------------------------------------------------------------------------------ speed


def test_a_step_is_counted_as_its_layers_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    speed = script("training_speed", monkeypatch)
    dense, thin = (
        torch.nn.Conv2d(8, 4, 1, bias=False),
        torch.nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False),
    )
    picture = torch.rand(2, 8, 16, 16, requires_grad=True)
    forward = 2 * 2 * 16 * 16 * (8 * 4 + 8 * 9)
    work = speed.counted(lambda: (dense(picture), thin(picture)))
    assert work.flop == {"float32": forward}
    read = 2 * picture.nbytes + dense.weight.nbytes + thin.weight.nbytes
    assert work.size_bytes == read + picture.nbytes // 2 + picture.nbytes
    # Backward is two such products, also of a depthwise layer.
    work = speed.counted(lambda: (dense(picture).sum() + thin(picture).sum()).backward())
    assert work.flop == {"float32": 3 * forward}
    assert speed.counted(lambda: picture.reshape(2, -1).t()).size_bytes == 0


def test_speed_is_a_share_of_the_machines_roof(
    recipe: Recipe, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    speed = script("training_speed", monkeypatch)
    monkeypatch.setattr(speed, "_SIDE", 256)
    monkeypatch.setattr(speed, "_COPIED_BYTES", 2**22)
    found = speed.measure(Run(recipe, pairs, tmp_path / "run", device="cpu"), steps=2)
    formats = {str(working_dtype("cpu")).removeprefix("torch."), "float32"}
    assert found["seconds_per_step"] > 0 and set(found["step_flop"]) == formats
    for share in ("share_of_matmul_roof", "share_of_memory_roof"):
        assert 0 < found[share] < 1.5
    assert sum(row["share"] for row in found["profile"]) <= 1.001
    json.dumps(found)


# ---------------------------------------------------------------------------------- learning curve


def validated(run: Path, name: str, rates: dict[int, float]) -> Path:
    """A run whose points need these rates, by step; a minute a step."""
    run.mkdir()
    (run / "recipe.json").write_text(json.dumps({"name": name}))
    for step, rate in rates.items():
        points = [
            {
                **{"source": "street", "mode": mode, "quality_index": index},
                **{"visible_bpp": rate * 2**index, "visible_psnr": 30.0 + 3 * index},
                **{"infrared_bpp": 2 * rate * 2**index, "infrared_psnr": 30.0 + 3 * index},
            }
            for index in range(4)
            for mode in ("joint", "alone")
        ]
        append_row(run, {"step": step, "minutes": float(step), "validation": points})
    return run


def test_the_curve_is_bits_against_the_end_over_steps_and_hours_of_all_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = script("learning_curve", monkeypatch)
    first = validated(tmp_path / "a", "first", {30: 0.3, 60: 0.2})
    append_row(first, {"step": 60, "minutes": 61.0, "loss": 1.0})
    second = validated(tmp_path / "b", "second", {30: 0.1})
    output = tmp_path / "curve.json"
    assert module.main([str(first), str(second), "-o", str(output)]) == 0
    made = json.loads(output.read_text())
    assert made["command"].endswith("learning_curve.py runs/first runs/second -o curve.json")
    assert str(tmp_path) not in output.read_text()
    rows = made["validations"]
    told = [(row["recipe"], row["steps"], row["hours"], row["mean_percent"]) for row in rows]
    assert told == [("first", 30, 0.5, 200.0), ("first", 60, 1.0, 100.0), ("second", 90, 1.5, 0.0)]
    assert [row["percent_an_hour"] for row in rows] == [None, -200.0, -200.0]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda run: (run / "log.jsonl").unlink(), "has no validation; name the folder of a run"),
        (lambda run: (run / "recipe.json").unlink(), "no recipe of a run"),
    ],
)
def test_what_is_no_run_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[[Path], None],
    said: str,
) -> None:
    module = script("learning_curve", monkeypatch)
    run = validated(tmp_path / "a", "first", {30: 0.3})
    spoil(run)
    assert module.main([str(run), "-o", str(tmp_path / "curve.json")]) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert not (tmp_path / "curve.json").exists()


# ----------------------------------------------------------------------------------------- stages


def test_the_stages_begin_from_each_other(
    recipe: Recipe, pairs: Path, tmp_path: Path, tiny_settings: CodecSettings
) -> None:
    from crossband.training.recipe import read_recipe

    before: Run | None = None
    for name in ("alone", "partner", "joint", "finish"):
        stage = read_recipe(SCRIPTS.parent / "recipes" / f"{name}.toml")
        shape = asdict(stage.codec)
        switches = ("channel_alignment", "spatial_alignment", "entropy_context")
        tiny = replace(
            stage,
            **{"steps": 2, "batch": 2, "crop": 64, "sources": {".": 1.0}, "validation_sources": {}},
            codec=replace(tiny_settings, **{key: shape[key] for key in switches}),
        )
        start = None if before is None else before.folder
        run = Run(tiny, pairs, tmp_path / name, device="cpu", start=start)
        if before is not None:
            was, now = (
                codec.visible.transforms.analysis.head.weight
                for codec in (before.average, run.codec)
            )
            assert torch.equal(was, now)
        assert run.train(progress=False).done
        before = run
