# SPDX-License-Identifier: Apache-2.0
"""docs/fine-tuning.md names commands, options, data sets and findings that exist."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

from crossband import datasets
from crossband.cli import main
from crossband.datasets.check import KINDS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "fine-tuning.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    crossband (.+)$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_on_the_page_is_one_of_its_command(command: str) -> None:
    words = command.split()
    name = words[:2] if words[0] in ("data", "bench") else words[:1]
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main([*name, "--help"]) == 0
    options = [word for word in words if re.match(r"--?[a-z]", word)]
    assert options
    assert set(options) <= set(re.findall(r"--?[a-z][a-z-]*", out.getvalue()))


def test_the_page_walks_from_check_to_table() -> None:
    assert [" ".join(command.split()[:2]) for command in COMMANDS] == [
        "data check",
        "train --from",
        "export runs/own",
        "bench run",
        "bench table",
    ]
    named = re.findall(r"`(src/\S+\.toml)`", PAGE)
    assert named == ["src/crossband/training/own.toml"]
    assert (ROOT / named[0]).is_file()


def test_the_page_tells_every_kind_of_finding_and_names_real_sets() -> None:
    rows = re.findall(r"^\| ([^|]+?) \|", PAGE, re.MULTILINE)
    assert tuple(rows[1:]) == KINDS
    named = re.findall(r"--set ([a-z-]+)", PAGE)
    assert named
    assert set(named) <= set(datasets.names())
