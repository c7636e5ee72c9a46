# SPDX-License-Identifier: Apache-2.0
"""Films from Python: what is written comes back frame by frame, however the writing ended."""

from __future__ import annotations

import errno
import io
from collections.abc import Callable
from pathlib import Path

import pytest

import crossband
from crossband import Camera, Clip, CorruptStream, Film, MissingPicture, Modality, Pair, Writer
from crossband.codec import Codec
from crossband.errors import OutputError, PictureError, SourceError
from crossband.homography import Homography
from crossband.pair import Raster
from crossband.registration import Estimate
from crossband.testing import synthetic_pair


def pair(seed: int = 0, *, visible: bool = True, infrared: bool = True) -> Pair:
    return synthetic_pair(
        visible=(32, 48) if visible else None,
        infrared=(24, 40) if infrared else None,
        seed=seed,
        infrared_bit_depth=14,
    )


@pytest.fixture(scope="module")
def scene() -> list[Pair]:
    """Four frames; the third lacks its visible picture."""
    return [pair(0), pair(1), pair(2, visible=False), pair(3)]


@pytest.fixture(scope="module")
def recorded(
    scene: list[Pair], tiny_codec: Codec, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    path = tmp_path_factory.mktemp("film") / "scene.xb"
    with Writer(path, quality=70, codec=tiny_codec) as writer:
        for number, one in enumerate(scene):
            writer.write(one, timestamp_us=100_000 + 40_000 * number)
    return path


@pytest.fixture
def film(recorded: Path, tiny_codec: Codec) -> Film:
    with crossband.open(recorded, codec=tiny_codec) as film:
        yield film


def decoded(codec: Codec, one: Pair) -> Pair:
    """What coding a pair of its own gives."""
    return codec.decode(codec.encode(one, quality=70))


def test_a_frame_is_what_coding_its_pair_alone_gives(film, scene, tiny_codec):
    assert len(film) == 4
    assert film.timestamps_us == (100_000, 140_000, 180_000, 220_000)
    for number in (3, 0, 2):
        assert film[number].equals(decoded(tiny_codec, scene[number]))
    assert film[-1].equals(film[3])
    assert film[2].visible is None


def test_a_registration_is_looked_for_until_found_and_then_kept(tiny_codec, monkeypatch):
    found = Homography((-300, 0) * 4)
    looked: list[Estimate] = []

    def estimate(visible: Raster, infrared: Raster) -> Estimate:
        homography = found if len(looked) == 1 else None
        looked.append(Estimate(homography, 0.1, 0.3, 9.0, "" if homography else "no edges"))
        return looked[-1]

    monkeypatch.setattr("crossband.registration.estimate", estimate)
    file = io.BytesIO()
    with Writer(file, codec=tiny_codec, effort=1, keyframe=2, registration="auto") as writer:
        for number in range(6):
            writer.write(pair(number))
    with crossband.open(file, codec=tiny_codec) as film:
        frames = [stored.frame for stored in film.stored()]
        assert [each.pictures[1].registration for each in frames] == [None, None, *[found] * 4]
        assert len(looked) == 2
        assert film[5].visible is not None


def test_films_are_sliced_and_walked_through(film, scene, tiny_codec):
    part = film[1:3]
    assert isinstance(part, Film)
    assert (len(part), part.timestamps_us) == (2, (140_000, 180_000))
    assert [
        one.equals(decoded(tiny_codec, other)) for one, other in zip(part, scene[1:3], strict=True)
    ] == [
        True,
        True,
    ]
    clip = film[2:].clip()
    assert isinstance(clip, Clip)
    assert clip.timestamps_us == (180_000, 220_000)
    with pytest.raises(IndexError, match="frame 4 of 4"):
        film[4]


def test_one_frame_is_read_without_the_others(recorded, scene, tiny_codec):
    data = bytearray(recorded.read_bytes())
    places = [event.offset for event in crossband.open(io.BytesIO(bytes(data))).stored()]
    for number in (0, 1, 2):
        data[places[number] + 9] ^= 0xFF
    film = crossband.open(io.BytesIO(bytes(data)), codec=tiny_codec)
    assert film[3].equals(decoded(tiny_codec, scene[3]))
    with pytest.raises(CorruptStream, match=f"frame 1 at byte {places[1]:,} is damaged"):
        film[1]


def test_a_damaged_frame_is_skipped_on_request(recorded, tiny_codec):
    data = bytearray(recorded.read_bytes())
    film = crossband.open(io.BytesIO(bytes(data)))
    data[list(film.stored())[1].offset + 20] ^= 1
    film = crossband.open(io.BytesIO(bytes(data)), codec=tiny_codec)
    damages = []
    frames = list(film.frames(on_damage=damages.append))
    assert [frame.timestamp_us for frame in frames] == [100_000, 180_000, 220_000]
    assert [damage.number for damage in damages] == [1]
    with pytest.raises(CorruptStream, match="frame 1"):
        list(film)


def test_one_camera_can_be_decoded_alone(recorded, tiny_codec):
    film = crossband.open(recorded, only=Modality.VISIBLE, codec=tiny_codec)
    assert film[0].infrared is None and film[0].visible is not None
    assert len(list(film)) == 3  # one frame has no visible picture
    with pytest.raises(MissingPicture, match="frame 2"):
        film[2]
    film.close()


def test_a_film_without_its_end_is_scanned(recorded, tiny_codec):
    data = recorded.read_bytes()
    film = crossband.open(io.BytesIO(data))
    last = list(film.stored())[-1]
    cut = crossband.open(io.BytesIO(data[: last.offset + 30]), codec=tiny_codec)
    assert len(cut) == 3
    assert "ended early" in cut.ending
    assert film.ending is None
    assert cut[0].visible is not None


def test_frames_without_times_follow_at_the_given_rate(scene, tiny_codec):
    file = io.BytesIO()
    with Writer(file, frames_per_second=30, codec=tiny_codec) as writer:
        for _ in range(3):
            writer.write(scene[0])
        writer.write(scene[0], timestamp_us=500_000)
        writer.write(scene[0])
    assert crossband.open(file).timestamps_us == (0, 33_333, 66_666, 500_000, 533_333)


@pytest.mark.parametrize("error", [KeyboardInterrupt, PictureError("broken camera")])
def test_whatever_ends_the_writing_leaves_a_whole_film(tmp_path, scene, tiny_codec, error):
    path = tmp_path / "scene.xb"
    with pytest.raises((KeyboardInterrupt, PictureError)), Writer(path, codec=tiny_codec) as writer:
        writer.write(scene[0])
        raise error
    film = crossband.open(path)
    assert (len(film), film.ending) == (1, None)
    film.close()


def test_a_full_disk_leaves_the_frames_before_it(tmp_path, scene, tiny_codec, monkeypatch):
    path = tmp_path / "scene.xb"
    writer = Writer(path, codec=tiny_codec)
    writer.write(scene[0])
    size_bytes = path.stat().st_size
    file = writer._file

    class Full:
        """Takes ten bytes more."""

        def write(self, data) -> int:
            if file.tell() > size_bytes:
                raise OSError(errno.ENOSPC, "No space left on device")
            return file.write(data[:10])

        def __getattr__(self, name):
            return getattr(file, name)

    writer._file = writer._writer._file = Full()
    with pytest.raises(OutputError, match=r"scene\.xb: cannot be written \(No space.* after 1 fr"):
        writer.write(scene[1])
    assert path.stat().st_size == size_bytes
    with pytest.raises(PictureError, match="closed"):
        writer.write(scene[1])
    writer.close()
    film = crossband.open(path)
    assert len(film) == 1
    film.close()


def test_a_film_without_frames_is_no_file(tmp_path, tiny_codec):
    path = tmp_path / "scene.xb"
    with pytest.raises(PictureError, match="no frame"), Writer(path, codec=tiny_codec):
        pass
    with pytest.raises(KeyboardInterrupt), Writer(path, codec=tiny_codec):
        raise KeyboardInterrupt
    assert not path.exists()


def test_an_old_file_stays_until_the_first_frame(tmp_path, scene, tiny_codec):
    path = tmp_path / "scene.xb"
    path.write_bytes(b"old")
    with pytest.raises(OutputError, match="exists"):
        Writer(path, codec=tiny_codec)
    writer = Writer(path, codec=tiny_codec, force=True)
    assert path.read_bytes() == b"old"
    writer.write(scene[0])
    writer.close()
    assert len(crossband.open(io.BytesIO(path.read_bytes()))) == 1


CASES: list[tuple[Callable[[Writer], None], str]] = [
    (lambda w: w.write(pair(), timestamp_us=0), "frame 1 is at 0 us, the one before at 0 us"),
    (lambda w: w.write(synthetic_pair(visible=(32, 49), infrared=None)), r"49x32.*film is 48x32"),
]


@pytest.mark.parametrize(("write", "message"), CASES)
def test_frames_that_do_not_belong_are_refused(tiny_codec, write, message):
    with Writer(io.BytesIO(), codec=tiny_codec) as writer:
        writer.write(pair(), timestamp_us=0)
        with pytest.raises(PictureError, match=message):
            write(writer)


def test_a_camera_that_comes_later_must_be_declared(scene, tiny_codec):
    with Writer(io.BytesIO(), codec=tiny_codec) as writer:
        writer.write(scene[2])
        with pytest.raises(PictureError, match=r"name both cameras.*cameras="):
            writer.write(scene[0])
    file = io.BytesIO()
    cameras = tuple(Camera.of(scene[0].get(each), each) for each in Modality)
    with Writer(file, cameras=cameras, codec=tiny_codec) as writer:
        writer.write(scene[2])
        writer.write(scene[0])
    assert crossband.open(file).cameras == cameras


def test_what_is_no_film_is_told(tmp_path, scene, tiny_codec):
    with pytest.raises(SourceError, match="cannot be read"):
        crossband.open(tmp_path / "gone.xb")
    (tmp_path / "pair.xb").write_bytes(tiny_codec.encode(scene[0]))
    with pytest.raises(CorruptStream, match="is no film"):
        crossband.open(tmp_path / "pair.xb")
    file = io.BytesIO()
    with Writer(file, codec=tiny_codec) as writer:
        writer.write(scene[0])
    with pytest.raises(CorruptStream, match=r"is a film.*crossband\.open"):
        crossband.info(file.getvalue())
