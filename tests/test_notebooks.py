"""Notebooks: each runs from its first to its last cell at smoke scale, and shows its pictures."""

import os
from pathlib import Path

import pytest

WHY = "notebooks need Jupyter's libraries: pip install 'glassgpu[notebooks]'"
nbformat, nbclient, _ = (pytest.importorskip(name, reason=WHY) for name in ("nbformat", "nbclient", "ipykernel"))

FOLDER = Path(__file__).parent.parent / "notebooks"
STILL, MOVING = "image/png", "application/vnd.plotly.v1+json"
PICTURES = {  # how many by matplotlib, and how many views
    "quick_start": (4, 3),
    "softness": (4, 1),
    "which_features_matter": (6, 1),
    "your_own_trajectory": (4, 2),
}


def read(name):
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    return notebook, [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_every_notebook_is_tested():
    assert sorted(PICTURES) == sorted(path.stem for path in FOLDER.glob("*.ipynb"))


@pytest.mark.parametrize("name", PICTURES)
def test_as_committed(name):
    """Installs what is missing before anything else; can be made larger; ends on a check of its physics; holds no outputs, so that a
    difference between two versions shows what was changed."""
    notebook, code = read(name)
    nbformat.validate(notebook)
    assert notebook.cells[0].cell_type == "markdown" and notebook.cells[0].source.startswith("# ")
    assert notebook.cells[1] is code[0] and "import glassgpu\nexcept ImportError:\n    %pip install" in code[0].source
    assert 'SCALE = os.environ.get("GLASSGPU_NOTEBOOK_SCALE", "laptop")' in code[1].source
    assert any("\nassert " in cell.source for cell in code[-2:])
    assert all(not cell.outputs and cell.execution_count is None for cell in code)


@pytest.mark.parametrize("name", PICTURES)
def test_it_runs(name, tmp_path, monkeypatch):
    """In a kernel of this Python, in an empty folder; what any cell raises, its own asserts among them, is raised here."""
    here, own = tmp_path / "here", tmp_path / "own"
    here.mkdir()
    for variable, value in {
        "GLASSGPU_NOTEBOOK_SCALE": "smoke", "PLOTLY_RENDERER": "plotly_mimetype", "IPYTHONDIR": own, "JUPYTER_RUNTIME_DIR": own,
        "PYTHONPATH": os.pathsep.join([str(FOLDER.parent), os.environ.get("PYTHONPATH", "")]),
    }.items():  # fmt: skip
        monkeypatch.setenv(variable, str(value))
    notebook, code = read(name)
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(here)}}).execute()
    outputs = [output for cell in code for output in cell.outputs]
    kinds = [list(output.get("data", {})) for output in outputs]
    assert (sum(STILL in k for k in kinds), sum(MOVING in k for k in kinds)) == PICTURES[name]
    assert not [output.text for output in outputs if output.output_type == "stream" and output.name == "stderr"]  # warnings, bars
    assert not list(here.iterdir())  # nothing is left beside a user's notebook
