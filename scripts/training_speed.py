# SPDX-License-Identifier: Apache-2.0
"""How fast a training step is, what part of the machine's roof that is, and where the time goes.

    python scripts/training_speed.py recipes/second.toml --data DATA -o results/training-speed.json

The roof is what the same machine does at the same time: products of large square matrices, in each
type that the step multiplies in, and copies of a buffer that no cache holds. A step's work is what
its operations ask for: their multiplications and additions, and the bytes of their operands and
results, as if each went to memory. On a CPU the clock is the process's own, on one thread, so that
other work on the machine takes little from the figures; on a GPU it is the wall's.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from crossband.errors import CrossbandError
from crossband.sources import atomic_write
from crossband.training.loop import Run
from crossband.training.recipe import read_recipe
from crossband.transforms.blocks import GatedBlock

_SIDE = 1536
"""Of the matrices, whose product is then limited by arithmetic."""
_COPIED_BYTES = 2**28
_UNTIMED = 3
_SHOWN = 12
"""Operations of the profile."""


class Work(TorchDispatchMode):
    """Counts multiplications and additions by their type, and the bytes of operands and results.

    Views count nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.flop: Counter[str] = Counter()
        self.size_bytes = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Runs the operation."""
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        read, written = _tensors((args, kwargs)), _tensors(result)
        known = {each.untyped_storage().data_ptr() for each in read}
        views = all(each.untyped_storage().data_ptr() in known for each in written)
        if not views or func._schema.is_mutable:
            self.size_bytes += sum(each.nbytes for each in (*read, *written))
        packet = func._overloadpacket
        if packet is torch.ops.aten.convolution_backward:
            gradient, picture, weight, *_, asked = args
            # As many as forward for each gradient; torch counts depthwise layers as dense ones.
            flop = 2 * sum(asked[:2]) * gradient.numel() * weight[0].numel()
            self.flop[_kind(picture)] += flop
        elif packet in flop_registry:
            self.flop[_kind(read[0])] += flop_registry[packet](*args, **kwargs, out_val=result)
        return result


def _tensors(values: Any) -> list[torch.Tensor]:
    return [each for each in tree_leaves(values) if isinstance(each, torch.Tensor)]


def _kind(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def counted(step: Callable[[], object]) -> Work:
    """What a step asks for."""
    with Work() as work:
        step()
    return work


def timed(work: Callable[[], object], device: str, *, times: int) -> list[float]:
    """Seconds of each call."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    found = []
    for _ in range(times):
        _wait(device)
        before = clock()
        work()
        _wait(device)
        found.append(clock() - before)
    return found


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def roof(device: str) -> dict[str, float]:
    """What the machine does at its best, in units of a second."""
    found = {}
    for kind in (torch.bfloat16, torch.float32):
        one = torch.rand(_SIDE, _SIDE, device=device, dtype=kind)
        out = torch.empty_like(one)
        best = min(timed(lambda one=one, out=out: torch.mm(one, one, out=out), device, times=6))
        found[f"{_kind(one)}_flop_per_s"] = 2 * _SIDE**3 / best
    source = torch.ones(_COPIED_BYTES, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    best = min(timed(lambda: target.copy_(source), device, times=6))
    found["memory_bytes_per_s"] = 2 * _COPIED_BYTES / best
    return found


def profiled(step: Callable[[], object], device: str) -> list[dict[str, object]]:
    """The operations that take most of a step, the longest first; their shares of all."""
    activities = [ProfilerActivity.CPU]
    key = "self_cpu_time_total"
    if device == "cuda":
        activities.append(ProfilerActivity.CUDA)
        key = "self_device_time_total"
    with profile(activities=activities) as found:
        step()
        _wait(device)
    rows = sorted(found.key_averages(), key=lambda row: getattr(row, key), reverse=True)
    whole = sum(getattr(row, key) for row in rows)
    return [
        {"operation": row.key, "calls": row.count, "share": round(getattr(row, key) / whole, 4)}
        for row in rows[:_SHOWN]
    ]


def measure(run: Run, *, steps: int) -> dict[str, object]:
    """Everything on one run, which takes a few steps for it."""
    device = run.device
    best = roof(device)
    for _ in range(_UNTIMED):
        run.step()
    began, cpu = time.perf_counter(), time.process_time()
    seconds = sorted(timed(run.step, device, times=steps))
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    work = counted(run.step)
    middle = seconds[len(seconds) // 2]
    matmul = sum(flop / best[f"{kind}_flop_per_s"] for kind, flop in work.flop.items())
    memory = work.size_bytes / best["memory_bytes_per_s"]
    load = os.getloadavg()[0]
    return {
        "device": torch.cuda.get_device_name() if device == "cuda" else _processor(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "clock": "process time" if device == "cpu" else "wall",
        "share_of_a_core": round(cpu / wall, 3),
        "cores": os.cpu_count(),
        "load_average": round(load, 2),
        "shared_machine": load > 0.5 + torch.get_num_threads(),
        "recipe": run.recipe.name,
        "batch": run.recipe.batch,
        "crop": run.recipe.crop,
        "steps_measured": steps,
        "seconds_per_step": round(middle, 4),
        "seconds_per_step_lowest_highest": [round(seconds[0], 4), round(seconds[-1], 4)],
        "steps_per_second": round(1 / middle, 4),
        "step_flop": dict(work.flop),
        "step_bytes": work.size_bytes,
        "roof": {key: float(f"{value:.4g}") for key, value in best.items()},
        "share_of_matmul_roof": round(matmul / middle, 4),
        "share_of_memory_roof": round(memory / middle, 4),
        "profile": profiled(run.step, device),
    }


def compiled(run: Run, *, steps: int) -> dict[str, object]:
    """Seconds of a step whose gated blocks went through `torch.compile`.

    The whole network does not: inductor takes the backward pass of a replicating padding to be
    channels first, and symbolic shapes cannot be sorted by their strides.
    """
    for block in run.codec.modules():
        if isinstance(block, GatedBlock):
            block.forward = torch.compile(block.forward, dynamic=False)  # type: ignore[method-assign]
    try:
        for _ in range(_UNTIMED):
            run.step()
    except RuntimeError as error:  # no C++ compiler, or none that inductor can do with
        return {"error": str(error).splitlines()[0]}
    seconds = sorted(timed(run.step, run.device, times=steps))
    return {
        "seconds_per_step": round(seconds[len(seconds) // 2], 4),
        "seconds_per_step_lowest_highest": [round(seconds[0], 4), round(seconds[-1], 4)],
    }


def _processor() -> str:
    """The CPU's name."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def main(words: Sequence[str] | None = None) -> int:
    """Measures what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder of the sources")
    parser.add_argument("--steps", type=int, default=10, help="that are timed")
    parser.add_argument("--compile", action="store_true", help="time compiled blocks as well")
    parser.add_argument("-o", "--output", type=Path, required=True, help="JSON")
    options = parser.parse_args(words)
    if options.steps < 1:
        parser.error(f"--steps is {options.steps}; allowed are 1 and more")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu":
        torch.set_num_threads(1)
    try:
        recipe = read_recipe(options.recipe, {"validation_sources": {}})
        with tempfile.TemporaryDirectory() as folder:
            run = Run(recipe, options.data, Path(folder), device=device)
            command = f"python scripts/training_speed.py {options.recipe.as_posix()} --data DATA"
            command += f" --steps {options.steps}{' --compile' * options.compile}"
            command += f" -o {options.output.name}"
            found = {"command": command, **measure(run, steps=options.steps)}
            if options.compile:
                found["compiled"] = compiled(run, steps=options.steps)
        atomic_write(options.output, (json.dumps(found, indent=1) + "\n").encode(), force=True)
    except CrossbandError as error:
        print(f"training_speed: {error}", file=sys.stderr)
        return 3
    print(
        f"{options.output}: {found['seconds_per_step']} s a step,"
        f" {found['share_of_matmul_roof']:.1%} of the matmul roof,"
        f" {found['share_of_memory_roof']:.1%} of the memory roof"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
