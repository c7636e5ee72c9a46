# SPDX-License-Identifier: Apache-2.0
"""A file is there whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from crossband.errors import OutputError
from crossband.sources import atomic_write, check_destination


def refused(path: Path, *, force: bool = False) -> str:
    """The one line with which writing is refused, before and while it happens."""
    with pytest.raises(OutputError) as early:
        check_destination(path, force=force)
    with pytest.raises(OutputError) as late:
        atomic_write(path, b"new", force=force)
    assert str(early.value) == str(late.value)
    assert "\n" not in str(late.value)
    assert str(path) in str(late.value)
    return str(late.value)


def test_what_is_written_is_there(tmp_path: Path) -> None:
    atomic_write(tmp_path / "a.bin", b"new")
    assert (tmp_path / "a.bin").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a.bin"]  # noqa: PTH208 - hidden files count too


def test_a_file_that_exists_is_replaced_only_on_request(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    assert "--force" in refused(path)
    assert path.read_bytes() == b"old"
    atomic_write(path, b"new", force=True)
    assert path.read_bytes() == b"new"


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    assert "mkdir -p" in refused(tmp_path / "no" / "where" / "a.bin")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert "is a folder" in refused(tmp_path, force=True)


def test_a_device_is_never_replaced() -> None:
    assert "device or pipe" in refused(Path("/dev/null"), force=True)


def test_a_link_stays_and_what_it_points_to_is_replaced(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"old")
    link.symlink_to(target)
    atomic_write(link, b"new", force=True)
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_permissions_are_those_of_any_new_file(tmp_path: Path) -> None:
    atomic_write(tmp_path / "a", b"")
    (tmp_path / "b").write_bytes(b"")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


@pytest.mark.parametrize(
    ("failure", "raised", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), OutputError, "disk is full: 3 bytes"),
        (PermissionError(errno.EACCES, "Permission denied"), OutputError, "not permitted"),
        (OSError(errno.EIO, "Input/output error"), OutputError, "Input/output error"),
        (KeyboardInterrupt(), KeyboardInterrupt, ""),
        (MemoryError(), MemoryError, ""),
    ],
)
@pytest.mark.parametrize("old", [None, b"old"])
def test_a_failure_leaves_nothing_behind_and_the_old_file_alone(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    failure: BaseException,
    raised: type[BaseException],
    words: str,
    old: bytes | None,
) -> None:
    path = tmp_path / "a.bin"
    if old is not None:
        path.write_bytes(old)

    def fail(descriptor: int) -> None:
        raise failure

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(raised) as error:
        atomic_write(path, b"new", force=True)
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert {child.name: child.read_bytes() for child in tmp_path.iterdir()} == (
        {} if old is None else {"a.bin": old}
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_disk_that_is_really_full_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_open = Path.open

    def open_full(self: Path, mode: str = "r") -> object:
        real_open(self, mode).close()
        return real_open(Path("/dev/full"), "wb")

    monkeypatch.setattr(Path, "open", open_full)
    with pytest.raises(OutputError, match="the disk is full"):
        atomic_write(tmp_path / "a.bin", bytes(100_000))
    assert list(tmp_path.iterdir()) == []
