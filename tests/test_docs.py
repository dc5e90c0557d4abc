"""The site builds without a warning and holds every public name; examples of docstrings and pages run; pictures have sources."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import io
import json
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import glassgpu as gg
from glassgpu import compile as compiling
from glassgpu import launch

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(p for p in [ROOT / "README.md", *DOCS.rglob("*.md")] if not {"_build", "notebooks"} & set(p.relative_to(ROOT).parts))
EXAMPLES = sorted(".".join(p.relative_to(ROOT).with_suffix("").parts) for p in (ROOT / "glassgpu").rglob("*.py") if ">>>" in p.read_text())
# What the first example is run with here: as many lines, little to compute.
SMALL = {
    "n=2000": "n=1200",
    "duration=200": "duration=1, accept=None, progress=False",
    "configurations=4": "configurations=3",
    "[0.1, 1, 10, 100]": "[0.05, 0.1]",
    "replicas=32": "replicas=2, progress=False",
    "time=10": "time=0.1",
    "inherent_structure(system, liquids)": "inherent_structure(system, liquids, precision='single', force_tolerance=0.1, progress=False)",
}


def blocks(page: Path, language: str = "python") -> list[str]:
    """The code of a page."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)


def run(code: str, page: Path, names: dict) -> None:
    exec(compile(code, str(page), "exec"), names)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder to write into."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


# ---------------------------------------------------------------- docstrings


@pytest.mark.parametrize("module", EXAMPLES)
def test_examples_of_docstrings(module, here):
    found = doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(module), globs={"gg": gg, "np": np})
    said: list[str] = []
    results = [doctest.DocTestRunner(verbose=False).run(one, out=said.append) for one in found if one.examples]
    assert sum(r.attempted for r in results) > 0, "an example stands where doctest does not find it"
    assert not sum(r.failed for r in results), "".join(said)


# ---------------------------------------------------------------- the site


def built(folder: Path) -> tuple[set[str], str]:
    """The site as Sphinx understands it, without running notebooks: names of Python, and what it complained of."""
    sphinx = pytest.importorskip("sphinx.application", reason="pip install glassgpu[docs]")
    source = folder / "docs"  # a copy: nothing is written into the checkout
    shutil.copytree(DOCS, source, ignore=shutil.ignore_patterns("_build", "notebooks"))
    shutil.copy(ROOT / "README.md", folder)
    if (ROOT / "notebooks").is_dir():
        shutil.copytree(ROOT / "notebooks", folder / "notebooks")
    complaints = io.StringIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Sphinx and its extensions; those of the site are collected
        app = sphinx.Sphinx(source, source, folder / "build", folder / "doctrees", "dummy", status=None, warning=complaints)
        app.build()
    plain = re.sub(r"\x1b\[[\d;]*m", "", complaints.getvalue())
    return {name for name, *_ in app.env.get_domain("py").get_objects()}, plain


def test_site_builds_without_a_warning_and_holds_every_public_name(tmp_path):
    held, complaints = built(tmp_path)
    assert complaints == ""
    modules = [name for name in gg.__all__ if inspect.ismodule(getattr(gg, name))] + ["study"]
    for module in modules:
        there = importlib.import_module(f"glassgpu.{module}")
        own = [n for n, x in vars(there).items() if n[0] != "_" and getattr(x, "__module__", "") == there.__name__]
        public = getattr(there, "__all__", own)
        assert public and not [name for name in public if f"glassgpu.{module}.{name}" not in held]
    top = [getattr(gg, name) for name in gg.__all__ if name not in modules and name != "__version__"]
    assert not [x for x in top if not {f"glassgpu.{x.__name__}", f"{x.__module__}.{x.__name__}"} & held]


def test_every_experiment_has_a_page():
    from glassgpu.cli.main import EXPERIMENTS

    assert {p.stem for p in (DOCS / "experiments").glob("*.md")} == {*EXPERIMENTS, "index"}
    listed = (DOCS / "experiments" / "index.md").read_text()
    assert not [name for name in EXPERIMENTS if f"({name}.md)" not in listed]


def test_links_of_the_readme_lead_somewhere():
    text = (ROOT / "README.md").read_text()
    assert not [to for to in re.findall(r"\]\((?!http)([^)#]+)", text) if not (ROOT / to).exists()]


# ---------------------------------------------------------------- code of pages


def of_package(node: ast.AST):
    """What an expression such as gg.io.read_gsd stands for, None if it is no chain of names of the package."""
    if isinstance(node, ast.Name) and node.id == "gg":
        return gg
    if isinstance(node, ast.Attribute):
        owner = of_package(node.value)
        if owner is not None:
            return getattr(owner, node.attr)  # raises, with the names that there are
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_code_of_pages_names_what_there_is(page):
    for code in blocks(page):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.Attribute):
                of_package(node)
            called = of_package(node.func) if isinstance(node, ast.Call) else None
            if called is not None and not (isinstance(called, type) and issubclass(called, BaseException)):
                some = [a for a in node.args if not isinstance(a, ast.Starred)]
                inspect.signature(called).bind_partial(*some, **{k.arg: None for k in node.keywords if k.arg})


def test_misspelt_names_are_seen():
    with pytest.raises(AttributeError, match="equilibrate"):
        of_package(ast.parse("gg.equilibrated", mode="eval").body)


def test_first_example_runs(here):
    (code,) = blocks(ROOT / "README.md")
    for large, small in SMALL.items():
        assert large in code, f"the example no longer says {large}: mend SMALL"
        code = code.replace(large, small)
    names: dict = {}
    run(code, ROOT / "README.md", names)
    assert names["folds"].pearson.shape == (3, 1)
    assert gg.io.load_ensemble("ensemble.zarr").propensity.equals(names["ensemble"].propensity)


@pytest.mark.parametrize("page", ["files", "concepts"])
def test_code_of_a_page_runs(page, here):
    names = {"gg": gg, "np": np}
    for code in blocks(DOCS / f"{page}.md"):
        run(code, DOCS / f"{page}.md", names)


def test_worked_examples_of_what_can_be_added(here, monkeypatch):
    """Also the kernel: compiled as if it stood among the others, the same on host and shuffled reader."""
    page = DOCS / "adding.md"
    (kernel,) = blocks(page, "cpp")
    plain = compiling.sources()
    launch.struct_fields.cache_clear()
    names: dict = {}
    for code in blocks(page):
        added = {**plain, "run_squares.cu": kernel} if "run_squares" in code else plain
        monkeypatch.setattr(compiling, "sources", lambda added=added: added)
        run(code, page, names)
        if added is not plain:
            one, other = (names["squares"]([names["liquid"]] * 3, place) for place in (launch.Cpu(2), launch.Cpu(1, shuffled=True)))
            assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    assert names["X"].dims == ("particle", "feature") and names["X"].attrs["reach"] == 2.5
    assert names["share"].shape == (2, 400) and names["report"].is_file()


def test_scripts_of_the_page_on_clusters_run(here):
    """As scripts, which workers import again; the last block wants Slurm and a GPU."""
    smaller = {
        "n=2000": "n=300", "duration=200": "duration=1, accept=None", "configurations=4": "configurations=2", "[1, 10, 100]": "[0.1, 0.5]",
        "replicas=32": "replicas=2", "Processes(8)": "Processes(2)",
    }  # fmt: skip
    *scripts, of_slurm = blocks(DOCS / "clusters.md")
    assert len(scripts) == 2 and "slurm_executor" in of_slurm
    for large in smaller:
        assert large in scripts[0], f"the page no longer says {large}"
    for k, code in enumerate(scripts):
        for large, small in smaller.items():
            code = code.replace(large, small)
        (here / f"{k}.py").write_text(code)
        subprocess.run([sys.executable, f"{k}.py"], check=True, timeout=200)
    assert np.load("ensemble.npz")["at"][0] == 4


GOES_ON_FROM = {"information_imbalance": "experiments/interpretability", "memory": "experiments/softness", "quickstart": "../README"}
OTHERWISE = ("README", "adding", "clusters", "concepts", "files", "hoomd")  # before quickstart, or above, or want HOOMD-blue
AS_PRINTED = [p for p in PAGES if blocks(p) and p.stem not in OTHERWISE]


@pytest.mark.validate
@pytest.mark.parametrize("page", AS_PRINTED, ids=lambda p: p.stem)
def test_code_of_a_page_runs_as_printed(page, here):
    """At its own sizes, after the page that it goes on from; minutes each."""
    names = {"gg": gg, "np": np}
    before = [DOCS / f"{GOES_ON_FROM[page.stem]}.md"] if page.stem in GOES_ON_FROM else []
    for one in [*before, page]:
        for code in blocks(one):
            run(code, one, names)


# ---------------------------------------------------------------- pictures


def test_pictures_are_small_and_say_where_they_come_from():
    sources = json.loads((DOCS / "pictures" / "sources.json").read_text())
    files = {p.name: p.stat().st_size for p in (DOCS / "pictures").glob("*.png")}
    assert set(files) == set(sources)
    assert max(files.values()) <= 80_000 and sum(files.values()) < 2_500_000
    pages = {p: p.read_text() for p in PAGES}
    unused = set(files)
    for page, text in pages.items():
        for name, caption in re.findall(r"^```\{figure\} \S*pictures/(\S+)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
            unused.discard(name)
            source = sources[name]
            wanted = (f"`{source['command']}`", source["machine"], source["date"])
            assert not [w for w in wanted if w not in caption], f"{page.name}, {name}: the caption does not say {wanted}"
    assert not unused
