# SPDX-License-Identifier: Apache-2.0
"""`crossband info`, `verify` and `models`: what they tell, and how fast."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import crossband
from crossband import Raster
from crossband.sources import write

Run = Callable[..., Any]
SOURCE = str(Path(crossband.__file__).parents[1])


def test_info_tells_what_encode_told(run: Run, pictures: tuple[Path, Path]) -> None:
    encoded = run("encode", *pictures, "-o", "pair.xb")
    assert run("info", "pair.xb").out == encoded.out
    first = run("encode", *pictures, "-o", "pair.xb", "--force", "--json").json
    second = run("info", "pair.xb", "--json").json
    assert second == {key: first[key] for key in second}


def test_info_reads_standard_input(run: Run, coded: Path) -> None:
    facts = run("info", "-", "--json", stdin=coded.read_bytes()).json
    assert facts["file"] is None
    assert [picture["modality"] for picture in facts["pictures"]] == ["infrared", "visible"]
    assert [picture["conditional"] for picture in facts["pictures"]] == [False, True]


def test_info_tells_weights_that_are_not_here(
    run: Run, coded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crossband.models, "names", lambda: (), raising=False)
    assert "(not here)" in run("info", coded).out
    assert run("info", coded, "--json").json["weights_name"] is None


def test_info_loads_neither_torch_nor_pillow(coded: Path) -> None:
    program = (
        "import sys; from crossband.cli import main; code = main(['info', sys.argv[1]]);"
        " heavy = {'torch', 'PIL', 'rich', 'constriction'} & set(sys.modules);"
        " sys.exit(code or ' '.join(heavy) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(coded)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": SOURCE},
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_info_takes_less_than_half_a_second(coded: Path) -> None:
    # Processor time, not the clock's. A busy machine slows that too, by up to twice: there, five
    # times what NumPy's import takes in the same minute; on an idle one it is four times that.
    info = "from crossband.cli import main; main(['info', sys.argv[1]])"
    seconds = []
    for _ in range(5):
        numpy_s, info_s = (_processor_seconds(program, coded) for program in ("import numpy", info))
        seconds.append((info_s, numpy_s))
        if info_s < max(0.5, 5 * numpy_s):
            return
    pytest.fail(f"seconds of info and of importing NumPy, five tries: {seconds}")


def _processor_seconds(program: str, coded: Path) -> float:
    done = subprocess.run(
        [
            *(sys.executable, "-c"),
            f"import sys, time; {program}; print(time.process_time(), file=sys.stderr)",
            str(coded),
        ],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": SOURCE},
    )
    return float(done.stderr)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_behind_standard_output_is_one_line(coded: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "crossband", "info", str(coded)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": SOURCE},
        )
    assert done.returncode == 3
    assert done.stderr == (
        "crossband: no space is left on the disk; free some or write elsewhere\n"
    )


def test_a_reader_that_goes_away_is_no_traceback(coded: Path) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        [sys.executable, "-m", "crossband", "info", str(coded)],
        stdout=write_end,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": SOURCE},
    )
    os.close(write_end)
    assert (done.returncode != 0, done.stderr) == (True, "")


def test_verify_says_that_a_file_is_whole(run: Run, coded: Path) -> None:
    outcome = run("verify", coded)
    assert (outcome.code, outcome.out, outcome.err) == (0, f"{coded}: whole\n", "")


def test_verify_tells_which_of_several_files_failed(run: Run, coded: Path) -> None:
    Path("bad.xb").write_bytes(coded.read_bytes()[:-1])
    outcome = run("verify", "pair.xb", "bad.xb", "gone.xb")
    assert outcome.code == 1
    assert outcome.out == "pair.xb: whole\n"
    complaints = outcome.err.splitlines()
    assert [line.split(": ")[1] for line in complaints] == ["bad.xb", "gone.xb"]
    facts = run("verify", "--json", "pair.xb", "bad.xb", "gone.xb").json
    assert [one["ok"] for one in facts["files"]] == [True, False, False]
    assert (facts["ok"], facts["failed"]) == (1, 2)


def test_verify_of_damaged_files_alone_says_that_nothing_could_be_done(
    run: Run, coded: Path
) -> None:
    Path("bad.xb").write_bytes(coded.read_bytes()[:-1])
    assert run("verify", "bad.xb").code == 3
    assert run("verify", "bad.xb", "gone.xb").code == 3


def test_verify_reads_standard_input_once(run: Run, coded: Path) -> None:
    outcome = run("verify", "-", stdin=coded.read_bytes())
    assert (outcome.code, outcome.out) == (0, "standard input: whole\n")
    assert run("verify", "-", "-").code == 2


def test_models_are_listed_and_shown(run: Run) -> None:
    listed = run("models", "list")
    assert listed.code == 0
    assert "base" in listed.out
    (model,) = run("models", "list", "--json").json["models"]
    assert model["name"] == "base"
    assert run("models", "show", "base", "--json").json == model
    shown = run("models", "show", "base")
    assert all(key in shown.out for key in model["metadata"])


def test_a_model_that_is_not_here_is_wrong_usage(run: Run) -> None:
    outcome = run("models", "show", "bsae")
    assert outcome.code == 2
    assert "base" in outcome.complaint


def test_version_is_the_packages(run: Run) -> None:
    outcome = run("--version")
    assert (outcome.code, outcome.out) == (0, f"crossband {crossband.__version__}\n")


def test_a_misspelt_command_gets_a_suggestion(run: Run) -> None:
    outcome = run("encod", "a", "b")
    assert outcome.code == 2
    assert "encode" in outcome.complaint


def test_the_shell_completes_commands(coded: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "crossband"],
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "PYTHONPATH": SOURCE,
            "_CROSSBAND_COMPLETE": "complete_bash",
            "COMP_WORDS": "crossband ver",
            "COMP_CWORD": "1",
        },
    )
    assert done.stdout.split() == ["verify"]


@pytest.mark.parametrize("factor", [1, 257])
def test_8_bit_data_in_16_bit_samples_are_told(run: Run, factor: int) -> None:
    samples = np.arange(256, dtype=np.uint16).reshape(16, 16) * np.uint16(factor)
    write(Raster(samples), "wide.png")
    words = ("encode", "--infrared-only", "wide.png", "-o", "a.xb", "--force")
    for more in ((), ("--lossless",)):
        assert "samples of 16 bits that hold 8-bit data" in run(*words, *more).complaint
    (picture,) = run("info", "a.xb", "--json").json["pictures"]
    assert (picture["bit_depth"], picture["effective_bit_depth"]) == (16, 8)
    assert f"16 bits (0-{255 * factor}, 8 effective)" in run("info", "a.xb").out


def test_counts_are_no_8_bit_data_however_few_they_are(run: Run) -> None:
    samples = np.arange(7_000, 7_064, dtype=np.uint16).reshape(8, 8)
    write(Raster(samples), "counts.png")
    made = run("encode", "--infrared-only", "counts.png", "--lossless", "-o", "a.xb")
    assert made.err == ""
    assert "(7000-7063, 13 effective)" in run("info", "a.xb").out


def test_rounded_samples_are_no_less_deep_for_it(run: Run) -> None:
    rows, columns = np.mgrid[0:64, 0:80]
    smooth = 128 + 60 * np.sin(rows / 9) + 60 * np.cos(columns / 7)
    write(Raster(smooth.astype(np.uint8)), "smooth.png")
    run("encode", "--infrared-only", "smooth.png", "--max-error", "20", "-o", "a.xb")
    (picture,) = run("info", "a.xb", "--json").json["pictures"]
    assert (picture["max_error"], picture["step"]) == (20, 41)
    assert picture["effective_bit_depth"] == 8
    assert "within 20 counts (one value every 41 counts)" in run("info", "a.xb").out
