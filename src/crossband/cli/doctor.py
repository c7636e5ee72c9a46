# SPDX-License-Identifier: Apache-2.0
"""`crossband doctor`: whether this installation works, and what would make it better."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata, resources
from typing import Any

from crossband.cli.options import Json
from crossband.cli.outcome import ExitCode, print_json
from crossband.errors import CrossbandError

EXAMPLES = """
crossband doctor
crossband doctor --json > doctor.json      to go with a report of something that fails
"""

_NEEDED = (
    "torch",
    "numpy",
    "constriction",
    "safetensors",
    "crc32c",
    "pillow",
    "tifffile",
    "typer",
    "rich",
)


@dataclass(frozen=True, slots=True)
class _Check:
    """One line of the report."""

    name: str
    ok: bool
    found: str
    advice: str = ""
    """What to do; also for what works and could be better."""
    vital: bool = True
    """Whether nothing can be encoded or decoded without it."""


def doctor(*, json: Json = False) -> ExitCode:
    """Check versions, weights, threads and formats, and code a small pair there and back.

    Exit code 0: all is well; 1: something that is wanted is missing; 3: nothing can be coded.
    """
    checks = [_python(), *_packages(), _threads(), *_formats()]
    if all(check.ok for check in checks if check.vital):
        checks += _weights()
    if all(check.ok for check in checks if check.vital):
        checks += [_guard("self-test", _round_trip), *_golden()]
    failed = [check for check in checks if not check.ok]
    if json:
        print_json({"ok": not failed, "checks": [_facts(check) for check in checks]})
    else:
        width = max(len(check.name) for check in checks)
        for check in checks:
            print(f"{'ok  ' if check.ok else 'FAIL'} {check.name:<{width}}  {check.found}")
        advice = [f"{check.name}: {check.advice}" for check in checks if check.advice]
        if advice:
            print("\nadvice")
            print("\n".join(f"  {line}" for line in advice))
    if any(check.vital for check in failed):
        return ExitCode.NOTHING_DONE
    return ExitCode.SOME_FAILED if failed else ExitCode.DONE


def _facts(check: _Check) -> dict[str, Any]:
    return {
        "name": check.name,
        "ok": check.ok,
        "found": check.found,
        "advice": check.advice or None,
        "vital": check.vital,
    }


def _guard(name: str, run: Callable[[], str]) -> _Check:
    """A check that fails with the message of what it raises."""
    try:
        return _Check(name, True, run())
    except (CrossbandError, OSError, ImportError, RuntimeError, AssertionError) as error:
        message = " ".join(str(error).split()) or type(error).__name__
        return _Check(name, False, message, "reinstall: pip install --force-reinstall crossband")


def _python() -> _Check:
    from crossband import __version__

    found = f"{__version__} on Python {platform.python_version()}, {platform.platform()}"
    return _Check("crossband", True, found)


def _packages() -> list[_Check]:
    checks = []
    for name in _NEEDED:
        try:
            checks.append(_Check(name, True, metadata.version(name)))
        except metadata.PackageNotFoundError:
            checks.append(_Check(name, False, "not installed", f"pip install {name}"))
    return checks


def _threads() -> _Check:
    available = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        available = len(os.sched_getaffinity(0))
    try:
        import torch
    except ImportError as error:
        return _Check("threads", False, str(error), "pip install torch")
    used = torch.get_num_threads()
    advice = ""
    if used < available and "OMP_NUM_THREADS" in os.environ:
        advice = f"OMP_NUM_THREADS keeps torch to {used}; unset it, or set it to {available}"
    return _Check("threads", True, f"torch uses {used} of {available} processors", advice)


def _formats() -> list[_Check]:
    try:
        from PIL import features
    except ImportError:  # already reported with the packages
        return []
    checks = []
    for feature, what, vital in (
        ("jpg", "JPEG", True),
        ("webp", "WebP", False),
        ("avif", "AVIF (demo only)", False),
    ):
        there = bool(features.check(feature))
        advice = "" if there else "pip install --upgrade pillow"
        checks.append(_Check(what, there, "here" if there else "not here", advice, vital))
    return checks


def _weights() -> list[_Check]:
    import crossband
    from crossband import models

    names = models.names()
    if not names:
        advice = "reinstall: pip install --force-reinstall crossband"
        return [_Check("weights", False, "none are here", advice)]

    def load(name: str) -> str:
        card = models.describe(name)
        started = time.perf_counter()
        crossband.load(name)
        return (
            f"{card.weights_id}, {card.parameters / 1e6:.1f} M, loaded in"
            f" {time.perf_counter() - started:.2f} s"
        )

    return [_guard(f"weights {name}", lambda name=name: load(name)) for name in names]  # type: ignore[misc]


def _round_trip() -> str:
    """Codes a small pair there and back and says how near it came and how long it took."""
    import crossband
    from crossband.bench.metrics import psnr
    from crossband.testing import synthetic_pair

    pair = synthetic_pair(visible=(96, 128), infrared=(96, 128))
    codec = crossband.load("base")
    started = time.perf_counter()
    data = codec.encode(pair, quality=80)
    encoded = time.perf_counter()
    decoded = codec.decode(data)
    done = time.perf_counter()
    assert pair.visible and pair.infrared and decoded.visible and decoded.infrared
    values = psnr(pair.visible, decoded.visible), psnr(pair.infrared, decoded.infrared)
    if min(values) < 20:
        raise CrossbandError(
            f"a pair came back at {values[0]:.1f} and {values[1]:.1f} dB; 20 or more are expected"
        )
    return (
        f"{len(data):,} bytes, visible {values[0]:.1f} dB, infrared {values[1]:.1f} dB;"
        f" encode {encoded - started:.2f} s, decode {done - encoded:.2f} s"
    )


def _golden() -> list[_Check]:
    """Decodes a file made on another machine; its symbols' checksum says whether this one agrees.

    Nothing to check where the installed weights come without one.
    """
    golden = resources.files("crossband.models").joinpath("weights", "golden.xb")
    if not golden.is_file():
        return []

    def decode() -> str:
        import crossband

        data = golden.read_bytes()
        crossband.load("base").verify(data)
        return f"the stored file of {len(data):,} bytes decodes to its stored symbols"

    return [_guard("golden file", decode)]
