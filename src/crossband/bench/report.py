# SPDX-License-Identifier: Apache-2.0
"""Findings to one HTML page that needs nothing beside itself: no network, no script.

findings ──► plots, drawn ──► report.html.j2 ──► page
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from crossband.bench import published
from crossband.bench.drawing import draw
from crossband.bench.findings import Findings, bd_percent
from crossband.bench.plots import COLUMN_NAMES, Plot
from crossband.bench.table import mebibytes
from crossband.bench.worst import Samples, WorstPicture


@dataclass(frozen=True, slots=True)
class CodecUse:
    """How one version of a codec was used, in all data sets."""

    codec: str
    version: str
    datasets: tuple[str, ...]
    pixel_formats: tuple[str, ...]
    """As the encoder got the pictures, visible and infrared."""
    settings: tuple[str, ...]
    """Full, one for each quality; more where they depend on the picture."""


def write_report(
    findings: Findings, plots: Sequence[Plot], *, worst: Sequence[WorstPicture] = ()
) -> str:
    """The whole page.

    Args:
        findings: what is told.
        plots: of the same findings; every one is in the page.
        worst: pictures to show; without them the page has no such section.

    Raises:
        ModuleNotFoundError: Jinja2 or matplotlib is not installed.
    """
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("crossband.bench", "pages"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "draw": lambda plot: Markup(draw(plot)),
        "percent": lambda value: "n/a" if value is None else f"{value:+.1f} %",
        "seconds": lambda value, digits: "n/a" if value is None else f"{value:.{digits}f}",
        "mebibytes": mebibytes,
        "picture": _data_uri,
    }
    return environment.get_template("report.html.j2").render(
        findings=findings,
        plots=plots,
        worst=worst,
        uses=codec_uses(findings),
        column_names=COLUMN_NAMES,
        bd_percent=bd_percent,
        published_note=published.footnote(),
    )


def codec_uses(findings: Findings) -> list[CodecUse]:
    """Every version of every codec whose rows count."""
    rows = [row for of_set in findings.sets for row in of_set.rows]
    uses = []
    for codec, version in dict.fromkeys((row.codec, row.version) for row in rows):
        of_use = [row for row in rows if (row.codec, row.version) == (codec, version)]
        uses.append(
            CodecUse(
                codec,
                version,
                datasets=tuple(dict.fromkeys(row.dataset for row in of_use)),
                pixel_formats=tuple(dict.fromkeys(row.pixel_format for row in of_use)),
                settings=tuple(dict.fromkeys(row.settings for row in of_use)),
            )
        )
    return uses


def _data_uri(samples: Samples) -> str:
    file = io.BytesIO()
    Image.fromarray(samples).save(file, "png", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
