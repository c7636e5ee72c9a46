# SPDX-License-Identifier: Apache-2.0
"""`crossband bench`: what it takes, what it prints, how it ends."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from crossband.bench import alone
from crossband.cli import bench, bench_rows, main
from crossband.cli.outcome import ExitCode, Interrupted, UsageError
from crossband.errors import InputError

SOURCE = Path(__file__).parent.parent.parent / "src"


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    rows, columns = np.mgrid[0:40, 0:48]
    shades = (90 + 50 * np.sin(rows / 8) + 40 * np.cos(columns / 6)).astype(np.uint8)
    for folder in ("visible", "infrared"):
        (tmp_path / folder).mkdir()
        Image.fromarray(shades).save(tmp_path / folder / "a.png")
    return tmp_path


def test_exit_codes_tell_what_a_run_did(pairs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = pairs / "rows.jsonl"
    words: dict[str, Any] = {"data": pairs, "output": output, "quality": ["jpeg=10"]}
    bad = "bad=false {input} {output} {quality} ::: true {input} {output}"
    assert bench.run(**words, codecs="jpeg") == ExitCode.DONE
    grids = ["bad=1", "jpeg=10"]
    some = bench.run(**{**words, "quality": grids}, codecs="jpeg", external=[bad])
    assert some == ExitCode.SOME_FAILED
    seen = capsys.readouterr()
    assert "0 rows measured, 1 kept, 1 failed" in seen.out
    assert seen.err == "crossband: folder/a bad 1: false ended with code 1: it said nothing\n"
    fresh = {**words, "quality": ["bad=1"], "output": pairs / "fresh.jsonl"}
    assert bench.run(**fresh, external=[bad]) == ExitCode.NOTHING_DONE


@pytest.mark.skipif(sys.platform == "win32", reason="kills as Unix does")
def test_a_run_that_was_killed_goes_on_and_leaves_no_process(pairs: Path) -> None:
    output, told = pairs / "rows.jsonl", pairs / "pids"
    program = pairs / "encode.py"
    program.write_text(
        "import os, shutil, sys, time\n"
        f"open({str(told)!r}, 'a').write(f'{{os.getppid()}}\\n')\n"
        "time.sleep(0.2)\nshutil.copy(*sys.argv[1:3])\n"
    )
    store = f"{sys.executable} -S {program} {{input}} {{output}}"
    words = ["--data", str(pairs), "-o", str(output), "--quality", "store=1,2,3,4"]
    words += ["--external", f"store={store} {{quality}} ::: {store}"]
    command = [sys.executable, "-m", "crossband", "bench", "run", *words]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    with subprocess.Popen(command, env=environment) as process:
        while not output.exists() or not output.read_bytes().endswith(b"\n"):
            time.sleep(0.01)
        process.kill()
    begun = output.read_bytes()
    assert 1 <= begun.count(b"\n") < 4
    assert main(["bench", "run", *words]) == ExitCode.DONE
    assert output.read_bytes().startswith(begun[: begun.rfind(b"\n") + 1])
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert [row["quality"] for row in rows] == [1, 2, 3, 4]
    # What coded for the killed run saw its end and ended too.
    until = time.monotonic() + 20
    while pids := [pid for pid in set(told.read_text().split()) if is_running(int(pid))]:
        assert time.monotonic() < until, pids
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def test_a_file_with_rows_is_refused_where_no_run_is_to_go_on(pairs: Path) -> None:
    output = pairs / "rows.jsonl"
    words: dict[str, Any] = {"data": pairs, "output": output, "quality": ["jpeg=10"]}
    assert bench.run(**words, codecs="jpeg", resume=False) == ExitCode.DONE
    before = output.read_bytes()
    with pytest.raises(UsageError, match=r"has 1 rows already; go on with them \(--resume\)"):
        bench.run(**words, codecs="jpeg", resume=False)
    assert output.read_bytes() == before
    assert bench.run(**words, codecs="jpeg", resume=True) == ExitCode.DONE


def test_timings_beside_other_work_are_told(
    pairs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(alone, "lock_path", lambda: pairs / "lock")
    monkeypatch.setattr(alone, "load", lambda: 3.25)
    words: dict[str, Any] = {"codecs": "jpeg", "quality": ["jpeg=10"], "timing": True}
    assert bench.run(data=pairs, output=pairs / "r.jsonl", **words) == ExitCode.DONE
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("crossband: other work runs on this machine (load 3.2)")


@pytest.mark.parametrize("emptied", ["visible/a.png infrared/a.png", "all"])
def test_a_data_set_without_a_pair_is_one_line(
    pairs: Path, emptied: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in "visible/a.png", "infrared/a.png":
        (pairs / name).unlink()
    if emptied == "all":
        (pairs / "visible").rmdir()
        (pairs / "infrared").rmdir()
    output = pairs / "rows.jsonl"
    words = ["--data", str(pairs), "--codecs", "jpeg", "-o", str(output)]
    assert main(["bench", "run", *words]) == ExitCode.NOTHING_DONE
    (line,) = capsys.readouterr().err.splitlines()
    assert str(pairs) in line
    assert not output.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="opens a terminal as Unix has it")
def test_a_terminal_shows_progress_with_the_time_left(pairs: Path) -> None:
    import pty

    outer, inner = pty.openpty()
    words = ["--data", str(pairs), "--codecs", "jpeg", "-o", str(pairs / "rows.jsonl")]
    command = [sys.executable, "-m", "crossband", "bench", "run", *words]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "PYTHONPATH": str(SOURCE)}
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=inner, env=environment
    ) as process:
        os.close(inner)
        shown = b""
        with contextlib.suppress(OSError):  # the other end closes
            while chunk := os.read(outer, 4096):
                shown += chunk
    os.close(outer)
    assert process.returncode == 0
    assert re.search(rb"[1-7]/7", shown)
    assert re.search(rb"\d:\d\d:\d\d", shown), "no time left"
    assert b"folder/a jpeg" in shown


def test_ctrl_c_tells_where_the_rows_are(pairs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(progress: object) -> None:
        raise KeyboardInterrupt

    @contextlib.contextmanager
    def progress() -> Iterator[Callable[[object], None]]:
        yield interrupt

    monkeypatch.setattr(bench, "bench_progress", progress)
    output = pairs / "rows.jsonl"
    with pytest.raises(Interrupted, match=r"rows.jsonl keeps every row, the same command goes on"):
        bench.run(data=pairs, codecs="jpeg", output=output, quality=["jpeg=10,60"])
    assert len(output.read_text().splitlines()) == 1


def test_run_writes_rows_that_table_reads(pairs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("bjontegaard", reason="needs bjontegaard: pip install crossband[bench]")
    output = pairs / "rows.jsonl"
    grids = ["jpeg=10,30,60", "webp=5,40,80"]
    assert bench.run(data=pairs, codecs="jpeg,webp", output=output, quality=grids) == ExitCode.DONE
    assert "6 rows measured, 0 kept, 0 failed" in capsys.readouterr().out
    assert bench.table([output], against="jpeg", points=True) == ExitCode.DONE
    out = capsys.readouterr().out
    assert "| folder | 1 | webp | " in out
    assert out.count("| folder | webp | ") == 3
    assert bench.table([output], against="jpeg", json=True) == ExitCode.DONE
    found = json.loads(capsys.readouterr().out)
    lines = found["lines"]
    assert (found["bootstrap"], lines[1]["visible_interval"]) == (0, None)
    assert [line["codec"] for line in lines] == ["jpeg", "webp"]
    assert lines[0]["pair"] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"codecs": "bpg"}, "no codec is called bpg"),
        ({"codecs": None}, "name some with --codecs or --external"),
        ({"external": ["mine=enc {input} {output} {quality}"]}, "has no ' ::: '; write it as"),
        ({"external": ["mine=enc {input} {output} ::: dec {input}"]}, r"lacks \{quality\};"),
        ({"external": ["mine=e {input}{output}{quality} ::: d {input}"]}, r"lacks \{output\};"),
        ({"external": ["mine=e '{input}{output}{quality} ::: d {input}{output}"]}, "no words: "),
        ({"external": ["a,b=e {input}{output}{quality} ::: d {input}{output}"]}, "a name is"),
        ({"external": ["webp=e {input}{output}{quality} ::: d {input}{output}"]}, "is taken"),
        ({"external": ["mine=cp {input}{output}{quality} ::: cp {input}{output}"]}, "no grid of"),
        ({"quality": ["webp=40"]}, "webp is not among jpeg"),
        ({"quality": ["jpeg=high"]}, "write it as jpeg=20,40,60"),
        ({"images": "a,b"}, "b is not in folder"),
        ({"timing": True, "jobs": 2}, "what runs beside other work is no timing"),
        ({"sets": ["nyuv2"]}, "no data set is called nyuv2"),
        ({"sets": ["msrs:test:none"]}, "is no selection"),
        ({"sets": ["msrs:best"]}, "no split is called best"),
        ({"sets": ["msrs"]}, "has no test pair of msrs"),
    ],
)
def test_words_that_do_not_fit_are_told_before_anything_is_measured(
    pairs: Path, words: dict[str, object], message: str
) -> None:
    output = pairs / "rows.jsonl"
    with pytest.raises((UsageError, InputError), match=message):
        bench.run(**{"data": pairs, "codecs": "jpeg", "output": output, **words})  # type: ignore[arg-type]
    assert not output.exists()


@pytest.mark.parametrize("text", ["28", "37:28", "low:high"])
def test_a_range_that_is_none_is_told(pairs: Path, text: str) -> None:
    output = pairs / "rows.jsonl"
    bench.run(data=pairs, codecs="jpeg", output=output, quality=["jpeg=10,60"])
    with pytest.raises(UsageError, match="--psnr is"):
        bench.table([output], against="jpeg", psnr=text)


@pytest.mark.parametrize("name", ["bjontegaard", "scipy"])
def test_a_table_without_its_packages_is_one_line_with_what_brings_them(
    name: str, pairs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench_rows, "find_spec", lambda each: None if each == name else True)
    assert main(["bench", "table", str(pairs / "rows.jsonl")]) == ExitCode.NOTHING_DONE
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"crossband: {name} is not installed: pip install 'crossband[bench]'"


def test_a_file_of_rows_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        bench.table([tmp_path / "rows.jsonl"])
