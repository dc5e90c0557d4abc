"""An interactive picture of a configuration, in a notebook or as one HTML file, by plotly."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from glassgpu import validate
from glassgpu.errors import InvalidInput, PackageMissing
from glassgpu.report.figures import COLOURS
from glassgpu.systems.system import System, as_system
from glassgpu.types import Snapshot

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

AXES = "xyz"
STOPS = 65  # colours of a map that are handed over; between them plotly interpolates
# Of plotly's three-dimensional markers, measured: pixels across one of size 1; and, without perspective, the length that an
# aspect ratio of 1 takes of the picture's height.
MARKER, HEIGHT = 1.7, 0.5
WHOLE, FACE = 1.15, 1.55  # aspect ratios with which a box seen from a corner, or from one side, fills the picture
LEFT, RIGHT, TOP, BOTTOM = 60, 130, 60, 50  # margins [pixels]
CORNER = {"eye": {"x": 1.5, "y": 1.15, "z": 0.75}, "up": {"x": 0, "y": 0, "z": 1}}
SIDES = {
    "x": {"eye": {"x": 2, "y": 0, "z": 0}, "up": {"x": 0, "y": 0, "z": 1}},
    "y": {"eye": {"x": 0, "y": -2, "z": 0}, "up": {"x": 0, "y": 0, "z": 1}},
    "z": {"eye": {"x": 0, "y": 0, "z": 2}, "up": {"x": 0, "y": 1, "z": 0}},
}


def view(
    snapshot: Snapshot,
    color: ArrayLike | None = None,
    *,
    system: System | None = None,
    particles: ArrayLike | None = None,
    slab: tuple[str, float, float] | None = None,
    displacements: ArrayLike | None = None,
    colormap: str = "viridis",
    limits: tuple[float, float] | None = None,
    label: str | None = None,
    title: str = "",
    scale: float = 1.0,
    size: int = 600,
) -> Figure:
    """Particles in their box, to turn, zoom and point at; one that is pointed at tells its number, species and value.

    Shown where it is the last line of a cell (Colab; Jupyter, whose server needs plotly too, else by ``.show("notebook")``); ``.show()``
    shows it elsewhere, ``.write_html("view.html")`` writes a file that needs no network. Clicking a species in the legend hides it.
    Markers have the particles' diameters at the zoom that a view begins with, and keep their size on the screen when it changes.

    Args:
        snapshot: N particles in two or three dimensions.
        color: (N,) numbers in any units, such as ``ensemble.propensity.sel(time=10)``; None colours by species. What is not shown may be NaN.
        system: gives names and diameters of the species, sigma_aa; without it all diameters are density^(-1/d).
        particles: (N,) bool, or numbers of particles, which ones are shown, such as ``p > np.quantile(p, 0.95)``; all by default.
        slab: (axis, low, high), such as ("z", -1, 1): only particles with low <= z < high, seen from that side [length].
        displacements: (N, d), drawn as lines that begin at the particles [length].
        colormap: a name that matplotlib knows.
        limits: (low, high) of the colours; by default the 2nd and 98th percentile of what is shown.
        label: of the colour bar; by default name and units of a DataArray.
        title: above the picture.
        scale: factor of the diameters.
        size: height, in two dimensions width, of the picture [pixels].

    Returns:
        ``plotly.graph_objects.Figure``: one trace per species shown, then "displacement", where given, and "box".

    Raises:
        InvalidInput: no single Snapshot, numbers that do not fit or are NaN, nothing to show, an unknown colour map.
        UnknownSpecies: a type without a species in ``system``.
        PackageMissing: plotly is not installed.
    """
    try:
        import plotly.graph_objects as go
    except ImportError as error:
        raise PackageMissing(f"view draws with plotly, which cannot be imported ({error}): pip install 'glassgpu[view]'") from error

    if not isinstance(snapshot, Snapshot):
        raise InvalidInput(f"view shows one Snapshot, got {type(snapshot).__name__}; of several give one, such as snapshots[0]")
    if system is not None:
        as_system(system).check_species(snapshot)
    scale, size = validate.number("scale", scale, above=0), validate.whole("size", size, least=100, most=5000)
    shown = _shown(snapshot, particles, slab)
    flat = snapshot.dimension == 2
    aspect = snapshot.box / snapshot.box.max() * (WHOLE if slab is None else FACE)
    per_length = (size if flat else size * HEIGHT / MARKER * aspect[0]) / snapshot.box[0]  # what markers are given [pixels / length]
    draw = go.Scattergl if flat else go.Scatter3d
    layout = _plane(snapshot, size) if flat else _space(aspect, snapshot, size, slab)
    unit = "" if system is None else f"  [{system.length_unit}]"
    for axis in AXES[: snapshot.dimension]:
        (layout if flat else layout["scene"])[f"{axis}axis"]["title"] = {"text": axis + unit}
    values = None
    if color is not None:
        values = _numbers("color", color, (snapshot.n,), shown)
        label = _label(color) if label is None else label
        layout["coloraxis"] = _coloraxis(values[shown], colormap, limits, label)

    figure = go.Figure(layout={**layout, "title": {"text": title, "font": {"size": 15}}})
    for kind in np.unique(snapshot.types[shown]):
        which = np.flatnonzero(shown & (snapshot.types == kind))
        name = f"type {kind}" if system is None else system.species[kind]
        diameter = snapshot.density ** (-1 / snapshot.dimension) if system is None else system.sigma[kind, kind]
        fill = {"color": COLOURS[kind % len(COLOURS)]} if values is None else {"color": values[which], "coloraxis": "coloraxis"}
        numbers = which[:, None] if values is None else np.column_stack([which, values[which]])
        told = (
            f"particle %{{customdata[0]}}, {name}" + ("" if values is None else f"<br>{label}: %{{customdata[1]:.4g}}") + "<extra></extra>"
        )
        marker = {"size": scale * diameter * per_length, "opacity": 1, "line": {"width": 0.5, "color": "#333333"}, **fill}
        where = _coordinates(snapshot.positions[which])
        figure.add_trace(draw(**where, mode="markers", name=name, marker=marker, customdata=numbers, hovertemplate=told))
    if displacements is not None:
        moved = _numbers("displacements", displacements, snapshot.positions.shape, shown[:, None])
        figure.add_trace(draw(**_lines(snapshot.positions[shown], moved[shown]), **_style("displacement", "#222222")))
    figure.add_trace(draw(**_lines(*_edges(snapshot.box)), **_style("box", "#999999"), showlegend=False))
    return figure


def _shown(snapshot: Snapshot, particles: ArrayLike | None, slab: tuple[str, float, float] | None) -> np.ndarray:
    """(N,) bool: the particles asked for."""
    shown = np.ones(snapshot.n, bool)
    if particles is not None:
        if np.asarray(particles).dtype == bool:
            shown = validate.array("particles", particles, bool, (snapshot.n,)).copy()
        else:
            numbers = validate.array("particles", particles, np.int64, (None,))
            if len(numbers) and not 0 <= numbers.min() <= numbers.max() < snapshot.n:
                raise InvalidInput(f"particles holds {numbers.min()} to {numbers.max()}; there are {snapshot.n}, from 0 on")
            shown = np.isin(np.arange(snapshot.n), numbers)
    if slab is not None:
        if not isinstance(slab, Sequence) or len(slab) != 3:
            raise InvalidInput(f"slab={slab!r}: give (axis, low, high), such as ('x', -1, 1)")
        axis = AXES.index(validate.choice("the axis of slab", slab[0], tuple(AXES[: snapshot.dimension])))
        low = validate.number("the low end of slab", slab[1])
        high = validate.number("the high end of slab", slab[2], above=low)
        along = snapshot.positions[:, axis]
        shown &= (along >= low) & (along < high)
    if not shown.any():
        sides = ", ".join(f"{a} from {-s / 2:.4g} to {s / 2:.4g}" for a, s in zip(AXES, snapshot.box, strict=False))
        raise InvalidInput(f"particles= and slab={slab!r} leave nothing to show; the box holds {snapshot.n} particles, {sides}")
    return shown


def _numbers(name: str, value: Any, shape: tuple[int, ...], shown: np.ndarray) -> np.ndarray:
    """Finite numbers of every particle; 0 for those that are not shown.

    Raises:
        InvalidInput: another shape, no numbers, or NaN where something is shown.
    """
    dims = getattr(value, "dims", None)
    if dims is not None and len(dims) > len(shape):
        raise InvalidInput(
            f"{name} has the dims {dims}; choose one {dims[0]}, such as .isel({dims[0]}=-1), until only {dims[-len(shape) :]} is left"
        )
    fits = False
    with suppress(ValueError):  # ragged: the check below tells
        fits = np.shape(value) == shape and np.asarray(value).dtype.kind == "f" and not isinstance(value, np.ma.MaskedArray)
    if fits:
        value = np.where(shown, value, 0)
        wrong = np.unique(np.argwhere(~np.isfinite(value))[:, 0])
        if len(wrong):
            raise InvalidInput(
                f"{name} is NaN or infinite for {len(wrong)} of the particles shown, such as {wrong[0]}; leave them out by particles="
            )
    return validate.array(name, value, np.float64, shape)


def _label(color: Any) -> str:
    """Name and units of a DataArray, else "value"."""
    units = getattr(color, "attrs", {}).get("units", "1")
    return (getattr(color, "name", None) or "value") + ("" if units == "1" else f"  [{units}]")


def _coloraxis(values: np.ndarray, colormap: str, limits: tuple[float, float] | None, label: str) -> dict[str, Any]:
    """One scale of colours for all species."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    if not isinstance(colormap, str) or colormap not in colormaps:
        near = difflib.get_close_matches(str(colormap), list(colormaps), 3) or ["viridis", "coolwarm", "magma"]
        raise InvalidInput(f"colormap={colormap!r} is no name that matplotlib knows; take one such as {', '.join(near)}")
    if limits is None:
        low, high = (float(q) for q in np.percentile(values, [2, 98]))
        low, high = (low, high) if low < high else (low - 0.5, low + 0.5)
    else:
        if not isinstance(limits, Sequence | np.ndarray) or len(limits) != 2:
            raise InvalidInput(f"limits={limits!r}: give (low, high)")
        low = validate.number("the low end of limits", limits[0])
        high = validate.number("the high end of limits", limits[1], above=low)
    along = np.linspace(0, 1, STOPS)
    scale = [[float(a), to_hex(c)] for a, c in zip(along, colormaps[colormap](along), strict=True)]
    bar = {"title": {"text": label, "side": "right"}, "thickness": 14, "len": 0.8, "outlinewidth": 0}
    return {"colorscale": scale, "cmin": low, "cmax": high, "colorbar": bar}


def _coordinates(points: np.ndarray) -> dict[str, np.ndarray]:
    """(k, d) points as plotly takes them."""
    return dict(zip(AXES, points.T, strict=False))


def _lines(start: np.ndarray, along: np.ndarray) -> dict[str, np.ndarray]:
    """Lines from (k, d) points, one trace of them; a NaN ends each."""
    return _coordinates(np.stack([start, start + along, np.full_like(start, np.nan)], axis=1).reshape(-1, start.shape[1]))


def _style(name: str, color: str) -> dict[str, Any]:
    return {"name": name, "mode": "lines", "line": {"color": color, "width": 2}, "hoverinfo": "skip"}


def _edges(box: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the edges of a box begin, and along what they run."""
    corners = [np.array(c) for c in itertools.product((0, 1), repeat=len(box))]
    edges = [(c - 0.5, e) for c in corners for e in np.eye(len(box)) if not (c * e).any()]
    return np.array([c for c, _ in edges]) * box, np.array([e for _, e in edges]) * box


def _plane(snapshot: Snapshot, size: int) -> dict[str, Any]:
    """The layout of a view in two dimensions: lengths are the same on both axes."""
    x, y = snapshot.box
    bare = {"showgrid": False, "zeroline": False, "ticks": "outside"}
    return {
        **_frame(size, round(size * y / x), LEFT, BOTTOM),
        "xaxis": {**bare, "range": [-x / 2, x / 2], "constrain": "domain"},
        "yaxis": {**bare, "range": [-y / 2, y / 2], "constrain": "domain", "scaleanchor": "x"},
    }


def _space(aspect: np.ndarray, snapshot: Snapshot, size: int, slab: tuple[str, float, float] | None) -> dict[str, Any]:
    """The layout of a view in three dimensions, without perspective: markers would not follow it."""
    axes = {
        f"{a}axis": {
            "range": [-s / 2, s / 2], "showbackground": False, "showgrid": False, "zeroline": False, "showspikes": False,
            "visible": slab is None or a != slab[0],  # one looks along it
        }
        for a, s in zip(AXES, snapshot.box, strict=True)
    }  # fmt: skip
    camera = {**(CORNER if slab is None else SIDES[slab[0]]), "projection": {"type": "orthographic"}}
    ratio = dict(zip(AXES, aspect.tolist(), strict=True))
    return {**_frame(size, size, 0, 0), "scene": {**axes, "aspectmode": "manual", "aspectratio": ratio, "camera": camera}}


def _frame(width: int, height: int, left: int, bottom: int) -> dict[str, Any]:
    """A picture of so many pixels, with room for title and species above it and for colours beside it."""
    margin = {"l": left, "r": RIGHT, "t": TOP, "b": bottom, "autoexpand": False}
    return {
        "width": width + left + RIGHT, "height": height + TOP + bottom, "margin": margin, "template": "plotly_white",
        "legend": {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom", "itemsizing": "constant"},
    }  # fmt: skip
