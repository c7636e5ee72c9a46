# SPDX-License-Identifier: Apache-2.0
"""Films on the command line: two recordings in, one file, and the recordings back."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import crossband
from crossband import Camera, Metadata, Modality, Pair, Raster, Writer
from crossband.cli.film_facts import FilmTally, FrameRow
from crossband.sources import open_bag, open_sink, read, read_bag, read_folder, read_video, write
from crossband.testing import synthetic_pair

Run = Callable[..., Any]
SOURCE = str(Path(crossband.__file__).parents[1])


def pairs(count: int = 5) -> list[Pair]:
    return [
        synthetic_pair(visible=(24, 32), infrared=(20, 28), infrared_bit_depth=14, seed=seed)
        for seed in range(count)
    ]


def write_folders(folder: Path, *, count: int = 5, silent: tuple[int, ...] = ()) -> list[Pair]:
    scene = pairs(count)
    for modality in Modality:
        (folder / modality.value).mkdir()
        for number, pair in enumerate(scene):
            if modality is Modality.INFRARED or number not in silent:
                write(pair.get(modality), folder / modality.value / f"{number:04d}.png")
    return scene


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """visible/ and infrared/ of five frames in the folder that commands run in."""
    write_folders(tmp_path)
    return tmp_path / "visible", tmp_path / "infrared"


@pytest.fixture
def coded_film(run: Run, folders: tuple[Path, Path]) -> Path:
    assert run("encode", *folders, "-o", "scene.xb").code == 0
    return Path("scene.xb")


def flipped(path: Path, number: int) -> Path:
    """A copy in which this frame is damaged."""
    data = bytearray(path.read_bytes())
    stored = list(crossband.open(io.BytesIO(bytes(data))).stored())
    data[stored[number].offset + 30] ^= 1
    damaged = path.with_name("damaged.xb")
    damaged.write_bytes(data)
    return damaged


def test_two_folders_become_a_film_and_folders_again(run: Run, coded_film: Path) -> None:
    outcome = run("decode", coded_film, "-o", ".")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == "scene.visible: 5 frames\nscene.infrared: 5 frames\n"
    for modality in Modality:
        back = list(read_folder(f"scene.{modality.value}", modality))
        assert [frame.name for frame in back] == [f"{n:06d}.png" for n in range(5)]
        for frame, pair in zip(back, pairs(), strict=True):
            assert frame.raster.equals(pair.get(modality))


def test_film_files_come_back_with_their_times(run: Run, tmp_path: Path) -> None:
    times = [0, 50_000, 90_000]
    for modality in Modality:
        first = pairs(1)[0].get(modality)
        path = tmp_path / f"{modality.value}.mkv"
        sink = open_sink(path, Camera.of(first, modality), format="ffv1")
        for number, (pair, at_us) in enumerate(zip(pairs(3), times, strict=True)):
            sink.write(pair.get(modality), number=number, timestamp_us=at_us)
        sink.close()
    outcome = run("encode", "visible.mkv", "infrared.mkv", "-o", "scene.xb")
    assert outcome.code == 0
    assert "matched nearest by time" in outcome.err
    with crossband.open("scene.xb") as film:
        assert film.timestamps_us == tuple(times)
    outcome = run("decode", "scene.xb", "-o", "out.mkv", "--json")
    assert outcome.json["pictures"]["visible"] == {"file": "out.visible.mkv", "frames": 3}
    for modality in Modality:
        back = list(read_video(f"out.{modality.value}.mkv", modality))
        assert [frame.timestamp_us for frame in back] == times
        for frame, pair in zip(back, pairs(3), strict=True):
            assert frame.raster.equals(pair.get(modality))
    assert run("decode", "scene.xb", "-o", "ir.mkv", "--only", "infrared").out.startswith("ir.mkv:")


def test_metadata_of_any_frame_is_said_to_be_left_out_once(run: Run, folders: Any) -> None:
    for number in (2, 3):
        raster = read(folders[1] / f"{number:04d}.png", Modality.INFRARED).raster
        told = replace(raster, metadata=Metadata(xmp=b"<x:xmpmeta/>"))
        write(told, folders[1] / f"{number:04d}.png", force=True)
    outcome = run("encode", *folders, "-o", "scene.xb", "--json")
    note = "the pictures' metadata is left out: films carry none"
    assert outcome.err.count(note) == outcome.json["notes"].count(note) == 1


def test_a_silent_camera_is_told_and_coded_as_missing(run: Run, tmp_path: Path) -> None:
    write_folders(tmp_path, silent=(1, 2))
    outcome = run("encode", "visible", "infrared", "-o", "scene.xb", "--json")
    assert "2 infrared pictures coded alone: visible camera silent" in outcome.err
    assert [camera["frames"] for camera in outcome.json["cameras"]] == [3, 5]
    table = run("info", "scene.xb").out.splitlines()[-4]
    assert table.split()[0] == "1" and table.split()[4] == "-"
    assert run("encode", "visible", "infrared", "-o", "a.xb", "--match", "strict").code == 3


def test_one_camera_makes_a_film_too(run: Run, folders: tuple[Path, Path]) -> None:
    assert run("encode", "--infrared-only", "infrared", "-o", "ir.xb", "--rate", 10).code == 0
    film = crossband.open("ir.xb")
    assert film.timestamps_us == (0, 100_000, 200_000, 300_000, 400_000)
    assert [camera.modality for camera in film.cameras] == [Modality.INFRARED]
    film.close()


def test_a_registration_is_in_every_frame_of_two_pictures(run: Run, tmp_path: Path) -> None:
    write_folders(tmp_path, silent=(1,))
    (tmp_path / "rig.json").write_text('{"homography": [[1, 0, 2], [0, 1, 0], [0, 0, 1]]}')
    outcome = run("encode", "visible", "infrared", "-o", "scene.xb", "--register", "rig.json")
    assert "  register  4 frames by a homography" in outcome.out
    table = run("info", "scene.xb").out.splitlines()[-5:]
    assert [line.endswith("given infrared, registered") for line in table] == [
        *(True, False, True, True, True)
    ]
    with crossband.open("scene.xb") as film:
        frames = [stored.frame for stored in film.stored()]
    assert len({each.pictures[-1].registration for each in frames}) == 2  # and None
    outcome = run("encode", "--infrared-only", "infrared", "-o", "a.xb", "--register", "auto")
    assert "--register is for two films" in outcome.complaint


def test_frames_are_decoded_by_number(run: Run, coded_film: Path) -> None:
    assert run("decode", coded_film, "-o", ".", "--frames", "1:3").code == 0
    assert sorted(one.name for one in Path("scene.visible").iterdir()) == [
        "000001.png",
        "000002.png",
    ]
    film = coded_film.read_bytes()
    piped = run("decode", "-", "-o", ".", "--frames", "3:", stdin=film)
    assert (piped.code, piped.out.splitlines()[0]) == (0, "stdin.visible: 2 frames")
    assert run("decode", "-", "-o", ".", "--force", "--frames", ":2", stdin=film).code == 0
    for wrong in ("3", "a:b", "3:3", "-1:"):
        assert run("decode", coded_film, "-o", ".", "--frames", wrong).code == 2
    assert "0:5" in run("decode", coded_film, "-o", ".", "--frames", "5:").complaint


def test_a_film_goes_through_standard_streams(run: Run, folders: tuple[Path, Path]) -> None:
    environment = {**os.environ, "PYTHONPATH": SOURCE}
    assert run("encode", *folders, "-o", "scene.xb").code == 0
    film = Path("scene.xb").read_bytes()
    assert run("info", "-", "--json", stdin=film).json["frames"] == 5
    assert run("verify", "-", stdin=film).code == 0
    done = subprocess.run(
        [sys.executable, "-m", "crossband", "info", "-"],
        input=film,
        capture_output=True,
        check=False,
        env=environment,
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_info_shows_a_line_for_each_frame_without_torch(run: Run, coded_film: Path) -> None:
    outcome = run("info", coded_film)
    lines = outcome.out.splitlines()
    assert lines[0].startswith("scene.xb: film of 5 frames, 0.167 s, ")
    assert [line.split()[0] for line in lines[-5:]] == ["0", "1", "2", "3", "4"]
    facts = run("info", coded_film, "--json").json
    assert facts["size_bytes"] == coded_film.stat().st_size
    assert (facts["complete"], len(facts["table"])) == (True, 5)
    program = (
        "import sys; from crossband.cli import main; code = main(['info', sys.argv[1]]);"
        " heavy = {'torch', 'PIL', 'rich', 'constriction', 'av'} & set(sys.modules);"
        " sys.exit(code or ' '.join(heavy) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(coded_film)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": SOURCE},
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_frames_between_key_frames_are_predicted(
    run: Run,
    folders: tuple[Path, Path],
    predicting: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("crossband.scenes._CUT", 2.0)  # these are five scenes
    command = ["encode", "visible", "infrared", "-o", "scene.xb", "--keyframe", "3", "--force"]
    assert run(*command).code == 0
    facts = run("info", "scene.xb", "--json").json
    assert [row["predicted"] for row in facts["table"]] == [False, True, True, False, True]
    assert (facts["key_frames"], facts["predictor_id"]) == (2, b"filming.".hex())
    lines = run("info", "scene.xb").out.splitlines()
    assert "between   66696c6d696e672e (" in lines[2] and "2 key frames" in lines[2]
    assert [line.split()[6] for line in lines[-5:]] == [
        *("key", "predicted", "predicted"),
        *("key", "predicted"),
    ]
    assert run("decode", "scene.xb", "-o", ".", "--frames", "2:5").code == 0
    assert sorted(path.name for path in Path("scene.visible").iterdir()) == [
        f"{number:06d}.png" for number in (2, 3, 4)
    ]
    assert run("verify", "scene.xb").code == 0
    for words in (["--film-model", "none"], ["--keyframe", "1"]):
        assert run(*command[:5], *words, "--force").code == 0
        assert run("info", "scene.xb", "--json").json["predictor_id"] is None


def test_info_draws_the_bytes_of_the_frames(run: Run, tmp_path: Path) -> None:
    rows = [
        FrameRow(n, n, n, size, 0, {}, Modality.INFRARED, False, n > 0)
        for n, size in enumerate((4000, 1000, 2000, 0))
    ]
    plot = FilmTally(rows=rows).plot()
    assert plot[0] == "       4,000 |#"
    assert plot[7] == "             |###"
    assert [line.count("#") for line in plot[:8]] == [1, 1, 1, 1, 2, 2, 3, 3]
    assert plot[8] == "           0 +----"
    many = FilmTally(rows=rows * 60).plot()
    assert "3.3 frames a column" in many[-1]
    assert max(map(len, many)) < 100


def test_a_damaged_frame_ends_decoding_or_is_skipped_by_name(run: Run, coded_film: Path) -> None:
    damaged = flipped(coded_film, 2)
    outcome = run("decode", damaged, "-o", ".")
    assert outcome.code == 3
    assert "frame 2 at byte" in outcome.complaint
    assert not Path("damaged.visible").exists()
    outcome = run("decode", damaged, "-o", ".", "--skip-damaged")
    assert outcome.code == 1
    assert "frame 2 at byte" in outcome.complaint and "skipped" in outcome.complaint
    names = sorted(one.name for one in Path("damaged.infrared").iterdir())
    assert names == [f"{n:06d}.png" for n in (0, 1, 3, 4)]
    assert run("decode", damaged, "-o", ".", "--frames", "3:", "--force").code == 0
    piped = run("decode", "-", "-o", ".", "--skip-damaged", stdin=damaged.read_bytes())
    assert (piped.code, piped.out.splitlines()[0]) == (1, "stdin.visible: 4 frames")
    outcome = run("verify", damaged, coded_film)
    assert outcome.code == 1
    assert outcome.complaint.startswith("crossband: damaged.xb: frame 2 at byte")


@pytest.mark.parametrize("how", ["file", "pipe"])
def test_a_film_that_broke_off_is_decoded_up_to_there(run: Run, coded_film: Path, how: str) -> None:
    cut = coded_film.read_bytes()[: -coded_film.stat().st_size // 3]
    Path("cut.xb").write_bytes(cut)
    name = "cut.xb" if how == "file" else "-"
    outcome = run("decode", name, "-o", ".", stdin=cut)
    assert outcome.code == 1
    assert "the film ended early" in outcome.complaint
    assert outcome.out.splitlines()[0].endswith(": 3 frames")
    assert run("verify", name, stdin=cut).code == 3
    outcome = run("info", name, stdin=cut)
    assert (outcome.code, "ended early" in outcome.out) == (0, True)


def test_an_input_that_breaks_midway_leaves_the_film_before_it(
    run: Run, folders: tuple[Path, Path]
) -> None:
    write(Raster(np.zeros((8, 8, 3), np.uint8)), folders[0] / "0003.png", force=True)
    outcome = run("encode", *folders, "-o", "scene.xb")
    assert outcome.code == 3
    assert "0003.png is 8x8" in outcome.complaint
    assert "scene.xb is a whole film of the 3 frames before it" in outcome.complaint
    assert run("verify", "scene.xb").code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["visible", "infrared", "-o", "a.xb", "--target-bytes", "99"], "at one quality"),
        (["visible", "infrared", "-o", "a.xb", "--tolerance", "0"], "--tolerance is 0"),
        (["visible", "infrared", "-o", "a.xb", "--rate", "0"], "--rate is 0"),
        (
            ["--infrared-only", "infrared", "-o", "a.xb", "--match", "strict"],
            "are for two recordings",
        ),
        (
            ["visible/0000.png", "infrared/0000.png", "-o", "a.xb", "--match", "strict"],
            "--match is for films",
        ),
    ],
)
def test_words_that_do_not_fit_films_are_wrong_usage(
    run: Run, folders: tuple[Path, Path], words: list[str], message: str
) -> None:
    outcome = run("encode", *words)
    assert (outcome.code, message in outcome.complaint) == (2, True), outcome.err
    assert not Path("a.xb").exists()


def test_a_film_and_a_picture_make_no_film(run: Run, folders: tuple[Path, Path]) -> None:
    outcome = run("encode", "visible", "infrared/0000.png", "-o", "a.xb")
    assert outcome.code == 3
    assert "visible is a film or folder and infrared/0000.png is not" in outcome.complaint
    assert not Path("a.xb").exists()


def test_outputs_that_do_not_fit_films_are_refused(run: Run, coded_film: Path) -> None:
    assert run("decode", coded_film, "-o", "-").code == 2
    assert "mkdir -p gone" in run("decode", coded_film, "-o", "gone").complaint
    assert run("decode", coded_film, "-o", "a.mkv", "--codec", "png").code == 2
    assert "x264 holds gray of 8 and 10 bits" in run("decode", coded_film, "-o", "a.mp4").complaint
    assert [one.name for one in Path().iterdir() if one.name.startswith((".", "a."))] == []


def test_options_of_films_are_wrong_usage_for_pairs(run: Run, coded: Path) -> None:
    for words in (
        ["--frames", "0:1"],
        ["--skip-damaged"],
        ["--codec", "ffv1"],
        ["--film-model", "x"],
    ):
        assert run("decode", coded, "-o", ".", *words).code == 2


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
def test_ctrl_c_leaves_a_whole_film_of_the_frames_so_far(tmp_path: Path) -> None:
    write_folders(tmp_path, count=60)
    program = (
        "import sys, time\n"
        "sys.path.insert(0, sys.argv.pop(1))\n"
        "import crossband\n"
        "from conftest import StoringCodec\n"
        "class Slow(StoringCodec):\n"
        "    def encode_frame(self, pair, **options):\n"
        "        time.sleep(0.05)\n"
        "        return super().encode_frame(pair, **options)\n"
        "crossband.load = lambda name='base': Slow()\n"
        "from crossband.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            program,
            str(Path(__file__).parent),
            "encode",
            "visible",
            "infrared",
            "-o",
            "scene.xb",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": SOURCE},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    path = tmp_path / "scene.xb"
    give_up = time.monotonic() + 60
    while (not path.exists() or path.stat().st_size < 5000) and time.monotonic() < give_up:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    film = crossband.open(path)
    assert 1 <= len(film) < 60
    assert film.ending is None
    assert f"scene.xb is a whole film of the {len(film)} frames so far" in err.splitlines()[-1]
    film.close()


def test_writer_and_command_make_the_same_film(run: Run, folders: tuple[Path, Path]) -> None:
    assert run("encode", *folders, "-o", "scene.xb").code == 0
    file = io.BytesIO()
    with Writer(file) as writer:
        for number, pair in enumerate(pairs()):
            writer.write(pair, timestamp_us=round(number * 1e6 / 30))
    assert file.getvalue() == Path("scene.xb").read_bytes()


# --- bags of ROS ----------------------------------------------------------------------------

BAG_TOPICS = {Modality.VISIBLE: "/rgb", Modality.INFRARED: "/thermal"}
NAMED = ("--visible-topic", "/rgb", "--infrared-topic", "/thermal")


def stamp_ns(number: int, modality: Modality) -> int:
    """30 frames a second, the infrared camera a little later, none on a whole microsecond."""
    late_ns = 4_000_321 if modality is Modality.INFRARED else 0
    return 1_700_000_000_123_456_789 + 33_333_333 * number + late_ns


def write_bag(name: str, count: int) -> list[Pair]:
    """A bag of so many small frames."""
    pytest.importorskip("rosbags", reason="needs rosbags: pip install rosbags")
    scene = [
        synthetic_pair(visible=(12, 16), infrared=(10, 14), infrared_bit_depth=16, seed=seed)
        for seed in range(count)
    ]
    cameras = [Camera.of(scene[0].get(modality), modality) for modality in Modality]
    sinks = open_bag(name, cameras, topics=BAG_TOPICS)
    for number, pair in enumerate(scene):
        for modality, sink in sinks.items():
            stamp_us, rest_ns = divmod(stamp_ns(number, modality), 1000)
            sink.write(pair.get(modality), number=number, timestamp_us=stamp_us, rest_ns=rest_ns)
    for sink in sinks.values():
        sink.close()
    return scene


@pytest.mark.parametrize(("source", "result"), [("a.bag", "b.mcap"), ("a.mcap", "b.bag")])
def test_a_bag_of_200_stamped_frames_comes_back_with_equal_stamps(
    run: Run, source: str, result: str
) -> None:
    scene = write_bag(source, 200)
    outcome = run("encode", source, *NAMED, "-o", "scene.xb", "--json")
    assert (outcome.code, outcome.json["frames"]) == (0, 200)
    assert "200 pairs" in outcome.err
    outcome = run("decode", "scene.xb", "-o", result, *NAMED)
    assert outcome.code == 0
    assert outcome.out == f"{result}: 200 frames of /rgb\n{result}: 200 frames of /thermal\n"
    for recording in read_bag(result, BAG_TOPICS):
        modality = recording.camera.modality
        back = list(recording)
        assert [each.stamp_ns for each in back] == [stamp_ns(n, modality) for n in range(200)]
        for each, pair in zip(back, scene, strict=True):
            assert np.array_equal(each.raster.samples, pair.get(modality).samples)


def test_one_topic_of_a_bag_makes_a_film_too(run: Run) -> None:
    write_bag("a.bag", 3)
    words = ("encode", "a.bag", "--infrared-topic", "/thermal", "-o", "ir.xb", "--json")
    assert [each["modality"] for each in run(*words).json["cameras"]] == ["infrared"]
    assert run("decode", "ir.xb", "-o", "ir.bag").out == "ir.bag: 3 frames of /infrared/image_raw\n"


def test_a_bag_to_other_formats_and_back_keeps_its_frames(run: Run) -> None:
    write_bag("a.bag", 3)
    assert run("encode", "a.bag", *NAMED, "-o", "scene.xb").code == 0
    assert run("decode", "scene.xb", "-o", ".", "--codec", "png").code == 0
    assert len(list(Path("scene.infrared").iterdir())) == 3


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        (("a.bag",), 3, "name its topics with --visible-topic"),
        (("a.bag", "--visible-topic", "/rgb", "--infrared-topic", "/rgb"), 2, "cannot be both"),
        (("a.bag", *NAMED, "--rate", 30), 2, "--rate is for folders"),
        (("a.bag", "a.bag", *NAMED), 2, "name it alone"),
        (("--radiometric", "a.jpg", *NAMED), 2, "are for a bag of ROS"),
        (("a.bag", *NAMED, "--lossless"), 2, "films have no --lossless"),
        (("a.bag", "--visible-topic", "/rgb", "--infrared-topic", "/ir"), 3, "/ir is not there"),
    ],
)
def test_words_for_bags_that_do_not_fit_together(
    run: Run, words: tuple[Any, ...], code: int, complaint: str
) -> None:
    write_bag("a.bag", 2)
    outcome = run("encode", *words, "-o", "scene.xb")
    assert outcome.code == code
    assert complaint in outcome.complaint
    assert not Path("scene.xb").exists()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("-o", ".", *NAMED), "are for bags"),
        (("-o", "b.bag", "--codec", "png"), "--codec is for films and folders"),
    ],
)
def test_words_for_decoding_to_bags_that_do_not_fit_together(
    run: Run, coded_film: Path, words: tuple[str, ...], complaint: str
) -> None:
    outcome = run("decode", coded_film, *words)
    assert outcome.code == 2
    assert complaint in outcome.complaint
