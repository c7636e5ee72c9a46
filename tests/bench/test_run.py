# SPDX-License-Identifier: Apache-2.0
"""Runs: rows on disk, through files and another process, once each."""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from crossband import datasets
from crossband.bench import alone, coders
from crossband.bench.crossband_modes import CrossbandCoder, Mode
from crossband.bench.memory import watch_peak
from crossband.bench.pair_coder import PairCoder
from crossband.bench.rows import LOSSLESS_DB, Row, RowFile, read_rows
from crossband.bench.run import Progress, Task, run
from crossband.errors import InputError, OutputError
from crossband.pair import Modality, Pair, Raster


@pytest.fixture
def tasks(tmp_path: Path) -> list[Task]:
    rows, columns = np.mgrid[0:48, 0:56]
    shades = (90 + 50 * np.sin(rows / 8) + 40 * np.cos(columns / 6)).astype(np.uint8)
    for folder, samples in (
        ("visible", np.stack([shades, shades // 2, 255 - shades], axis=2)),
        ("infrared", shades.T.copy()),
    ):
        (tmp_path / folder).mkdir()
        for name in "ab":
            Image.fromarray(samples).save(tmp_path / folder / f"{name}.png")
    return [Task("folder", path) for path in datasets.find("folder").pairs(tmp_path)]


COPY = (
    f"{sys.executable} -S -c 'import shutil, sys; shutil.copy(*sys.argv[1:3])' {{input}} {{output}}"
)
"""Half of a codec that stores PNG."""


ROW = Row(
    dataset="folder",
    image="a",
    input="0123456789abcdef",
    codec="webp",
    version="1",
    settings="",
    pixel_format="rgb24 | gray",
    quality=1.0,
    pixels_visible=100,
    pixels_infrared=100,
    bytes_visible=50,
    bytes_infrared=25,
    bpp=6.0,
    psnr_visible=30.0,
    psnr_infrared=None,
    msssim_visible=None,
    msssim_infrared=None,
    encode_s=0.5,
    decode_s=0.25,
)


def external(name: str, encode: str = COPY, decode: str = COPY) -> PairCoder:
    """Two commands; a script in them gets the files and the quality as `sys.argv[1:]`."""
    return coders.find(f"{name}={encode} {{quality}} ::: {decode}")


def script(tmp_path: Path, program: str) -> str:
    """A command that runs a Python program, then copies its first file to the second."""
    path = tmp_path / f"{len(list(tmp_path.iterdir()))}.py"
    path.write_text(f"import os, shutil, signal, sys, time\n{program}\nshutil.copy(*sys.argv[1:3])")
    return f"{sys.executable} -S {path} {{input}} {{output}}"


def test_a_run_writes_one_row_a_point_and_counts_file_bytes(
    tasks: list[Task], tmp_path: Path
) -> None:
    seen: list[Progress] = []
    output = tmp_path / "rows.jsonl"
    grid = {"jpeg": (10.0, 90.0), "webp": (50.0,)}
    chosen = [coders.find("jpeg"), coders.find("webp")]
    summary = run(tasks, chosen, output, qualities=grid, report=seen.append)
    assert (summary.measured, summary.kept, summary.failures) == (6, 0, ())
    assert [progress.done for progress in seen] == [1, 2, 3, 4, 5, 6]
    assert {progress.total for progress in seen} == {6}
    rows = read_rows(output)
    low, high = rows[0], rows[1]
    assert (low.image, low.codec, low.quality) == ("a", "jpeg", 10)
    assert low.bpp < high.bpp
    assert low.psnr_visible is not None and high.psnr_visible is not None
    assert 20 < low.psnr_visible < high.psnr_visible < LOSSLESS_DB
    assert (low.pixels_visible, low.pixels_infrared) == (48 * 56, 56 * 48)
    pair_bytes = (low.bytes_visible or 0) + (low.bytes_infrared or 0)
    assert low.bpp == pytest.approx(8 * pair_bytes / (48 * 56), abs=1e-5)
    assert low.msssim_visible is None  # 48 pixels are too few
    assert low.ssim_visible is not None and low.ssim_infrared is not None
    assert low.encode_s > 0 and low.decode_s > 0
    assert [(row.codec, row.image) for row in rows] == [
        *[("jpeg", "a")] * 2,
        *[("jpeg", "b")] * 2,
        ("webp", "a"),
        ("webp", "b"),
    ]


HOLD_64_MIB = "held = bytearray(b'1') * 2**26"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells peak memory")
@pytest.mark.parametrize("hungry", ["encode", "decode"])
def test_a_row_has_the_memory_of_the_program_that_coded(
    tasks: list[Task], tmp_path: Path, hungry: str
) -> None:
    heavy = script(tmp_path, HOLD_64_MIB)
    chosen = [external("heavy", **{hungry: heavy}), external("light")]
    run(tasks[:1], chosen, tmp_path / "rows.jsonl", qualities={"heavy": (1.0,), "light": (1.0,)})
    heavy_row, light_row = read_rows(tmp_path / "rows.jsonl")
    peaks = [
        (row.encode_peak_bytes, row.decode_peak_bytes)[hungry == "decode"]
        for row in (heavy_row, light_row)
    ]
    assert peaks[0] is not None and peaks[1] is not None
    assert 2**26 < peaks[0] < 2**28
    # The codec after it starts anew.
    assert peaks[1] < peaks[0]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells peak memory")
def test_the_peak_of_work_is_not_that_of_work_before() -> None:
    first = watch_peak()
    held = bytearray(b"1") * 2**27
    before = first()
    del held
    second = watch_peak()
    after = second()
    if before is None or after is None:
        pytest.skip("this system does not let a process start its peak anew")
    assert before - after > 2**26


def test_a_stopped_run_goes_on_where_it_was(tasks: list[Task], tmp_path: Path) -> None:
    output = tmp_path / "rows.jsonl"
    grid = {"jpeg": (10.0, 90.0)}
    run(tasks[:1], [coders.find("jpeg")], output, qualities=grid)
    before = output.read_text()
    output.write_text(before + before.splitlines()[0][:50])  # killed within a line
    summary = run(tasks, [coders.find("jpeg")], output, qualities=grid)
    assert (summary.measured, summary.kept) == (2, 2)
    assert output.read_text().startswith(before)
    assert len({row.key for row in read_rows(output)}) == 4


def test_jobs_give_the_same_rows_without_seconds(tasks: list[Task], tmp_path: Path) -> None:
    grid = {"webp": (5.0, 50.0)}
    outputs = [tmp_path / "one.jsonl", tmp_path / "two.jsonl"]
    for jobs, output in enumerate(outputs, 1):
        run(tasks[:1], [coders.find("webp")], output, qualities=grid, jobs=jobs)
    one, two = ({row.key: row for row in read_rows(output)} for output in outputs)
    untold = {"encode_peak_bytes": None, "decode_peak_bytes": None}
    assert {key: replace(row, **untold) for key, row in two.items()} == {
        key: replace(row, encode_s=None, decode_s=None, **untold) for key, row in one.items()
    }
    again = run(tasks[:1], [coders.find("webp")], outputs[0], qualities=grid, jobs=2)
    assert (again.measured, again.kept) == (0, 2)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps no benches apart")
def test_timing_is_alone_in_one_thread_and_measures_other_rows_again(
    tasks: list[Task], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alone, "lock_path", lambda: tmp_path / "lock")
    told = tmp_path / "threads"
    tell = f"open({str(told)!r}, 'w').write(os.environ['OMP_NUM_THREADS'])"
    coder, output = [external("one", script(tmp_path, tell))], tmp_path / "rows.jsonl"
    grid = {"one": (1.0,)}
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    run(tasks[:1], coder, output, qualities=grid)
    assert (told.read_text(), read_rows(output)[0].threads) == ("7", None)
    first = run(tasks[:1], coder, output, qualities=grid, timing=True)
    (row,) = read_rows(output)
    assert (told.read_text(), row.threads, first.measured) == ("1", 1, 1)
    assert row.encode_s is not None and row.decode_s is not None
    again = run(tasks[:1], coder, output, qualities=grid, timing=True)
    assert (again.measured, again.kept) == (0, 1)
    with alone.machine(alone=False), pytest.raises(InputError, match="another bench is running"):
        run(tasks[:1], coder, output, qualities=grid, timing=True)


def test_jobs_run_at_once(tasks: list[Task], tmp_path: Path) -> None:
    # An encoder waits until another one has begun, and is stopped where there is none.
    meet = """
marks = os.path.join(os.path.dirname(__file__), "marks")
os.makedirs(marks, exist_ok=True)
os.mkdir(os.path.join(marks, str(os.getpid())))
while len(os.listdir(marks)) < 2:
    time.sleep(0.01)
"""
    both = external("both", script(tmp_path, meet))
    summary = run(
        tasks, [both], tmp_path / "rows.jsonl", qualities={"both": (1.0,)}, limit_s=5, jobs=2
    )
    assert (summary.measured, summary.failures) == (2, ())


def test_a_changed_picture_is_measured_again(tasks: list[Task], tmp_path: Path) -> None:
    output = tmp_path / "rows.jsonl"
    grid = {"jpeg": (10.0,)}
    run(tasks[:1], [coders.find("jpeg")], output, qualities=grid)
    visible = tasks[0].path.visible
    assert visible is not None
    Image.new("RGB", (56, 48), (9, 9, 9)).save(visible)
    assert run(tasks[:1], [coders.find("jpeg")], output, qualities=grid).measured == 1


@pytest.mark.parametrize(
    ("encode", "decode", "message"),
    [
        ("sys.exit('too cold')", "", "folder/a jpg 10: PYTHON ended with code 1: too cold"),
        ("", "sys.exit('too hot')", "jpg could not decode its own files: PYTHON ended .*too hot"),
        ("sys.exit()", "", "ended well but left nothing"),
        ("", "time.sleep(60)", "decoding took more than 3 s and was stopped; see"),
        # What a C library does in the codec's own process
        ("os.kill(os.getppid(), signal.SIGSTOP)", "", "encoding took more than 3 s"),
        ("os.kill(os.getppid(), signal.SIGSEGV)", "", "encoding ended its process with SIGSEGV"),
        ("", "os.kill(os.getppid(), signal.SIGABRT)", "decoding ended its process with SIGABRT"),
    ],
    ids=[
        "encoder-refuses",
        "decoder-refuses",
        "no-file",
        "decoder-hangs",
        "encoding-process-hangs",
        "encoding-process-crashes",
        "decoding-process-crashes",
    ],
)
def test_a_codec_that_fails_hangs_or_crashes_is_told_and_the_run_goes_on(
    tasks: list[Task], tmp_path: Path, encode: str, decode: str, message: str
) -> None:
    # Only once: the point after it gets a new process where one is needed.
    once = "if not os.path.exists(f'{__file__}.ran'): open(f'{__file__}.ran', 'w').close(); "
    bad = external(
        "jpg",
        script(tmp_path, f"{once}{encode or 'pass'}"),
        script(tmp_path, f"{once}{decode or 'pass'}"),
    )
    output = tmp_path / "rows.jsonl"
    summary = run(tasks[:1], [bad], output, qualities={"jpg": (10.0, 20.0)}, limit_s=3)
    (failure,) = summary.failures
    assert re.search(message.replace("PYTHON", ".*"), failure)
    assert "\n" not in failure
    assert [row.quality for row in read_rows(output)] == [20]


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux which processes there are")
def test_what_a_stopped_encoder_started_is_ended_too(tasks: list[Task], tmp_path: Path) -> None:
    told = tmp_path / "pid"
    tell = f"open({str(told)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    run(
        tasks[:1],
        [external("slow", script(tmp_path, tell))],
        tmp_path / "rows.jsonl",
        qualities={"slow": (1.0,)},
        limit_s=3,
    )
    state = Path("/proc", told.read_text(), "stat")
    assert not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"


def test_two_commands_are_a_codec(tasks: list[Task], tmp_path: Path) -> None:
    output = tmp_path / "rows.jsonl"
    run(tasks[:1], [external("store")], output, qualities={"store": (7.0,)})
    (row,) = read_rows(output)
    assert (row.codec, row.psnr_visible, row.psnr_infrared) == ("store", LOSSLESS_DB, LOSSLESS_DB)
    assert row.version == f"{COPY} {{quality}} ::: {COPY}"
    assert row.settings == "quality=7"


def test_a_picture_that_cannot_be_read_is_told(tasks: list[Task], tmp_path: Path) -> None:
    visible = tasks[0].path.visible
    assert visible is not None
    visible.write_bytes(b"")
    output = tmp_path / "rows.jsonl"
    summary = run(tasks, [coders.find("webp")], output, qualities={"webp": (50.0,)})
    assert summary.measured == 1
    assert len(summary.failures) == 1
    assert "a.png" in summary.failures[0]


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda row: row[:50], "it is no whole JSON object"),
        (lambda row: b"\xff" + row[1:], "it is no whole JSON object"),
        (lambda row: b"", "it is no whole JSON object"),
        (lambda row: b"7", "it is no whole JSON object"),
        (lambda row: row.replace(b'"bpp"', b'"rate"'), "bpp, rate is missing or unknown"),
        (
            lambda row: row.replace(b'"quality":1.0', b'"quality":"1"'),
            "quality is '1'; it must be float",
        ),
        (
            lambda row: row.replace(b'"quality":1.0', b'"quality":NaN'),
            "quality is nan; it must be finite",
        ),
    ],
    ids=["cut", "no-text", "empty", "other-json", "other-fields", "other-type", "not-finite"],
)
def test_a_damaged_row_is_named_and_nothing_is_written(
    tasks: list[Task], tmp_path: Path, damage: Callable[[bytes], bytes], why: str
) -> None:
    path = tmp_path / "rows.jsonl"
    with contextlib.closing(RowFile(path)) as file:
        for quality in (0.0, 1.0, 2.0):
            file.add(replace(ROW, quality=quality))
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([lines[0], damage(lines[1]), lines[2], b""]))
    before = path.read_bytes()
    with pytest.raises(InputError, match=rf"rows.jsonl: line 2 is damaged \({why}\); delete") as e:
        run(tasks, [coders.find("webp")], path, qualities={"webp": (50.0,)})
    assert "\n" not in str(e.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize("cut", [1, 30, 200])
def test_a_last_row_that_was_cut_is_taken_away(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "rows.jsonl"
    with contextlib.closing(RowFile(path)) as file:
        file.add(ROW)
        whole = path.read_bytes()
        file.add(replace(ROW, quality=2.0))
    path.write_bytes(path.read_bytes()[: len(whole) + cut])
    assert read_rows(path) == [ROW]
    with contextlib.closing(RowFile(path)) as file:
        assert path.read_bytes() == whole
        file.add(replace(ROW, quality=3.0))
    assert [row.quality for row in read_rows(path)] == [1, 3]


def test_a_last_row_without_its_line_end_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    with contextlib.closing(RowFile(path)) as file:
        file.add(ROW)
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    with contextlib.closing(RowFile(path)) as file:
        file.add(replace(ROW, quality=2.0))
    assert [row.quality for row in read_rows(path)] == [1, 2]


@pytest.mark.parametrize("name", ["absent/rows.jsonl", "visible"])
def test_an_output_that_cannot_be_written_is_told_before_anything_is_coded(
    tasks: list[Task], tmp_path: Path, name: str
) -> None:
    with pytest.raises((OutputError, InputError), match=r"cannot be (written|read): .* directory"):
        run(tasks, [external("store")], tmp_path / name, qualities={"store": (1.0,)})


def test_a_codec_that_is_not_installed_is_skipped_and_makes_no_output(
    tasks: list[Task], tmp_path: Path
) -> None:
    absent = external("absent", "no-such-program {input} {output}")
    summary = run(tasks, [absent], tmp_path / "rows.jsonl", qualities={"absent": (1.0,)})
    assert (summary.measured, summary.skipped) == (0, ("absent",))
    assert not (tmp_path / "rows.jsonl").exists()


def test_a_row_survives_its_file(tasks: list[Task], tmp_path: Path) -> None:
    output = tmp_path / "rows.jsonl"
    run(tasks[:1], [coders.find("jpeg")], output, qualities={"jpeg": (10.0,)})
    (row,) = read_rows(output)
    assert Row(**json.loads(output.read_text())) == row
    assert row.bpp == pytest.approx((row.bpp_visible or 0) + (row.bpp_infrared or 0), abs=1e-5)


def test_an_unknown_codec_is_told_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"no codec is called bpg; .*x265.*crossband-alone"):
        coders.find("bpg")


def test_a_name_after_an_at_sign_names_the_weights() -> None:
    coder = coders.find("crossband-alone@other")
    assert isinstance(coder, CrossbandCoder)
    assert (coder.name, coder.mode, coder.weights) == ("crossband-alone@other", Mode.ALONE, "other")


class Packing:
    """Stands where crossband's codec stands; a file tells what was asked for."""

    def encode(self, pair: Pair, *, quality: float, order: str, effort: int) -> bytes:
        held = [each.value for each in Modality if pair.get(each) is not None]
        first, size = ("infrared" if order == "infrared-first" else "visible"), 25 * len(held)
        return f"{first[:3]} {'+'.join(held)}".ljust(size)[:size].encode()


@pytest.mark.parametrize(
    ("mode", "files", "bytes_visible", "bytes_infrared"),
    [
        (Mode.JOINT, ["inf visible+infrared"], 32, 18),
        (Mode.REVERSED, ["vis visible+infrared"], 32, 18),
        (Mode.ALONE, ["inf visible", "inf infrared"], 25, 25),
        (Mode.SLOW, ["inf visible+infrared"], 32, 18),
    ],
)
def test_crossband_is_asked_for_the_mode_and_every_byte_counts(
    monkeypatch: pytest.MonkeyPatch,
    mode: Mode,
    files: list[str],
    bytes_visible: int,
    bytes_infrared: int,
) -> None:
    # 27 bytes are the visible picture's, 13 the infrared one's, and 10 of the 50 nobody's.
    header = SimpleNamespace(
        picture_bytes=lambda modality: 27 if modality is Modality.VISIBLE else 13
    )
    monkeypatch.setattr("crossband.container.unpack", lambda data: header)
    monkeypatch.setattr("crossband.load", lambda name: Packing())
    pair = Pair(
        visible=Raster(np.zeros((4, 4, 3), np.uint8)), infrared=Raster(np.zeros((4, 4), np.uint8))
    )
    coded = CrossbandCoder("crossband", mode, f"packing {mode}").encode(pair, 50)
    assert [file.data.decode().strip() for file in coded.files] == files
    assert f"effort={8 if mode is Mode.SLOW else 5} " in coded.settings
    assert (coded.bytes_visible, coded.bytes_infrared) == (bytes_visible, bytes_infrared)
    assert coded.pixel_format == "rgb24 | gray"
