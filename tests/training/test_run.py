# SPDX-License-Identifier: Apache-2.0
"""The laws of a run: it learns, it goes on exactly where it stopped, and it fails in one line."""

from __future__ import annotations

import builtins
import errno
import math
import re
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from crossband.errors import TrainingError
from crossband.training import checkpoint as checkpoints
from crossband.training import divergence, loop, precision
from crossband.training.checkpoint import CHECKPOINT, LATE_CHECKPOINT, read_checkpoint
from crossband.training.divergence import CostWindows
from crossband.training.loop import Run, StepResult
from crossband.training.recipe import Recipe
from crossband.training.request import TrainingResult
from crossband.training.run_log import LOG, append_row, read_rows
from crossband.training.validate import measure

MakeRun = Callable[..., Run]
OF_THE_CLOCK = {"seconds", "validated_seconds"}


def assert_equal(one: object, other: object, where: str = "") -> None:
    """Two states, tensors bit for bit."""
    assert type(one) is type(other), where
    if isinstance(one, dict) and isinstance(other, dict):
        assert one.keys() == other.keys(), where
        for key in one:
            assert_equal(one[key], other[key], f"{where}/{key}")
    elif isinstance(one, list) and isinstance(other, list):
        assert len(one) == len(other), where
        for number, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_equal(a, b, f"{where}/{number}")
    elif isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        assert torch.equal(one, other), where
    else:
        assert one == other, where


def state(run: Run) -> dict[str, Any]:
    """What the checkpoint holds, but for the time it took."""
    found = read_checkpoint(run.folder / CHECKPOINT)
    return {key: value for key, value in found.items() if key not in OF_THE_CLOCK}


def cost(run: Run) -> float:
    """Rate and distortion of the weights as they are, on the validation pictures."""
    (joint, _) = measure(run.codec, run.validation.pairs, "cpu", qualities=(24,))
    error = 10 ** (-joint.visible_psnr / 10) + 10 ** (-joint.infrared_psnr / 10)
    weight = float(loop.lagrangian(torch.tensor(24)))
    return joint.visible_bpp + joint.infrared_bpp + weight * 255**2 * error


def stop_after(monkeypatch: pytest.MonkeyPatch, steps: int, what: Callable[[], object]) -> None:
    """Does something at the end of the step of that number of a process."""
    step, taken = Run.step, iter(range(1, 1_000_000))

    def counted(run: Run) -> StepResult:
        result = step(run)
        if next(taken) == steps:
            what()
        return result

    monkeypatch.setattr(Run, "step", counted)


# ---------------------------------------------------------------------------- learning, resuming


def test_60_steps_lower_the_loss_and_30_and_30_resumed_ones_are_the_same_bit_for_bit(
    new_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = new_run("whole")
    before = cost(whole)
    assert whole.train(progress=False).step == 60
    assert cost(whole) < 0.92 * before

    with monkeypatch.context() as patch:
        stop_after(patch, 30, lambda: signal.raise_signal(signal.SIGINT))
        progress = new_run("halves").train(progress=False)
    assert (progress.step, progress.interrupted) == (30, True)
    torch.rand(7)
    resumed = new_run("halves")
    assert resumed.step_number == 30
    progress = resumed.train(progress=False)
    assert (progress.step, progress.interrupted) == (60, False)
    assert_equal(state(resumed), state(whole))


@pytest.mark.parametrize("working", [torch.bfloat16, torch.float32])
def test_a_step_works_in_the_machines_format_and_channels_last_and_keeps_float32_weights(
    new_run: MakeRun, monkeypatch: pytest.MonkeyPatch, working: torch.dtype
) -> None:
    monkeypatch.setattr(precision, "working_dtype", lambda device: working)
    run = new_run()
    seen = []

    def look(layer: torch.nn.Module, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        layout = torch.channels_last
        seen.append((output.dtype, inputs[0].is_contiguous(memory_format=layout)))

    for analysis in (run.codec.visible.transforms.analysis, run.codec.infrared.transforms.analysis):
        analysis.before[0].enter.register_forward_hook(look)
    assert run.step().finite
    assert seen == [(working, True)] * 2
    assert {weight.dtype for weight in run.codec.parameters()} == {torch.float32}


@pytest.mark.parametrize("has", [True, False])
def test_layers_work_in_bfloat16_only_where_the_processor_can(
    monkeypatch: pytest.MonkeyPatch, has: bool
) -> None:
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: has, raising=False)
    assert precision.working_dtype("cpu") is (torch.bfloat16 if has else torch.float32)
    assert precision.working_dtype("cuda") is torch.bfloat16


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock on which every step takes a minute or `step_s`, and everything else no time."""
    ticking = SimpleNamespace(now=1000.0, step_s=60.0)
    ticking.monotonic = lambda: ticking.now
    step = Run.step

    def slow(run: Run) -> StepResult:
        ticking.now += ticking.step_s
        return step(run)

    monkeypatch.setattr(Run, "step", slow)
    monkeypatch.setattr(loop, "time", ticking)
    return ticking


def test_two_half_budgets_are_one_whole_budget(new_run: MakeRun, clock: SimpleNamespace) -> None:
    options = {"steps": 24, "validate_minutes": 7.5, "checkpoint_minutes": 3.0}
    whole = new_run("whole", **options)
    assert whole.train(minutes=11.5, progress=False).step == 12
    for step in (6, 12):
        half = new_run("half", **options)
        progress = half.train(minutes=5.5, progress=False)
        assert (progress.step, progress.minutes) == (step, 6.0)
    assert_equal(state(half), state(whole))
    assert half.seconds == whole.seconds == 720.0
    # Validation counts the minutes of the run, not of the session.
    for run in (whole, half):
        assert [row["step"] for row in read_rows(run.folder) if "validation" in row] == [8]


def test_twenty_calls_of_nine_minutes_are_one_of_three_hours(
    new_run: MakeRun, clock: SimpleNamespace
) -> None:
    clock.step_s = 180.0
    options = {"steps": 70, "validate_minutes": 1e9, "checkpoint_minutes": 1e9, "batch": 1}
    whole = new_run("whole", **options)
    assert whole.train(minutes=179, progress=False).step == 60
    for call in range(1, 21):
        part = new_run("parts", **options)
        assert part.train(minutes=8, progress=False).step == 3 * call
    assert_equal(state(part), state(whole))
    assert part.costs == whole.costs != CostWindows()


# -------------------------------------------------------------------------------- steps by minutes


def test_a_recipe_without_steps_has_as_many_as_its_minutes_hold(
    new_run: MakeRun, clock: SimpleNamespace
) -> None:
    options = {"steps": 0, "integer_steps": 5, "validate_minutes": 0.0}
    run = new_run(**options)
    # 15 minutes tell the pace, and nine tenths of the other 15 are planned for.
    progress = run.train(minutes=30, progress=False)
    assert (progress.step, progress.steps, progress.minutes) == (28, 28, 28.0)
    assert progress.done
    rows = read_rows(run.folder)
    assert [row for row in rows if "steps" in row] == [{"step": 15, "minutes": 15.0, "steps": 28}]
    losses = [row for row in rows if "loss" in row]
    assert losses[-1]["learning_rate"] == 0.0
    assert [row["step"] for row in rows if "validation" in row] == [28]  # at the end alone
    assert new_run(**options).train(progress=False).done


def test_steps_by_minutes_are_fixed_once_and_resumed_exactly(
    new_run: MakeRun, clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = new_run("whole", steps=0)
    assert whole.train(minutes=25, progress=False).step == 24
    with monkeypatch.context() as patch:
        stop_after(patch, 17, lambda: signal.raise_signal(signal.SIGINT))
        assert new_run("parts", steps=0).train(minutes=25, progress=False).steps == 24
    parts = new_run("parts", steps=0)
    # Another pace and other minutes change nothing any more.
    clock.step_s = 1.0
    assert parts.train(minutes=600, progress=False).done
    assert_equal(state(parts), state(whole))


def test_steps_by_minutes_are_told_by_the_session_that_sees_enough(
    new_run: MakeRun, clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        stop_after(patch, 3, lambda: signal.raise_signal(signal.SIGINT))
        progress = new_run(steps=0).train(minutes=20, progress=False)
    assert (progress.step, progress.steps, progress.done) == (3, None, False)
    assert new_run(steps=0).train(minutes=20, progress=False).steps == 3 + 15 + 4


def test_a_machine_that_slows_down_ends_in_time_and_goes_on_to_the_same_end(
    new_run: MakeRun, clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow_down() -> None:
        clock.step_s = 120.0

    stop_after(monkeypatch, 16, slow_down)
    run = new_run(steps=0)
    progress = run.train(minutes=21.5, progress=False)
    # 16 steps of a minute, then three of two.
    assert (progress.step, progress.steps, progress.minutes) == (19, 20, 22.0)
    assert not progress.done
    assert new_run(steps=0).train(minutes=21.5, progress=False).done


def test_minutes_too_few_to_tell_the_pace_are_refused(
    new_run: MakeRun, clock: SimpleNamespace
) -> None:
    with pytest.raises(TrainingError, match=r"3 minutes were over after 4 steps, too few"):
        new_run(steps=0).train(minutes=3, progress=False)
    assert new_run(steps=0).step_number == 0


def test_a_run_without_end_is_refused(new_run: MakeRun) -> None:
    with pytest.raises(TrainingError, match="give --minutes or --steps"):
        new_run(steps=0).train(progress=False)


def test_steps_count_as_the_recipe_says_and_a_finished_run_stays_as_it_is(
    new_run: MakeRun,
) -> None:
    run = new_run(steps=3)
    assert run.train(progress=False).step == 3
    rows = read_rows(run.folder)
    again = new_run(steps=3)
    progress = again.train(progress=False)
    assert (progress.step, progress.loss) == (3, None)
    added = read_rows(run.folder)[len(rows) :]
    assert ["data" in row for row in added] == [True]


def test_the_log_holds_data_steps_and_validation_rows(new_run: MakeRun) -> None:
    run = new_run(steps=4)
    run.train(progress=False)
    data, steps, validation = read_rows(run.folder)
    assert data["step"] == 0
    assert data["data"] == run.store.report.to_row()
    assert steps.keys() == {
        *("step", "minutes", "loss", "bpp", "psnr", "hyper_share"),
        *("learning_rate", "seconds_per_step", "skipped_steps"),
    }
    assert (steps["step"], steps["skipped_steps"], steps["learning_rate"]) == (4, 0, 0.0)
    points = validation["validation"]
    assert isinstance(points, list)
    assert {(point["source"], point["mode"]) for point in points} == {
        (".", "joint"),
        (".", "alone"),
    }
    assert [point["quality_index"] for point in points if point["mode"] == "joint"] == [
        *(4, 10, 16, 24, 40)
    ]
    for point in points:
        assert 0 < point["visible_bpp"] < 50 and 0 < point["infrared_bpp"] < 50
        assert 10 < point["visible_psnr"] < 70 and 10 < point["infrared_psnr"] < 70
    rates = [point["visible_bpp"] for point in points if point["mode"] == "joint"]
    assert rates == sorted(rates)


def test_the_learning_rate_rises_and_falls_to_zero(new_run: MakeRun, recipe: Recipe) -> None:
    run = new_run()
    rates = [run.learning_rate(step) for step in range(recipe.steps + 1)]
    assert rates[0] == pytest.approx(recipe.learning_rate / recipe.warmup_steps)
    assert max(rates) == recipe.learning_rate
    assert rates[-1] == 0.0
    # A warm-up of more than a tenth of the steps is shortened to that, once they are known.
    short = new_run("short", warmup_steps=100)
    assert [short.learning_rate(step) / recipe.learning_rate for step in (0, 2, 5, 6)] == (
        pytest.approx([1 / 6, 3 / 6, 1, 1])
    )
    unknown = new_run("unknown", steps=0, warmup_steps=100)
    assert unknown.learning_rate(4) == pytest.approx(0.05 * recipe.learning_rate)
    constant = new_run("constant", warmup_steps=0, decay_share=0.0)
    assert {constant.learning_rate(step) for step in range(60)} == {recipe.learning_rate}


def test_a_bar_is_shown_when_asked_for_and_not_needed(
    new_run: MakeRun, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run(steps=4)
    run.train(minutes=0, progress=True)
    assert "1/4" in capsys.readouterr().err
    importing = builtins.__import__

    def without_tqdm(name: str, *rest: Any, **more: Any) -> Any:
        if name == "tqdm":
            raise ImportError(name)
        return importing(name, *rest, **more)

    monkeypatch.delitem(sys.modules, "tqdm", raising=False)
    monkeypatch.setattr(builtins, "__import__", without_tqdm)
    assert run.train(minutes=0, progress=True).step == 2
    assert capsys.readouterr().err == ""


# --------------------------------------------------------------------------------------- Ctrl-C


def test_ctrl_c_in_a_validation_leaves_it_out_and_writes_a_checkpoint(
    new_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run(steps=9, validate_minutes=0.0)

    def interrupted(*_: object, stopped: Callable[[], bool], **__: object) -> list[object]:
        signal.raise_signal(signal.SIGINT)
        assert stopped()
        return []

    monkeypatch.setattr(loop, "measure", interrupted)
    progress = run.train(progress=False)
    assert (progress.step, progress.interrupted) == (1, True)
    assert new_run(steps=9, validate_minutes=0.0).step_number == 1
    assert not any("validation" in row for row in read_rows(run.folder))


def test_a_second_ctrl_c_leaves_at_once_and_the_handler_is_put_back(
    new_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run(steps=9)
    run.save()
    before = signal.getsignal(signal.SIGINT)

    def impatient() -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    stop_after(monkeypatch, 2, impatient)
    with pytest.raises(KeyboardInterrupt):
        run.train(progress=False)
    assert signal.getsignal(signal.SIGINT) is before
    assert new_run(steps=9).step_number == 0
    assert not list(run.folder.glob("*.part"))


# ------------------------------------------------------------------------------------- bad input


def test_another_recipe_is_refused_and_what_differs_is_named(new_run: MakeRun) -> None:
    run = new_run(steps=4)
    run.save()
    before = (run.folder / CHECKPOINT).read_bytes()
    with pytest.raises(TrainingError) as caught:
        new_run(steps=5)
    assert "holds a run of another recipe (steps: 4 before, 5 now)" in str(caught.value)
    assert "--from" in str(caught.value)
    assert (run.folder / CHECKPOINT).read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 half a zip"])
def test_a_damaged_checkpoint_is_refused(new_run: MakeRun, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / CHECKPOINT).write_bytes(content)
    with pytest.raises(TrainingError) as caught:
        new_run()
    assert "not a checkpoint, or a damaged one" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_truncated_checkpoint_is_refused(new_run: MakeRun) -> None:
    run = new_run()
    run.save()
    path = run.folder / CHECKPOINT
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(TrainingError, match="not a checkpoint, or a damaged one"):
        new_run()


def system_refuses() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def torch_refuses_for_that() -> None:
    """What `torch.save` does: closing its archive fails because writing to it did."""
    try:
        system_refuses()
    finally:
        raise RuntimeError("unexpected pos 704 vs 598\nat some line")


def torch_refuses() -> None:
    raise RuntimeError("file write failed\nat some line")


@pytest.mark.parametrize(
    ("refuse", "why"),
    [
        (system_refuses, "the disk is full: make room"),
        (torch_refuses_for_that, "the disk is full: make room"),
        (torch_refuses, "file write failed: see the disk"),
    ],
)
def test_a_full_disk_at_a_checkpoint_keeps_the_one_before(
    new_run: MakeRun,
    monkeypatch: pytest.MonkeyPatch,
    refuse: Callable[[], None],
    why: str,
) -> None:
    run = new_run(steps=9, checkpoint_minutes=0.0)
    run.train(minutes=0, progress=False)
    before = (run.folder / CHECKPOINT).read_bytes()

    def full(state: object, file: Any) -> None:
        file.write(b"half of it")
        refuse()

    monkeypatch.setattr(checkpoints.torch, "save", full)
    with pytest.raises(TrainingError) as caught:
        run.train(progress=False)
    assert f"checkpoint not written ({why}" in str(caught.value)
    assert "the previous one is kept" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert (run.folder / CHECKPOINT).read_bytes() == before
    assert not list(run.folder.glob("*.part"))
    assert new_run(steps=9, checkpoint_minutes=0.0).step_number == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_disk_that_really_is_full_keeps_checkpoint_and_log(new_run: MakeRun) -> None:
    run = new_run(steps=9)
    run.train(minutes=0, progress=False)
    before = (run.folder / CHECKPOINT).read_bytes()
    (run.folder / f"{CHECKPOINT}.part").symlink_to("/dev/full")
    with pytest.raises(
        TrainingError, match=r"checkpoint not written \(the disk is full: make room"
    ):
        run.save()
    assert (run.folder / CHECKPOINT).read_bytes() == before
    assert not list(run.folder.glob("*.part"))

    log, rows = run.folder / LOG, read_rows(run.folder)
    kept = log.rename(run.folder / "kept")
    log.symlink_to("/dev/full")
    with pytest.raises(TrainingError, match=r"not written \(the disk is full: make room"):
        run.train(progress=False)
    kept.replace(log)
    assert read_rows(run.folder) == rows
    assert new_run(steps=9).step_number == 1


def test_a_folder_that_cannot_be_made_is_named(new_run: MakeRun, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    with pytest.raises(TrainingError, match="the run cannot be kept there"):
        new_run()


def test_bad_data_leaves_no_folder_behind(new_run: MakeRun, tmp_path: Path) -> None:
    with pytest.raises(TrainingError):
        new_run(data=tmp_path / "nothing")
    assert not (tmp_path / "run").exists()


def poison(monkeypatch: pytest.MonkeyPatch, *steps: int) -> None:
    """Makes the loss of these draws not a number."""
    draw, drawn = loop.Sampler.draw, iter(range(1_000_000))

    def poisoned(sampler: Any, count: int) -> Any:
        batch = draw(sampler, count)
        if next(drawn) in steps:
            batch.visible[0, 0, 0, 0] = float("nan")
        return batch

    monkeypatch.setattr(loop.Sampler, "draw", poisoned)


def test_non_finite_steps_are_skipped_and_counted(
    new_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run(steps=6)
    poison(monkeypatch, 1, 3)
    before = {name: value.clone() for name, value in run.codec.state_dict().items()}
    assert run.step().finite
    after_first = {name: value.clone() for name, value in run.codec.state_dict().items()}
    assert any(not torch.equal(before[name], after_first[name]) for name in before)
    assert not run.step().finite
    assert_equal(dict(run.codec.state_dict()), after_first)
    progress = run.train(progress=False)
    assert (progress.step, progress.skipped_steps) == (6, 2)
    assert all(torch.isfinite(value).all() for value in run.codec.state_dict().values())
    rows = [row for row in read_rows(run.folder) if "loss" in row]
    assert rows[-1]["skipped_steps"] == 2
    assert isinstance(rows[-1]["loss"], float)


def test_twenty_non_finite_steps_in_a_row_stop_the_run(
    new_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run()
    run.save()
    poison(monkeypatch, *range(1, 4), *range(5, 25))
    with pytest.raises(TrainingError, match="20 non-finite steps in a row up to step 24;"):
        run.train(progress=False)
    assert new_run().step_number == 0


# -------------------------------------------------------------------------------------- divergence


def test_an_absurd_learning_rate_is_stopped_and_the_last_good_checkpoint_named(
    new_run: MakeRun, clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(divergence, "WINDOW", 20)
    options = {"learning_rate": 0.05, "warmup_steps": 20, "checkpoint_minutes": 0.0, "steps": 200}
    with pytest.raises(TrainingError) as caught:
        new_run("whole", **options).train(progress=False)
    said = str(caught.value)
    assert re.search(
        r"the cost up to step \d+ is \d+\.\d times that of the best steps before", said
    )
    found = re.search(r"the last good checkpoint is (\S+), of step (\d+): begin another", said)
    assert found is not None
    assert read_checkpoint(Path(found[1]))["step"] == int(found[2])
    assert not CostWindows(**read_checkpoint(Path(found[1]))["costs"]).has_doubled

    # A run in parts decides alike, though calls end in the bad window: the good checkpoint stays.
    late = []
    with pytest.raises(TrainingError) as again:
        while True:
            progress = (part := new_run("parts", **options)).train(minutes=4.5, progress=False)
            late.append(progress.late)
            assert (part.folder / LATE_CHECKPOINT).exists() == progress.late
            good = read_checkpoint(part.folder / CHECKPOINT)
            assert good["step"] == progress.good_step
            assert not CostWindows(**good["costs"]).has_doubled
    assert any(late)
    assert said.partition(": the")[0] == str(again.value).partition(": the")[0]
    # The run is back at its last good checkpoint.
    assert not (part.folder / LATE_CHECKPOINT).exists()
    assert new_run("parts", **options).step_number == good["step"] < part.step_number


def spoil_costs(monkeypatch: pytest.MonkeyPatch, *steps: int) -> None:
    """Makes the cost of these steps of the run ten times what it is, to the eyes of the guard."""
    add = CostWindows.add
    taken = iter(range(1, 1_000_000))

    def spoilt(windows: CostWindows, log_cost: float) -> None:
        add(windows, log_cost + math.log(10) * (next(taken) in steps))

    monkeypatch.setattr(CostWindows, "add", spoilt)


def test_a_call_that_ends_at_a_bad_cost_keeps_the_good_checkpoint_and_the_next_one_goes_on(
    new_run: MakeRun, clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil_costs(monkeypatch, *range(12, 16))
    options = {"steps": 24, "checkpoint_minutes": 0.5}
    first = new_run(**options)
    progress = first.train(minutes=13.5, progress=False)
    assert (progress.step, progress.good_step, progress.late) == (14, 11, True)
    said = TrainingResult(first.folder, None, progress, (), ()).line
    assert said.endswith(
        "goes on; its last steps have twice the cost of the best ones:"
        f" {first.folder / CHECKPOINT} is of step 11"
    )
    assert starting_step(first.folder) == 11
    second = new_run(**options)
    assert second.step_number == 14
    # The cost is back within the window: one checkpoint again.
    progress = second.train(minutes=8.5, progress=False)
    assert (progress.step, progress.good_step, progress.late) == (23, 23, False)
    assert not (second.folder / LATE_CHECKPOINT).exists()


def starting_step(folder: Path) -> object:
    """Of the checkpoint that `--from` and `crossband export` take."""
    return read_checkpoint(folder / CHECKPOINT)["step"]


def test_a_run_that_has_no_good_checkpoint_says_so(
    new_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil_costs(monkeypatch, *range(11, 40))
    with monkeypatch.context() as patch:
        stop_after(patch, 15, lambda: signal.raise_signal(signal.SIGINT))
        progress = new_run().train(progress=False)
    assert (progress.step, progress.good_step) == (15, None)
    folder = new_run().folder
    assert "there is no good one" in TrainingResult(folder, None, progress, (), ()).line
    with pytest.raises(TrainingError, match="holds no good checkpoint yet, only one of steps that"):
        read_checkpoint(folder / CHECKPOINT)


@pytest.mark.parametrize(("bad_steps", "diverges"), [(9, False), (10, True)])
def test_the_last_steps_of_a_run_are_a_window_if_they_tell_enough(
    new_run: MakeRun, monkeypatch: pytest.MonkeyPatch, bad_steps: int, diverges: bool
) -> None:
    steps = 10 + bad_steps
    spoil_costs(monkeypatch, *range(11, steps + 1))
    run = new_run(steps=steps)
    if not diverges:
        progress = run.train(progress=False)
        assert (progress.done, progress.late) == (True, False)
        return
    with pytest.raises(TrainingError, match="there is no good checkpoint yet: begin again with a"):
        run.train(progress=False)


def test_a_full_disk_at_a_bad_cost_keeps_the_good_checkpoint(
    new_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run()
    for _ in range(11):
        run.step()
    run.save()
    before = (run.folder / CHECKPOINT).read_bytes()
    run.costs.add(math.log(10) + run.costs.best)
    assert run.costs.has_doubled

    def full(state: object, file: Any) -> None:
        system_refuses()

    monkeypatch.setattr(checkpoints.torch, "save", full)
    with pytest.raises(TrainingError, match="checkpoint not written"):
        run.save()
    assert (run.folder / CHECKPOINT).read_bytes() == before
    assert new_run().step_number == 11


def test_windows_count_finite_steps_and_remember_the_best() -> None:
    windows = CostWindows()
    for cost in (2.0, 1.0, 1.5):
        windows.add(math.log(cost))
        windows.add(math.log(cost))
        assert not windows.has_doubled
        windows.close()
    windows.close()  # nothing in it: all steps were skipped
    assert windows.best == 0.0
    windows.add(math.log(1.9))
    assert not windows.has_doubled
    windows.add(math.log(2.3))
    assert windows.has_doubled
    assert windows.growth == pytest.approx((1.9 * 2.3) ** 0.5)
    assert CostWindows(**windows.to_state()) == windows


def test_other_pictures_than_those_of_the_run_are_refused(
    new_run: MakeRun, pairs: Path, tmp_path: Path
) -> None:
    new_run(steps=4).save()
    shutil.copytree(pairs, tmp_path / "data")
    Image.new("RGB", (80, 72)).save(tmp_path / "data" / "visible" / "003.png")
    with pytest.raises(TrainingError, match="holds a run on other pictures than those of"):
        new_run(steps=4, data=tmp_path / "data")
    assert new_run(steps=4).step_number == 0


def test_a_checkpoint_from_before_these_were_kept_goes_on(new_run: MakeRun) -> None:
    run = new_run(steps=4)
    run.save()
    path = run.folder / CHECKPOINT
    old = read_checkpoint(path)
    for key in ("steps", "start", "costs", "data"):
        del old[key]
    torch.save(old, path)
    assert new_run(steps=4).train(progress=False).done


def test_half_a_row_in_the_log_is_passed_over(tmp_path: Path) -> None:
    append_row(tmp_path, {"step": 1})
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"step": 2, "lo\n[1]\n')
    append_row(tmp_path, {"step": 3})
    assert [row["step"] for row in read_rows(tmp_path)] == [1, 3]


def test_bad_validation_pictures_are_noted_before_the_first_step(
    new_run: MakeRun, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    for split, names in (("train", "a"), ("val", "abc")):
        for camera in ("vis", "ir"):
            (data / split / camera).mkdir(parents=True)
            for name in names:
                noise = np.random.default_rng(1).integers(0, 256, (64, 64), np.uint8)
                Image.fromarray(noise).save(data / split / camera / f"{name}.png")
    (data / "val" / "vis" / "b.png").write_bytes(b"no picture")
    Image.new("L", (64, 80)).save(data / "val" / "ir" / "c.png")
    (data / "empty").mkdir()
    run = new_run(data=data, validation_sources={".": 3, "empty": 2})
    assert len(run.validation.pairs) == 1
    said = "\n".join(run.notes)
    for part in ("./val/b cannot be read", "./val/c has two sizes", "empty has no val pair"):
        assert part in said
