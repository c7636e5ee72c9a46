# SPDX-License-Identifier: Apache-2.0
"""Plots to SVG by matplotlib, made fit for a page: text as text, axes in the page's own colour.

plot ──► matplotlib ──► SVG ──► ids that no other plot has, `currentColor`,
                                each point with its values and a tooltip
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt

from crossband.bench.plots import Axis, Plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#d55e00", "#0072b2", "#009e73", "#b8649b", "#808080")
"""Okabe and Ito's, which colour-blind readers tell apart, and gray; those that have a contrast of
at least 3 to 1 on white and on the dark page. Its purple is a shade darker here for that."""
_MARKERS: tuple[str, ...] = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "*", "h")
_DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (2, 1.2)), (0, (6, 1.5, 1.5, 1.5)))
_PUBLISHED_MARKERS: tuple[str, ...] = ("x", "+", "1")
_PUBLISHED_DASHES: tuple[Any, ...] = ((0, (2.5, 3.5)),)
_INK = "#010203"
"""Stands for the colour of the page's text until matplotlib is done."""
_SVG = "http://www.w3.org/2000/svg"
_DEFS, _STYLESHEET, _TITLE, _USE = (f"{{{_SVG}}}{tag}" for tag in ("defs", "style", "title", "use"))
_LINK = "{http://www.w3.org/1999/xlink}href"
_WIDTH_INCHES = 5.0
"""360 units wide, so that text is at its own size on a phone of 390 pixels."""
_MS_SSIM_TICKS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9998)
_LONGEST_NAME = 22
_STYLE: Any = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # matplotlib's own, so widths are the same everywhere
    "font.size": 10.5,
    "text.parse_math": False,
    "text.color": _INK,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "grid.color": _INK,
    "grid.alpha": 0.15,
    "legend.frameon": False,
    "legend.handlelength": 2.6,
    "legend.columnspacing": 1.2,
    "lines.linewidth": 1.6,
    "lines.markersize": 6,
    "path.simplify": False,
}
_PAGE = (
    "svg{color:#1c2026;background:#fff;font-family:system-ui,sans-serif}"
    "@media(prefers-color-scheme:dark){svg{color:#e4e6ea;background:#14171c}}"
)


def draw(plot: Plot) -> str:
    """The plot as an `<svg>` element for a page; it takes the page's colour and font.

    A series is a `g` with `data-codec`; each of its points is a `use` with `data-x` and `data-y`.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
    """
    import matplotlib

    file = io.StringIO()
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": plot.name}):
        # Without metadata: the same rows give the same bytes.
        metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        _figure(plot).savefig(file, format="svg", transparent=True, metadata=metadata)
    root = ElementTree.fromstring(file.getvalue())
    for defs in root.findall(_DEFS):
        if defs.find(_STYLESHEET) is not None:  # it would hold for the whole page
            root.remove(defs)
    _tell_values(root, plot)
    _name_parts(root, plot)
    return _serialize(root)


def standalone(svg: str) -> str:
    """A file of its own from what `draw` gave: light or dark as the reader's system is."""
    head, rest = svg.split(">", 1)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{head}><style>{_PAGE}</style>{rest}\n'


def _figure(plot: Plot) -> Figure:
    from matplotlib.figure import Figure

    columns = 2 if any(series.published for series in plot.series) else 3  # longer names
    rows = -(-len(plot.series) // columns)
    height = 0.21 * len(plot.y.names) + 0.9 if plot.y.scale == "names" else 3.0
    figure = Figure(figsize=(_WIDTH_INCHES, height + 0.25 * rows), layout="constrained")
    axes = figure.add_subplot()
    handles = []
    for number, series in enumerate(plot.series):
        markers, dashes = _MARKERS, _DASHES
        if series.published:
            markers, dashes = _PUBLISHED_MARKERS, _PUBLISHED_DASHES
        handles += axes.plot(
            [mark.x for mark in series.marks],
            [mark.y for mark in series.marks],
            color=COLOURS[series.style % len(COLOURS)],
            marker=markers[series.style % len(markers)],
            fillstyle=("full", "none")[series.style % 2],  # one that lies on another shows both
            linestyle=dashes[series.style % len(dashes)] if plot.joined else "none",
            linewidth=1.0 if series.published else None,
            gid=f"series-{number}",
            clip_on=False,
        )
    _scale(axes, plot.x, "x", [mark.x for series in plot.series for mark in series.marks])
    _scale(axes, plot.y, "y", [mark.y for series in plot.series for mark in series.marks])
    codecs = [series.codec for series in plot.series]
    figure.legend(handles, codecs, loc="outside upper left", ncols=min(columns, len(codecs)))
    return figure


def _scale(axes: Axes, axis: Axis, direction: str, values: list[float]) -> None:
    from matplotlib import ticker

    of_axes = axes.xaxis if direction == "x" else axes.yaxis
    set_scale, set_limits, zero_line = (
        (axes.set_xscale, axes.set_xlim, axes.axvline)
        if direction == "x"
        else (axes.set_yscale, axes.set_ylim, axes.axhline)
    )
    of_axes.set_label_text(axis.label)
    if axis.scale == "log":
        set_scale("log")
        of_axes.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        of_axes.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
        of_axes.set_minor_locator(ticker.NullLocator())
    elif axis.scale == "ms-ssim":
        set_scale("function", functions=(_logs_of_loss, _from_logs_of_loss))
        logs = _logs_of_loss(np.array(values))
        low, high = _from_logs_of_loss(np.array([logs.min() - 0.1, logs.max() + 0.1]))
        set_limits(low, high)
        ticks = [tick for tick in _MS_SSIM_TICKS if low <= tick <= high]
        of_axes.set_major_locator(ticker.FixedLocator(ticks or [values[0]]))
        of_axes.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:.4g}"))
    elif axis.scale == "percent":
        zero_line(0, color=_INK, alpha=0.5, linewidth=1)
        of_axes.set_major_formatter(
            ticker.FuncFormatter(lambda value, _: f"{value:+g} %" if value else "0 %")
        )
        of_axes.set_major_locator(ticker.MaxNLocator(nbins=5, steps=(1, 2, 5, 10)))
    elif axis.scale == "names":
        set_limits(-0.7, len(axis.names) - 0.3)
        labels = [_shortened(name) for name in axis.names]
        of_axes.set_ticks(range(len(axis.names)), labels)
    else:
        of_axes.set_major_locator(ticker.MaxNLocator(nbins=6, steps=(1, 2, 5, 10)))


def _logs_of_loss(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Decades between MS-SSIM or SSIM and 1; rows have six digits, so at most six."""
    logs: npt.NDArray[np.float64] = -np.log10(np.maximum(1 - np.asarray(values), 1e-6))
    return logs


def _from_logs_of_loss(logs: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    values: npt.NDArray[np.float64] = 1 - 10.0 ** -np.asarray(logs)
    return values


def _shortened(name: str) -> str:
    half = _LONGEST_NAME // 2
    return name if len(name) <= _LONGEST_NAME else f"{name[:half]}…{name[-half + 1 :]}"


def _name_parts(root: ElementTree.Element, plot: Plot) -> None:
    """Keeps the ids that something refers to, the plot's name before each: plots share a page."""
    referred = re.compile(r"(?<=#)[\w.]+")
    wanted: set[str] = set()
    for element in root.iter():
        if link := element.attrib.pop(_LINK, ""):
            element.set("href", link)
        for key in ("href", "clip-path"):
            value = element.get(key, "")
            wanted.update(referred.findall(value))
            if value:
                element.set(key, referred.sub(rf"{plot.name}.\g<0>", value))
    for element in root.iter():
        if (own := element.attrib.pop("id", "")) in wanted:
            element.set("id", f"{plot.name}.{own}")
    root.set("id", plot.name)
    root.set("role", "img")
    root.set("style", "stroke-linejoin:round;stroke-linecap:butt")
    title = ElementTree.Element(_TITLE)
    title.text = plot.title
    root.insert(0, title)


def _tell_values(root: ElementTree.Element, plot: Plot) -> None:
    """Gives each drawn point its values, for readers and for programs."""
    by_id = {element.get("id"): element for element in root.iter()}
    for number, series in enumerate(plot.series):
        group = by_id[f"series-{number}"]
        group.set("data-codec", series.codec)
        drawn = group.iter(_USE)
        for point, mark in zip(drawn, series.marks, strict=True):
            point.set("data-x", f"{mark.x:.6g}")
            point.set("data-y", f"{mark.y:.6g}")
            tooltip = ElementTree.SubElement(point, _TITLE)
            where = [_told(plot.x, mark.x), _told(plot.y, mark.y)]
            tooltip.text = ", ".join([series.codec, mark.name, *filter(None, where)])


def _told(axis: Axis, value: float) -> str:
    if axis.scale == "names":
        return ""
    if axis.scale == "percent":
        return f"{value:+.1f} %"
    if axis.scale == "ms-ssim":
        return f"{axis.label} {value:.4f}"
    return f"{value:.4g} {axis.label.split(', ')[-1]}"


def _serialize(root: ElementTree.Element) -> str:
    ElementTree.register_namespace("", _SVG)
    text = ElementTree.tostring(root, encoding="unicode")
    text = re.sub(r" font-family: [^;\"]+;", "", text)
    return text.replace(_INK, "currentColor")
