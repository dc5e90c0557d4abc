"""The doctor: it reports on broken installations, and so must survive them."""

from __future__ import annotations

import pytest

from glassgpu import compile as compiling
from glassgpu.cli import doctor


@pytest.fixture
def told(monkeypatch, capsys):
    """Run the doctor; its exit status and, by item, its lines."""

    def run():
        compiling.compiler.cache_clear()
        status = doctor.report()
        lines = capsys.readouterr().out.splitlines()
        return status, {line[8:24].strip(): line for line in lines if line[:7].strip().lower() in ("", "ok", "missing")}

    yield run
    monkeypatch.undo()
    compiling.compiler.cache_clear()


def test_a_sound_installation(told, monkeypatch):
    monkeypatch.setenv("GLASSGPU_DATA", "/somewhere")
    monkeypatch.delenv("GLASSGPU_CXX", raising=False)
    status, lines = told()
    assert status == 0
    for module, *_ in doctor.REQUIRED:
        assert lines[module].startswith("ok")
    assert "/somewhere" in lines["GLASSGPU_DATA"]
    assert "not set" in lines["GLASSGPU_CXX"]


@pytest.mark.parametrize(
    ("module", "source", "status", "words"),
    [
        ("xarray", "raise ImportError('libwhatever.so')", 1, "broken (ImportError: libwhatever.so); labelled arrays: pip install xarray"),
        ("tqdm", "import a_module_that_is_not_here", 1, "broken (No module named 'a_module_that_is_not_here')"),
        ("hoomd", "raise OSError('driver')", 0, "broken (OSError: driver)"),
        ("jax", "raise RuntimeError('an old processor')", 1, "broken (RuntimeError: an old processor)"),
    ],
)
def test_broken_libraries(told, tmp_path, monkeypatch, module, source, status, words):
    """The rest is still reported, and an optional library is no reason to fail."""
    import sys

    (tmp_path / f"{module}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, module, raising=False)
    found, lines = told()
    assert found == status
    assert lines[module].startswith("MISSING" if status else "missing")
    assert words in lines[module]
    assert lines["gsd"].startswith("ok")


@pytest.mark.parametrize(
    ("compiler", "words"),
    [
        ("no-such-compiler", "GLASSGPU_CXX='no-such-compiler' is not a command here"),
        (" ", "GLASSGPU_CXX=' ' is not a command here"),
        ("false", "GLASSGPU_CXX=false does not compile C++17"),
    ],
)
def test_a_bad_compiler_is_named(told, monkeypatch, compiler, words):
    monkeypatch.setenv("GLASSGPU_CXX", compiler)
    status, lines = told()
    assert status == 1
    assert words in lines["C++ compiler"]
    assert compiler in lines["GLASSGPU_CXX"]


def test_a_bad_number_of_threads_is_survived(told, monkeypatch):
    monkeypatch.setenv("GLASSGPU_THREADS", "many")
    _, lines = told()
    assert "GLASSGPU_THREADS='many'" in lines["GPU"]
    assert "many" in lines["GLASSGPU_THREADS"]
