# SPDX-License-Identifier: Apache-2.0
"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from pathlib import Path

from crossband.errors import OutputError


def check_destination(path: str | os.PathLike[str], *, force: bool = False) -> Path:
    """The file that `atomic_write` would write, checked before any work is done for it.

    Raises:
        OutputError: the folder is missing, the path is a folder or a device, or the file exists
            and `force` is not set.
    """
    target = Path(os.path.realpath(path))  # a link stays, what it points to is replaced
    if target.is_dir():
        raise OutputError(f"{path}: is a folder; an output file is needed: add a file name to it")
    if not target.parent.is_dir():
        raise OutputError(
            f"{path}: the folder {target.parent} does not exist; the output needs one that does:"
            f" create it (mkdir -p {target.parent})"
        )
    if target.exists():
        if not target.is_file():
            raise OutputError(
                f"{path}: is a device or pipe; only a regular file can be replaced:"
                " give another name, or - for standard output"
            )
        if not force:
            raise OutputError(
                f"{path}: exists; it is replaced only on request: use --force (in Python"
                " force=True) or another name"
            )
    return target


def atomic_write(path: str | os.PathLike[str], data: bytes, *, force: bool = False) -> None:
    """Writes beside the path and renames, so that nobody ever sees half a file.

    On any failure, Ctrl-C included, nothing is left behind and an old file stays as it was.

    Raises:
        OutputError: the folder is missing, the path is a folder or a device, the file exists and
            `force` is not set, or the system refuses to write (disk full, permission).
    """
    target = check_destination(path, force=force)
    beside = target.parent / f".crossband-{secrets.token_hex(8)}.part"
    try:
        with beside.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(target)
    except OSError as error:
        raise OutputError(f"{path}: {_explain(error, target.parent, len(data))}") from error
    finally:
        beside.unlink(missing_ok=True)


def _explain(error: OSError, folder: Path, size_bytes: int) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        free = shutil.disk_usage(folder).free
        return (
            f"the disk is full: {size_bytes:,} bytes are needed and {free:,} are free in {folder}:"
            " make room or write elsewhere"
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return (
            f"writing into {folder} is not permitted ({error.strerror}); a writable folder is"
            " needed: change its permissions or write elsewhere"
        )
    return f"cannot be written ({error.strerror or error}): write elsewhere"
