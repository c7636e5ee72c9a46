# SPDX-License-Identifier: Apache-2.0
"""The figures script: tables of ablations from their rows, and nothing from rows that are not."""

from __future__ import annotations

import contextlib
import importlib.util
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("bjontegaard", reason="needs bjontegaard: pip install crossband[bench]")

from crossband.bench.rows import Row, RowFile

Measured = Callable[..., list[Row]]
SCRIPT = Path(__file__).parent.parent.parent / "scripts" / "figures.py"
HEAD = "| data set | pictures | variant | visible | infrared | pair, best split |"


@pytest.fixture
def figures(tmp_path: Path) -> ModuleType:
    """The script, with an empty folder of results."""
    spec = importlib.util.spec_from_file_location("figures", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.RESULTS = tmp_path
    return module


def save(path: Path, rows: list[Row]) -> None:
    with contextlib.closing(RowFile(path)) as file:
        for row in rows:
            file.add(row)


def test_variants_stand_against_none_on_each_data_set(
    figures: ModuleType, measured: Measured
) -> None:
    factors = {"none": 1.0, "channel": 0.9, "both-entropy": 0.5}
    rows = [
        row
        for dataset in ("street", "msrs")
        for name, factor in factors.items()
        for row in measured(
            f"crossband@some/runs/{name}.safetensors", dataset=dataset, factor=factor
        )
    ]
    save(figures.RESULTS / "ablation-alignment.jsonl", rows)
    lines = figures.ablation_alignment().splitlines()
    assert lines[0] == HEAD
    assert lines[2:] == [
        "| street | 2 | channel | -10.0 % | -10.0 % | -10.0 % |",
        "| street | 2 | both-entropy | -50.0 % | -50.0 % | -50.0 % |",
        "| msrs | 2 | channel | -10.0 % | -10.0 % | -10.0 % |",
        "| msrs | 2 | both-entropy | -50.0 % | -50.0 % | -50.0 % |",
    ]


def test_sets_of_jpeg_files_count_below_37_db_only(figures: ModuleType, measured: Measured) -> None:
    def bent(row: Row) -> Row:
        """Twice the bytes above 40 dB; below 37 dB the curve does not feel it."""
        assert row.psnr_visible is not None and row.bytes_visible is not None
        return replace(row, bytes_visible=row.bytes_visible * (2 if row.psnr_visible > 40 else 1))

    plain = measured("crossband@none.safetensors", dataset="roadscene", start_db=31)
    other = [replace(bent(row), codec="crossband@both.safetensors") for row in plain]
    sets = [replace(row, dataset=name) for name in ("roadscene", "msrs") for row in plain + other]
    save(figures.RESULTS / "ablation-alignment.jsonl", sets)
    jpeg, png = figures.ablation_alignment().splitlines()[2:]
    assert jpeg.startswith("| roadscene | 2 | both | +0.0 % |")
    assert "| +0.0 % | +0.0 % |" not in png and png.startswith("| msrs | 2 | both | +")


def test_starts_are_compared_after_as_many_steps(figures: ModuleType, measured: Measured) -> None:
    factors = {
        "transform-codec-200": 1,
        "random-200": 4,
        "transform-codec-800": 0.5,
        "random-800": 1,
    }
    rows = [
        row
        for name, factor in factors.items()
        for row in measured(f"crossband-alone@runs/{name}.safetensors", factor=factor, start_db=20)
    ]
    save(figures.RESULTS / "ablation-start.jsonl", rows)
    lines = figures.ablation_start().splitlines()
    assert lines[0] == HEAD
    assert lines[2:] == [
        "| street | 2 | random-200 | +300.0 % | +300.0 % | +300.0 % |",
        "| street | 2 | random-800 | +100.0 % | +100.0 % | +100.0 % |",
    ]
    points = figures.ablation_start_points().splitlines()
    assert points[0].startswith("| data set | variant | quality | visible bpp | dB |")
    assert len(points) == 2 + 4 * len(factors)
    # 1,000 * 2 and 1,100 * 2 bytes in 100,000 pixels
    assert points[2].startswith("| street | transform-codec-200 | 1 | 0.1680 | 23.00 |")


def test_what_was_not_measured_is_said_so(figures: ModuleType) -> None:
    for maker in (
        figures.ablation_alignment,
        figures.ablation_start,
        figures.ablation_start_points,
        figures.learning_curve,
        figures.training_speed,
        figures.experiments,
    ):
        assert maker() == figures.NOT_MEASURED


def test_a_set_that_lacks_the_reference_is_left_out(
    figures: ModuleType, measured: Measured
) -> None:
    rows = measured("crossband@none.safetensors") + measured("crossband@both.safetensors")
    rows += measured("crossband@both.safetensors", dataset="yard")
    save(figures.RESULTS / "ablation-alignment.jsonl", rows)
    assert "yard" not in figures.ablation_alignment()
    assert "| street | 2 | both | +0.0 % |" in figures.ablation_alignment()


def test_a_learning_curve_is_a_row_a_validation(figures: ModuleType) -> None:
    row = {"recipe": "first", "steps": 12_000, "hours": 1.61}
    row |= {"bd_percent": {"street visible": 4.54, "street infrared": None}}
    row |= {"mean_percent": 4.54, "percent_an_hour": -10.81}
    written = json.dumps({"validations": [row]})
    (figures.RESULTS / "learning-curve.json").write_text(written)
    head, _, line = figures.learning_curve().splitlines()
    assert head == (
        "| recipe | steps | hours | street visible | street infrared | mean | an hour |"
    )
    assert line == "| first | 12,000 | 1.61 | +4.5 % | n/a | +4.5 % | -10.8 % |"


def test_speed_says_what_machine_it_was(figures: ModuleType) -> None:
    found = {
        **{"device": "Some CPU", "threads": 1, "clock": "process time", "shared_machine": True},
        **{"recipe": "second", "batch": 8, "crop": 128, "seconds_per_step": 0.5},
        **{"step_flop": {"bfloat16": 40_000_000_000, "float32": 4_000_000_000}},
        **{"step_bytes": 3_000_000_000, "share_of_matmul_roof": 0.25, "share_of_memory_roof": 0.2},
        "roof": {
            **{"bfloat16_flop_per_s": 2e11, "float32_flop_per_s": 1e11},
            "memory_bytes_per_s": 2e10,
        },
        "profile": [{"operation": "aten::mm", "calls": 1_200, "share": 0.5}],
    }
    (figures.RESULTS / "training-speed.json").write_text(json.dumps(found))
    lines = figures.training_speed().splitlines()
    assert lines[0].startswith("Some CPU, shared with other work; 1 thread, process time; `second`")
    assert lines[5] == (
        "| arithmetic | 40.0 GFLOP in bfloat16 and 4.0 GFLOP in float32 | 25.0% | products of"
        " 200 and 100 GFLOP/s |"
    )
    assert lines[-1] == "| `aten::mm` | 1,200 | 50.0% |"
    for compiled, said in (({"seconds_per_step": 0.4}, "0.400"), ({"error": "none"}, "none")):
        (figures.RESULTS / "training-speed.json").write_text(
            json.dumps(found | {"compiled": compiled})
        )
        assert f"by `torch.compile` | {said} | | |\n" in figures.training_speed()


def test_an_experiment_is_a_mean_over_the_sources_and_none_where_one_is_missing(
    figures: ModuleType,
) -> None:
    bd = {"a joint visible": -2.0, "b joint visible": -4.0}
    bd |= {"a joint infrared": 1.0, "b joint infrared": None, "a alone visible": 0.0}
    row = {"question": "passes", "name": "2-passes", "steps": 400, "seconds_per_step": 0.35}
    row |= {"kflop_per_pixel": 87.5, "weights": 8_030_496, "bd_percent": bd}
    (figures.RESULTS / "experiments.jsonl").write_text(json.dumps(row) + "\n")
    assert figures.experiments().splitlines()[2] == (
        "| passes | 2-passes | 400 | 0.35 | 87.5 | 8.03 M | -3.0 % | n/a | +0.0 % |"
    )
