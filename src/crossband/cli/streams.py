# SPDX-License-Identifier: Apache-2.0
"""Files and the standard streams: `-` stands for standard input or output."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from crossband.cli.outcome import UsageError
from crossband.errors import SourceError

STANDARD = "-"
"""What a file name of a standard stream is."""

_MOST_BYTES = 1 << 30
"""Far above any file that holds two pictures of 2^27 pixels."""


def picture_source(name: str | None) -> Path | BinaryIO | None:
    """What `crossband.sources` reads for a name on the command line."""
    if name is None:
        return None
    return sys.stdin.buffer if name == STANDARD else Path(name)


def read_coded(name: str) -> bytes:
    """The bytes of a crossband file, or of standard input.

    Raises:
        SourceError: it is missing, a folder, unreadable or too large.
    """
    if name == STANDARD:
        data = sys.stdin.buffer.read(_MOST_BYTES + 1)
        name = "standard input"
    else:
        try:
            with Path(name).open("rb") as file:
                data = file.read(_MOST_BYTES + 1)
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
    if len(data) > _MOST_BYTES:
        raise SourceError(f"{name}: has more than {_MOST_BYTES:,} bytes; no crossband file has")
    return data


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
