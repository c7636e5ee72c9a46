# SPDX-License-Identifier: Apache-2.0
"""`make results`: a file is whole and new, or as it was."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from pathlib import Path
from types import ModuleType

import pytest

from crossband import datasets
from crossband.bench import coders, film_coders
from crossband.cli import main

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def results() -> ModuleType:
    spec = importlib.util.spec_from_file_location("results", ROOT / "scripts" / "results.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["results"] = module  # its dataclasses look for their module
    spec.loader.exec_module(module)
    return module


def python(code: str, *words: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code, *words)


def test_what_a_command_prints_takes_the_place_of_the_old(
    results: ModuleType, tmp_path: Path
) -> None:
    output = tmp_path / "timing.json"
    output.write_text("old")
    results.measure(results.Part("timing", python("print('new')"), output))
    assert output.read_text() == "new\n"
    assert list(tmp_path.iterdir()) == [output]


@pytest.mark.parametrize("words", [(), ("{part}",)])
def test_a_command_that_fails_leaves_the_old(
    results: ModuleType, tmp_path: Path, words: tuple[str, ...]
) -> None:
    output = tmp_path / "timing.json"
    output.write_text("old")
    part = results.Part("timing", python("print('half'); raise SystemExit(3)", *words), output)
    with pytest.raises(results.PartFailed, match=r"ended with code 3; .*timing.json is as it was"):
        results.measure(part)
    assert output.read_text() == "old"


APPEND = "import sys, pathlib; pathlib.Path(sys.argv[1]).open('a').write('{}\\n')"


def test_rows_are_measured_anew_unless_they_are_to_be_kept(
    results: ModuleType, tmp_path: Path
) -> None:
    output = tmp_path / "rows.jsonl"
    for keeps_rows, wanted in ((False, "b\n"), (True, "b\nb\n")):
        command = python(APPEND.format("b"), "{part}")
        results.measure(results.Part("rows", command, output, keeps_rows=keeps_rows))
        assert output.read_text() == wanted


def test_a_run_that_was_stopped_goes_on_with_its_rows(
    results: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "rows.jsonl"
    output.write_text("old\n")
    fails = python(APPEND.format("first") + "; raise SystemExit(1)", "{part}")
    with pytest.raises(results.PartFailed):
        results.measure(results.Part("rows", fails, output))
    assert output.read_text() == "old\n"
    results.measure(results.Part("rows", python(APPEND.format("second"), "{part}"), output))
    assert output.read_text() == "first\nsecond\n"
    assert "remove it to begin anew" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == [output]


def test_every_command_is_one_that_there_is(results: ModuleType, tmp_path: Path) -> None:
    for part in results.parts(tmp_path, tmp_path):
        words = list(part.command)
        for option, value in itertools.pairwise(words):
            if option == "--set":
                datasets.select(value)
            if option == "--codecs":
                for name in value.split(","):
                    (film_coders if "films" in words else coders).find(name)
        if words[1:3] == ["-m", "crossband"]:
            # Nothing is in this folder, which the command tells before it measures anything.
            if {"--data", "--clip"} & set(words):
                assert main(words[3:]) == 3
        else:
            assert Path(words[1]).is_file()
    chosen = {datasets.select(word).dataset.name for word in results.STILLS}
    assert chosen == {"roadscene", "m3svd", "msrs", "llvip", "tno"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--data", "absent"), "absent: is not a folder; name the one with the data sets"),
        (
            ("--data", ".", "stils"),
            "no part is called stils; parts are anchors, stills",
        ),
        ((), "--data"),
    ],
)
def test_words_that_do_not_fit_measure_nothing(
    results: ModuleType,
    words: tuple[str, ...],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(results, "measure", lambda part: pytest.fail("it measured"))
    with pytest.raises(SystemExit) as stop:
        results.main(words)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_the_first_part_that_fails_stops_the_rest(
    results: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = []

    def fail(part: object) -> None:
        seen.append(part)
        raise results.PartFailed("timing: ended with code 1")

    monkeypatch.setattr(results, "measure", fail)
    assert results.main(["--data", ".", "timing", "figures"]) == 1
    assert len(seen) == 1
    assert capsys.readouterr().err == "results: timing: ended with code 1\n"
