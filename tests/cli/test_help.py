# SPDX-License-Identifier: Apache-2.0
"""`--help` of every command is the stored text.

After a wanted change: `python tests/cli/test_help.py` writes the texts anew.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from crossband.cli import main

HELP = Path(__file__).parent / "help"
COMMANDS = (
    "",
    "encode",
    "decode",
    "info",
    "verify",
    "compare",
    "demo",
    "train",
    "export",
    "doctor",
    "models",
    "models list",
    "models show",
    "data",
    "data check",
    "bench",
    "bench run",
    "bench films",
    "bench table",
    "bench bd",
    "bench plot",
    "bench report",
    "bench time",
    "bench integer-path",
)
TYPER_SERIES = "0.29"
"""The layout of help changes between typer's series; the words are ours."""


def stored(command: str) -> Path:
    return HELP / f"{'-'.join(['crossband', *command.split()])}.txt"


def help_text(command: str) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main([*command.split(), "--help"]) == 0
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


@pytest.mark.skipif(
    not version("typer").startswith(f"{TYPER_SERIES}."),
    reason=f"the stored texts have the layout of typer {TYPER_SERIES}",
)
@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_the_stored_text(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert help_text(command) == stored(command).read_text(encoding="utf-8")


@pytest.mark.parametrize("command", [c for c in COMMANDS if c not in ("models", "data", "bench")])
def test_help_ends_with_examples(command: str) -> None:
    examples = help_text(command).partition("Examples:\n")[2].splitlines()
    assert examples
    assert all("crossband " in line for line in examples)


def test_no_command_prints_help_and_says_wrong_usage(run: Callable[..., Any]) -> None:
    outcome = run()
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("Usage: crossband")


if __name__ == "__main__":
    os.environ["COLUMNS"] = "100"
    HELP.mkdir(exist_ok=True)
    for one in COMMANDS:
        stored(one).write_text(help_text(one), encoding="utf-8")
