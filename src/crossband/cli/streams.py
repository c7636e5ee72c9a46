# SPDX-License-Identifier: Apache-2.0
"""Files and the standard streams: `-` stands for standard input or output."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from crossband.cli.outcome import UsageError
from crossband.errors import SourceError

STANDARD = "-"
"""What a file name of a standard stream is."""

_HEAD_BYTES = 14
"""What tells a film from a pair."""
_MOST_BYTES = 1 << 30
"""Far above any file that holds two pictures of 2^27 pixels."""


def picture_source(name: str | None) -> Path | BinaryIO | None:
    """What `crossband.sources` reads for a name on the command line."""
    if name is None:
        return None
    return sys.stdin.buffer if name == STANDARD else Path(name)


class Coded:
    """A crossband file, or standard input, of which only the first bytes were read.

    Raises:
        SourceError: it is missing, a folder or unreadable.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        """As the command line has it."""
        self._file: BinaryIO = sys.stdin.buffer if name == STANDARD else _open(name)
        self._head = self._file.read(_HEAD_BYTES)

    @property
    def is_film(self) -> bool:
        """Whether it holds a film, not a pair."""
        from crossband.container import is_film

        return is_film(self._head)

    def read(self) -> bytes:
        """All bytes; closes the file.

        Raises:
            SourceError: there are too many.
        """
        with self:
            data = self._head + self._file.read(_MOST_BYTES + 1 - len(self._head))
        if len(data) > _MOST_BYTES:
            raise SourceError(
                f"{shown_name(self.name)}: has more than {_MOST_BYTES:,} bytes; no crossband file"
                " of a pair has"
            )
        return data

    def stream(self) -> BinaryIO:
        """The file from its first byte on, which need not be able to seek."""
        if self.can_seek:
            self._file.seek(0)
            return self._file
        return cast(BinaryIO, _Rejoined(self._head, self._file))

    @property
    def can_seek(self) -> bool:
        """Whether frames can be read out of order."""
        return self.name != STANDARD and self._file.seekable()

    def __enter__(self) -> Coded:
        return self

    def __exit__(self, *error: object) -> None:
        if self.name != STANDARD:
            self._file.close()


class _Rejoined:
    """A pipe with the bytes in front that were already taken from it."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = head
        self._rest = rest

    def read(self, size_bytes: int) -> bytes:
        """Up to so many bytes; none at the end."""
        if self._head:
            taken, self._head = self._head[:size_bytes], self._head[size_bytes:]
            return taken
        return self._rest.read(size_bytes)


def read_coded(name: str) -> bytes:
    """The bytes of a crossband file, or of standard input.

    Raises:
        SourceError: it is missing, a folder, unreadable or too large.
    """
    return Coded(name).read()


def _open(name: str) -> BinaryIO:
    try:
        return Path(name).open("rb")
    except FileNotFoundError:
        raise SourceError(
            f"{name}: there is no such file; a crossband file is needed: check the path"
        ) from None
    except IsADirectoryError:
        raise SourceError(
            f"{name}: is a folder; a crossband file is needed: name a file in it"
        ) from None
    except OSError as error:
        raise SourceError(
            f"{name}: cannot be read ({error.strerror or error}); check its permissions"
        ) from error


def shown_name(name: str) -> str:
    """A file name as messages have it."""
    return "standard input" if name == STANDARD else name


def write_standard_output(data: bytes) -> None:
    """Bytes to standard output, whole before the command ends."""
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def check_standard_output(*, json: bool) -> None:
    """Whether standard output can take bytes.

    Raises:
        UsageError: it is a terminal, or the JSON object goes there.
    """
    if json:
        raise UsageError(
            "--json and -o - both need standard output; give -o a file, or leave --json out"
        )
    if sys.stdout.isatty():
        raise UsageError(
            "standard output is a terminal, which cannot show binary data; redirect it"
            " (-o - > FILE) or give -o a file"
        )


@contextmanager
def working(what: str) -> Iterator[None]:
    """Shows on a terminal's standard error what is being done; nothing anywhere else."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.markup import escape

    with Console(stderr=True).status(escape(what)):  # file names may have brackets
        yield
