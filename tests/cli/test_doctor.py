# SPDX-License-Identifier: Apache-2.0
"""`crossband doctor`: what it checks and how it fails."""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata
from typing import Any

import pytest
from PIL import features

import crossband
from crossband import CorruptStream
from crossband.cli import doctor

Run = Callable[..., Any]


def checks(outcome: Any) -> dict[str, Any]:
    return {check["name"]: check for check in outcome.json["checks"]}


@pytest.fixture(autouse=True)
def no_golden_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """The codec here only stores; test_whole.py decodes the golden file with the real one."""
    monkeypatch.setattr(doctor, "_golden", list)


def test_all_is_well_here(run: Run) -> None:
    outcome = run("doctor", "--json")
    assert outcome.err == ""
    wanted = {"crossband", "torch", "numpy", "pillow", "threads", "weights base", "self-test"}
    assert wanted <= set(checks(outcome))
    assert all(check["ok"] for check in outcome.json["checks"] if check["vital"])
    assert run("doctor").out.startswith("ok ")


def test_a_missing_package_is_told_with_the_line_that_installs_it(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = metadata.version

    def without(name: str) -> str:
        if name == "constriction":
            raise metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(metadata, "version", without)
    outcome = run("doctor", "--json")
    assert outcome.code == 3
    assert checks(outcome)["constriction"]["advice"] == "pip install constriction"
    assert "self-test" not in checks(outcome)
    text = run("doctor").out
    assert "FAIL constriction" in text
    assert "constriction: pip install constriction" in text


def test_what_is_missing_and_not_vital_is_exit_code_1(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = features.check
    monkeypatch.setattr(features, "check", lambda name: name != "avif" and check(name))
    outcome = run("doctor", "--json")
    assert outcome.code == 1
    assert "pillow" in checks(outcome)["AVIF (demo only)"]["advice"]


def test_a_codec_that_fails_is_told(
    run: Run, storing_codec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(data: bytes, **options: Any) -> None:
        raise CorruptStream("the symbols have another checksum")

    monkeypatch.setattr(storing_codec, "decode", fail, raising=False)
    outcome = run("doctor", "--json")
    assert outcome.code == 3
    assert checks(outcome)["self-test"]["found"] == "the symbols have another checksum"


def test_missing_weights_are_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crossband.models, "names", lambda: (), raising=False)
    outcome = run("doctor", "--json")
    assert outcome.code == 3
    assert not checks(outcome)["weights"]["ok"]
