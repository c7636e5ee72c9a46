# SPDX-License-Identifier: Apache-2.0
"""Curves that others published, to stand beside measured ones of the same data set.

published.json ──► curves of a data set ──► drawn by `plots`, and BD-rates against them

Nothing of them was measured here, and their rates are no files': `Published.note` says what they
are. There is no pair among them, for the rates of Lu 2022 leave the partner's bits out.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

from crossband.bench.bd import Curve, bd_rate
from crossband.bench.table import CodecPoints, percent_text
from crossband.pair import Modality


@dataclass(frozen=True, slots=True)
class PublishedCurve:
    """One codec on one modality of a data set."""

    dataset: str
    content: Literal["stills", "film"]
    modality: Modality
    codec: str
    curve: Curve
    """Bits per pixel of this modality's picture, over its own pixels."""


@dataclass(frozen=True, slots=True)
class Published:
    """Everything that was taken from one source."""

    source: str
    note: str
    """What the rates are, for a footnote."""
    curves: tuple[PublishedCurve, ...]


@dataclass(frozen=True, slots=True)
class PublishedLine:
    """BD-rates of a measured codec against a published one, in percent; None: n/a."""

    dataset: str
    images: int
    codec: str
    against: str
    """The published codec, which is 0 %."""
    visible: float | None
    infrared: float | None


@functools.cache
def read() -> Published:
    """What `published.json` holds."""
    found = json.loads(files("crossband.bench").joinpath("published.json").read_text("utf-8"))
    return Published(
        found["source"],
        found["note"],
        tuple(
            PublishedCurve(
                each["dataset"],
                each["content"],
                Modality(each["modality"]),
                each["codec"],
                Curve(*map(tuple, zip(*each["points"], strict=True))),
            )
            for each in found["curves"]
        ),
    )


_STILLS = {
    "flir": "flir",
    "flir-adas": "flir",
    "flir-adas-v2": "flir",
    "flir-aligned": "flir",
    "kaist": "kaist",
}
"""Which published data set the pictures of a data set are of, by its name in rows."""
_FILMS = {"kaist-films": "kaist"}
"""The same for films: their name is what `bench films --name` says."""


def curves(dataset: str) -> tuple[PublishedCurve, ...]:
    """The published curves of a data set, by its name in rows; mostly none."""
    name = dataset.lower()
    return tuple(
        each
        for each in read().curves
        if each.dataset == (_STILLS if each.content == "stills" else _FILMS).get(name)
    )


def compare(
    averages: Sequence[CodecPoints], *, psnr_range: tuple[float, float] | None = None
) -> list[PublishedLine]:
    """Every measured codec against every published one of its data set; mostly none.

    Args:
        averages: from `table.average`.
        psnr_range: dB; only this part of the curves counts.
    """
    lines = []
    for measured in averages:
        of_set = curves(measured.dataset)
        for against in dict.fromkeys(each.codec for each in of_set):
            percents: dict[Modality, float | None] = {}
            for each in of_set:
                own = measured.curve(each.modality)
                if each.codec == against and own is not None:
                    percents[each.modality] = bd_rate(each.curve, own, psnr_range=psnr_range)
            lines.append(
                PublishedLine(
                    dataset=measured.dataset,
                    images=measured.images,
                    codec=measured.codec,
                    against=against,
                    visible=percents.get(Modality.VISIBLE),
                    infrared=percents.get(Modality.INFRARED),
                )
            )
    return lines


def footnote() -> str:
    """What a reader must know of published figures, and where they are from."""
    found = read()
    return f"Published figures, not measured here. {found.note} Source: {found.source}."


def published_markdown(lines: Sequence[PublishedLine]) -> str:
    """The lines as a Markdown table with its footnote."""
    head = (
        "| data set | pictures | codec | against (published) | visible | infrared |\n"
        "|---|---|---|---|---|---|\n"
    )
    body = "".join(
        f"| {line.dataset} | {line.images} | {line.codec} | {line.against} * |"
        f" {percent_text(line.visible)} | {percent_text(line.infrared)} |\n"
        for line in lines
    )
    return f"{head}{body}\n\\* {footnote()}\n"
