# SPDX-License-Identifier: Apache-2.0
"""`crossband verify`: whether files decode to what their encoder meant."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from crossband.cli.film import verify_film
from crossband.cli.options import CodedWith, FilmCodedWith, Json
from crossband.cli.outcome import ExitCode, UsageError, complain, print_json
from crossband.cli.streams import STANDARD, Coded, shown_name, working
from crossband.errors import CorruptStream, CrossbandError

EXAMPLES = """
crossband verify pair.xb
crossband verify *.xb && echo all whole
crossband verify --json *.xb | jq '.files[] | select(.ok | not)'
"""


def verify(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="Crossband files; - for standard input."),
    ],
    *,
    model: CodedWith = None,
    film_model: FilmCodedWith = None,
    json: Json = False,
) -> ExitCode:
    """Check files: every checksum of the bytes, and that of every decoded symbol.

    Exit code 0: all are whole; 1: some are not; 3: none is.
    """
    if files.count(STANDARD) > 1:
        raise UsageError("- is named twice; standard input can be read once")
    from crossband.cli.weights import Codecs

    codecs = Codecs()
    results: list[dict[str, Any]] = []
    for number, name in enumerate(files, 1):
        result: dict[str, Any] = {"file": shown_name(name), "ok": True, "error": None}
        try:
            with working(f"verifying {number} of {len(files)}: {shown_name(name)}"):
                coded = Coded(name)
                if coded.is_film:
                    with coded:
                        if wrong := verify_film(coded, codecs, model, film_model):
                            raise CorruptStream(wrong)
                else:
                    data = coded.read()
                    codecs.of(data, model).verify(data)
        except CrossbandError as error:
            prefix = "" if str(error).startswith(shown_name(name)) else f"{shown_name(name)}: "
            complain(f"{prefix}{error}")
            result |= {
                "ok": False,
                "error": {"kind": type(error).__name__, "message": str(error)},
            }
        else:
            if not json:
                print(f"{shown_name(name)}: whole")
        results.append(result)
    failed = sum(not result["ok"] for result in results)
    if json:
        print_json({"files": results, "ok": len(results) - failed, "failed": failed})
    if failed == 0:
        return ExitCode.DONE
    return ExitCode.NOTHING_DONE if failed == len(results) else ExitCode.SOME_FAILED
