"""The interactive view: what is drawn is what was given."""

import re
import sys

import matplotlib
import numpy as np
import pytest

import glassgpu as gg
from glassgpu import errors

go = pytest.importorskip("plotly.graph_objects", reason="plotly is not installed: pip install 'glassgpu[view]'")


def particles(figure):
    """Numbers, positions, colours and sizes of the markers, in the order of the particles."""
    traces = [t for t in figure.data if t.mode == "markers"]
    number = np.concatenate([t.customdata[:, 0] for t in traces])
    axes = "xyz" if traces[0].type == "scatter3d" else "xy"
    rows = [np.column_stack([t[a] for a in axes] + [np.full(len(t.x), t.marker.size)]) for t in traces]
    colors = [t.marker.color if isinstance(t.marker.color, np.ndarray) else np.full(len(t.x), t.marker.color) for t in traces]
    order = np.argsort(number)
    rows = np.concatenate(rows)[order]
    return number[order], rows[:, :-1], np.concatenate(colors)[order], rows[:, -1]


@pytest.mark.parametrize("made", ["liquid", "film"])
def test_what_is_drawn_is_what_was_given(made, request):
    system, snapshot = request.getfixturevalue(made)
    field = np.random.default_rng(1).normal(size=snapshot.n)
    figure = gg.report.view(snapshot, field, system=system)
    number, positions, colors, sizes = particles(figure)
    assert np.array_equal(number, np.arange(snapshot.n))
    assert np.array_equal(positions, snapshot.positions)
    assert np.array_equal(colors, field)
    assert np.array_equal(
        np.concatenate([t.customdata for t in figure.data[:-1]])[np.argsort(snapshot.types, kind="stable").argsort(), 1], field
    )  # told when pointed at
    assert "customdata[1]" in figure.data[0].hovertemplate
    diameters = np.diag(system.sigma)[snapshot.types]
    assert sizes == pytest.approx(sizes[0] * diameters / diameters[0], rel=1e-12)
    assert [t.name for t in figure.data] == [*system.species, "box"]
    assert list(np.quantile(field, [0.02, 0.98])) == pytest.approx([figure.layout.coloraxis.cmin, figure.layout.coloraxis.cmax])
    assert all(t.marker.coloraxis == "coloraxis" for t in figure.data[:-1])
    assert "sigma" in (figure.layout.xaxis if system.dimension == 2 else figure.layout.scene.xaxis).title.text

    plain = gg.report.view(snapshot)
    assert len(set(particles(plain)[2])) == len(system.species)  # a colour of each
    assert len(set(particles(plain)[3])) == 1
    assert [t.name for t in plain.data[:-1]] == [f"type {k}" for k in range(len(system.species))]


def test_lengths_are_true_at_first(film):
    """In two dimensions a marker is as many pixels across as its diameter takes of the axis."""
    system, snapshot = film
    figure = gg.report.view(snapshot, system=system, size=500, scale=0.5)
    width = figure.layout.width - figure.layout.margin.l - figure.layout.margin.r
    low, high = figure.layout.xaxis.range
    assert width == 500 and high - low == pytest.approx(snapshot.box[0])
    assert figure.data[0].marker.size == pytest.approx(0.5 * system.sigma[0, 0] * width / (high - low))


def test_positions_are_wrapped_and_the_box_is_drawn():
    snapshot = gg.Snapshot([[4.0, 0, 0], [-7.0, 2.5, 1.0], [0, 0, 0]], [0, 1, 0], [6.0, 5.0, 4.0])
    figure = gg.report.view(snapshot)
    _, positions, _, _ = particles(figure)
    assert positions.tolist() == [[-2.0, 0, 0], [-1.0, -2.5, 1.0], [0, 0, 0]]
    assert particles(gg.report.view(snapshot, slab=("z", 0, 1)))[0].tolist() == [
        0,
        2,
    ]  # the lower end belongs to a slab, the upper does not
    box = np.column_stack([figure.data[-1][a] for a in "xyz"]).reshape(-1, 3, 3)
    assert len(box) == 12 and np.isnan(box[:, 2]).all()
    assert {tuple(p) for p in box[:, :2].reshape(-1, 3)} == {(x, y, z) for x in (-3.0, 3.0) for y in (-2.5, 2.5) for z in (-2.0, 2.0)}
    assert sorted(np.linalg.norm(box[:, 1] - box[:, 0], axis=1)) == [4.0] * 4 + [5.0] * 4 + [6.0] * 4


def test_some_particles(liquid):
    system, snapshot = liquid
    z = snapshot.positions[:, 2]
    inside = np.flatnonzero((z >= -1) & (z < 1))
    assert np.array_equal(particles(gg.report.view(snapshot, slab=("z", -1, 1)))[0], inside)
    some = np.where(np.arange(snapshot.n) % 7, np.nan, 1.0)  # what is not shown may be NaN
    figure = gg.report.view(snapshot, some, particles=some == 1, slab=("z", -1, 1), system=system)
    assert np.array_equal(particles(figure)[0], inside[inside % 7 == 0])
    assert np.array_equal(particles(gg.report.view(snapshot, particles=[8, 3, 3]))[0], [3, 8])
    moved = np.random.default_rng(2).normal(size=(snapshot.n, 3))
    line = next(t for t in gg.report.view(snapshot, particles=[5, 6], displacements=moved).data if t.name == "displacement")
    ends = np.column_stack([line[a] for a in "xyz"]).reshape(2, 3, 3)
    assert np.array_equal(ends[:, 0], snapshot.positions[5:7])
    assert np.array_equal(ends[:, 1], snapshot.positions[5:7] + moved[5:7])


def test_colours(liquid):
    system, snapshot = liquid
    ensemble = gg.isoconfigurational(system, snapshot, temperature=0.8, times=[0.1, 0.2], replicas=2, seed=1, backend="cpu", progress=False)
    field = ensemble.propensity.sel(time=0.2)
    axis = gg.report.view(snapshot, field, colormap="coolwarm", limits=(0.0, 0.5)).layout.coloraxis
    assert (axis.cmin, axis.cmax) == (0, 0.5)
    assert axis.colorbar.title.text == "propensity  [sigma_AA]"
    for place, color in axis.colorscale[::16]:
        assert matplotlib.colors.to_hex(matplotlib.colormaps["coolwarm"](place)) == color
    assert gg.report.view(snapshot, field, label="p").layout.coloraxis.colorbar.title.text == "p"
    flat = gg.report.view(snapshot, np.ones(snapshot.n)).layout.coloraxis
    assert flat.cmin < 1 < flat.cmax
    with pytest.raises(errors.InvalidInput, match=r"dims \('time', 'particle'\).*isel\(time=-1\)"):
        gg.report.view(snapshot, ensemble.propensity)


def test_bad_input(liquid):
    _, snapshot = liquid
    n = snapshot.n
    holed = np.ones(n)
    holed[[4, 9]] = np.nan
    for options, message in (
        ({"color": np.ones(n - 1)}, r"color has shape \(499,\); expected \(500,\)"),
        ({"color": np.ones((n, 1))}, "color has shape"),
        ({"color": 3.0}, "color has shape"),
        ({"color": holed}, "color is NaN or infinite for 2 of the particles shown, such as 4; leave them out by particles="),
        ({"color": list(holed)}, "leave them out"),
        ({"color": ["red"] * n}, "not an array of real numbers"),
        ({"color": [[1], [1, 2]]}, "not an array"),
        ({"color": np.ma.masked_greater(np.ones(n), 0)}, "masked"),
        ({"color": np.ones(n), "colormap": "viridos"}, "'viridos'.*viridis"),
        ({"color": np.ones(n), "colormap": None}, "colormap=None"),
        ({"color": np.ones(n), "limits": (1, 1)}, "above 1"),
        ({"color": np.ones(n), "limits": 3}, r"limits=3: give \(low, high\)"),
        ({"color": np.ones(n), "limits": (0, np.nan)}, "high end of limits"),
        ({"particles": np.ones(n - 1, bool)}, "particles has shape"),
        ({"particles": [n]}, "particles holds 500 to 500; there are 500"),
        ({"particles": [0.5]}, "whole numbers"),
        ({"particles": []}, "nothing to show"),
        ({"slab": ("z", 90, 91)}, "nothing to show"),
        ({"slab": ("w", -1, 1)}, "the axis of slab='w'"),
        ({"slab": ("z", 1, -1)}, "the high end of slab"),
        ({"slab": "z"}, "slab='z': give"),
        ({"displacements": np.ones((n, 2))}, "displacements has shape"),
        ({"displacements": np.full((n, 3), np.inf)}, "displacements is NaN or infinite"),
        ({"scale": 0}, "scale=0"),
        ({"size": 10}, "size=10"),
        ({"system": gg.systems.ternary_2d()}, "2 dimensions"),
        ({"system": snapshot}, "system= is a Snapshot"),
    ):
        with pytest.raises(errors.InvalidInput, match=message):
            gg.report.view(snapshot, **options)
    with pytest.raises(errors.InvalidInput, match=r"got list; of several give one, such as snapshots\[0\]"):
        gg.report.view([snapshot])


def test_plotly_is_missing(liquid, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "plotly"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "plotly", None)
    with pytest.raises(errors.PackageMissing, match=r"pip install 'glassgpu\[view\]'"):
        gg.report.view(liquid[1])


def test_the_file_needs_no_network(liquid, tmp_path):
    system, snapshot = liquid
    gg.report.view(snapshot, np.arange(snapshot.n), system=system, title="as it stands").write_html(tmp_path / "view.html")
    text = (tmp_path / "view.html").read_text()
    assert "Plotly.newPlot" in text and "as it stands" in text
    tags = re.sub(r"(<script[^>]*>).*?</script>", r"\1", text, flags=re.DOTALL)  # plotly's own code names addresses of maps, unasked
    assert "plotly" in text[: len(text) // 2] and len(tags) < 5000 < 1e6 < len(text)
    assert not re.findall(r"(?:src|href)\s*=\s*['\"]?[^'\"\s>]+", tags)


def test_maps_show_what_was_given(liquid):
    """The still picture: a slab through the middle, with the particles' diameters."""
    _, snapshot = liquid
    field = np.arange(snapshot.n, dtype=float)
    field[::5] = np.nan
    figure = gg.report.maps(snapshot, {"number": field}, "n", slab=2.0)
    inside = np.abs(snapshot.positions[:, 2]) < 1
    (marks,) = figure.axes[0].collections
    assert np.array_equal(marks.get_offsets(), snapshot.positions[inside, :2])
    assert np.array_equal(marks.get_array().filled(-1), np.where(np.isnan(field[inside]), -1, field[inside]))
    assert sorted(set(marks.get_widths())) == [0.88, 1.0]
    for fields, diameters, message in (
        ({"short": field[1:]}, (1.0, 0.88), r"'short' has shape \(499,\)"),
        ({}, (1.0, 0.88), "0 fields"),
        ({"number": field}, (1.0,), "1 diameters"),
    ):
        with pytest.raises(errors.InvalidInput, match=message):
            gg.report.maps(snapshot, fields, "n", diameters=diameters)
