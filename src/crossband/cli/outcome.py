# SPDX-License-Identifier: Apache-2.0
"""How a command ends: its exit code, and one line on standard error for whatever went wrong."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Callable
from enum import IntEnum
from typing import Any

import typer

from crossband.errors import CrossbandError


class ExitCode(IntEnum):
    """What the shell gets."""

    DONE = 0
    SOME_FAILED = 1
    """Of several inputs some failed, each with its line on standard error."""
    USAGE = 2
    NOTHING_DONE = 3
    INTERRUPTED = 130
    """Ctrl-C: 128 + SIGINT, as shells have it."""


class UsageError(Exception):
    """The words of the command line do not fit together."""


class Interrupted(Exception):
    """Ctrl-C ended a command that had put its work in safety; the message says where."""


def run_reporting_errors(run: Callable[[], Any], *, wants_json: bool) -> int:
    """Runs a command; errors become one line on standard error and an exit code.

    Args:
        run: gives the exit code, or None for done.
        wants_json: on an error also print one JSON object that tells it.
    """

    def fail(code: ExitCode, message: str, kind: str) -> ExitCode:
        complain(message)
        if wants_json:
            print_json({"error": {"kind": kind, "message": _one_line(message)}})
        return code

    try:
        code = _run(run, fail)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # `| head` has seen enough
        _silence_stdout()
        return ExitCode.NOTHING_DONE
    except OSError as error:
        complain(_explain(error))
        _silence_stdout()
        return ExitCode.NOTHING_DONE


def _run(run: Callable[[], Any], fail: Callable[[ExitCode, str, str], ExitCode]) -> int:
    try:
        code = run()
    except (KeyboardInterrupt, typer.Abort):
        code = ExitCode.INTERRUPTED
    except Interrupted as error:
        return fail(ExitCode.INTERRUPTED, str(error), "Interrupted")
    except UsageError as error:
        return fail(ExitCode.USAGE, str(error), "UsageError")
    except CrossbandError as error:
        return fail(ExitCode.NOTHING_DONE, str(error), type(error).__name__)
    except MemoryError:
        message = "out of memory; free some, or use smaller pictures"
        return fail(ExitCode.NOTHING_DONE, message, "MemoryError")
    except BrokenPipeError:
        raise
    except OSError as error:
        return fail(ExitCode.NOTHING_DONE, _explain(error), "OSError")
    except Exception as error:
        # typer's usage errors; their class moved between its versions, their methods did not
        if not hasattr(error, "format_message"):
            raise
        return fail(ExitCode.USAGE, _usage_message(error), "UsageError")
    if code == ExitCode.INTERRUPTED:
        return fail(ExitCode.INTERRUPTED, "interrupted; no unfinished file was left", "Interrupted")
    return int(code or ExitCode.DONE)


def complain(message: str) -> None:
    """One line on standard error, as every error and note has it."""
    print(f"crossband: {_one_line(message)}", file=sys.stderr, flush=True)


def print_json(value: dict[str, Any]) -> None:
    """The one JSON object of a command on standard output."""
    print(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def _one_line(message: str) -> str:
    return " ".join(message.split())


def _usage_message(error: Any) -> str:
    context = getattr(error, "ctx", None)
    path = "crossband" if context is None else context.command_path
    return f"{error.format_message().rstrip('.')} (see {path} --help)"


def _explain(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    if error.errno == errno.ENOSPC:
        return f"{where}no space is left on the disk; free some or write elsewhere"
    return f"{where}{error.strerror or error}"


def _silence_stdout() -> None:
    """Nothing more can be written there; without this Python complains again at its exit."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(devnull, sys.stdout.fileno())
    except (OSError, ValueError):  # standard output is no file: a test holds it
        pass
    finally:
        os.close(devnull)
