# SPDX-License-Identifier: Apache-2.0
"""The command line: one file a command, each of which parses, calls the API and prints.

A command is a function with typer annotations that returns an `ExitCode`; its docstring is its
help and `EXAMPLES` beside it ends that help. `_COMMANDS` lists them all. Modules here import only
what `--help` needs; torch, numpy and Pillow come inside the functions, so `crossband info` is fast.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from crossband.cli import (
    bench,
    bench_bd,
    bench_integer_path,
    bench_plot,
    bench_report,
    bench_time,
    compare,
    data,
    decode,
    demo,
    doctor,
    encode,
    export,
    info,
    models,
    train,
    verify,
)
from crossband.cli.outcome import ExitCode, run_reporting_errors

__all__ = ["ExitCode", "main"]

_COMMANDS: tuple[tuple[Callable[..., ExitCode], str], ...] = (
    (encode.encode, encode.EXAMPLES),
    (decode.decode, decode.EXAMPLES),
    (info.info, info.EXAMPLES),
    (verify.verify, verify.EXAMPLES),
    (compare.compare, compare.EXAMPLES),
    (demo.demo, demo.EXAMPLES),
    (train.train, train.EXAMPLES),
    (export.export, export.EXAMPLES),
    (doctor.doctor, doctor.EXAMPLES),
)
_GROUPS: tuple[tuple[str, str, tuple[tuple[str, Callable[..., ExitCode], str], ...]], ...] = (
    (
        "models",
        "The weights that are here: list them, or show one.",
        (
            ("list", models.list_models, models.LIST_EXAMPLES),
            ("show", models.show_model, models.SHOW_EXAMPLES),
        ),
    ),
    (
        "data",
        "Folders of pairs: what is in them, and what is wrong.",
        (("check", data.check, data.CHECK_EXAMPLES),),
    ),
    (
        "bench",
        "Crossband and other codecs on the same pairs, side by side.",
        (
            ("run", bench.run, bench.RUN_EXAMPLES),
            ("films", bench.films, bench.FILMS_EXAMPLES),
            ("table", bench.table, bench.TABLE_EXAMPLES),
            ("bd", bench_bd.bd, bench_bd.EXAMPLES),
            ("plot", bench_plot.plot, bench_plot.EXAMPLES),
            ("report", bench_report.report, bench_report.EXAMPLES),
            ("time", bench_time.time, bench_time.EXAMPLES),
            ("integer-path", bench_integer_path.integer_path, bench_integer_path.EXAMPLES),
        ),
    ),
)

_EXAMPLES = """
crossband demo                                     see it work, no pictures needed
crossband encode visible.png infrared.png -o pair.xb
crossband decode pair.xb -o .
crossband info pair.xb
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns the code to exit with (see `ExitCode`).

    Args:
        arguments: the words after `crossband`; those of this process when not given.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    command = typer.main.get_command(_build())
    return run_reporting_errors(
        lambda: command.main(args=words, prog_name="crossband", standalone_mode=False),
        wants_json="--json" in words,
    )


def _build() -> typer.Typer:
    # Plain help: the same text on every terminal and in every pipe, and no rich to load for it.
    app = typer.Typer(
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        invoke_without_command=True,
        context_settings=_SETTINGS,
        epilog=_examples(_EXAMPLES),
    )
    app.callback()(_crossband)
    for function, examples in _COMMANDS:
        app.command(epilog=_examples(examples), context_settings=_SETTINGS)(function)
    for name, summary, commands in _GROUPS:
        group = typer.Typer(rich_markup_mode=None, invoke_without_command=True, help=summary)
        group.callback(help=summary, context_settings=_SETTINGS)(_help_without_command)
        for command_name, function, examples in commands:
            group.command(command_name, epilog=_examples(examples), context_settings=_SETTINGS)(
                function
            )
        app.add_typer(group, name=name)
    return app


_SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def _examples(lines: str) -> str:
    # \b keeps the paragraph's lines as they are
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines.strip().splitlines())


def _print_version(wanted: bool) -> None:
    if wanted:
        from crossband import __version__

        print(f"crossband {__version__}")
        raise typer.Exit(ExitCode.DONE)


def _crossband(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Compress what an infrared and a visible camera saw at once into one small file.

    Exit codes: 0 done, 1 some inputs failed, 2 wrong usage, 3 nothing could be done, 130 Ctrl-C.
    """
    _help_without_command(context)


def _help_without_command(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help(), file=sys.stderr)
        raise typer.Exit(ExitCode.USAGE)
