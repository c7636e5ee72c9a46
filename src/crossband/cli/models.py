# SPDX-License-Identifier: Apache-2.0
"""`crossband models`: the weights that are here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossband.cli.options import Json
from crossband.cli.outcome import ExitCode, UsageError, print_json

if TYPE_CHECKING:
    from crossband.models import ModelCard

LIST_EXAMPLES = """
crossband models list
crossband models list --json | jq -r '.models[].name'
"""
SHOW_EXAMPLES = """
crossband models show base
"""


def list_models(*, json: Json = False) -> ExitCode:
    """List the weights that are here, with their ids as files name them."""
    from crossband import models

    cards = [models.describe(name) for name in models.names()]
    if json:
        print_json({"models": [_facts(card) for card in cards]})
        return ExitCode.DONE
    for card in cards:
        print(
            f"{card.name:<12} {card.weights_id}  {card.parameters / 1e6:.1f} M weights,"
            f" {card.size_bytes / 1e6:.1f} MB"
        )
    return ExitCode.DONE


def show_model(
    name: Annotated[str, typer.Argument(metavar="NAME", help="One that `models list` names.")],
    *,
    json: Json = False,
) -> ExitCode:
    """Show one set of weights: size, training recipe, data, date and measured rates."""
    from crossband import models

    if name not in (known := models.names()):
        raise UsageError(
            f"model {name!r} is not here; there {'is' if len(known) == 1 else 'are'}"
            f" {', '.join(known) or 'none'}"
        )
    card = models.describe(name)
    if json:
        print_json(_facts(card))
        return ExitCode.DONE
    print(f"name        {card.name}")
    print(f"weights id  {card.weights_id}")
    print(f"weights     {card.parameters:,}")
    print(f"size        {card.size_bytes:,} bytes")
    for key, value in card.metadata.items():
        print(f"{key:<11} {value}")
    return ExitCode.DONE


def _facts(card: ModelCard) -> dict[str, Any]:
    return {
        "name": card.name,
        "weights_id": card.weights_id,
        "parameters": card.parameters,
        "size_bytes": card.size_bytes,
        "metadata": dict(card.metadata),
    }
