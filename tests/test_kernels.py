"""Compilers, readers, argument structs, random numbers."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import numpy as np
import pytest

import glassgpu as gg
from glassgpu import compile as compiling
from glassgpu import launch
from glassgpu.descriptors.behler_parrinello import ANGULAR, angular_tables

# Spilled bytes of each kernel at most, as measured when it was written; a rise is a regression.
SPILLS_WATCHED = 384  # of run_md with noise and scores
SPILLS = {
    "run_md": 256,
    "run_mc": 0,
    "run_edmd": 0,
    "run_energy": 0,
    "run_quench": 384,
    "run_walk": 256,
    "run_shells": 0,
    "run_coarse_grain": 0,
    "run_symmetry": 0,
    "run_softness": 0,
    "run_elastic_net": 40,
    "run_imbalance": 0,
    "check_philox": 0,
}
STRUCTS = {
    "run_md": "MdArguments", "run_mc": "McArguments", "run_edmd": "EdmdArguments", "run_energy": "EnergyArguments", "run_quench": "QuenchArguments", "run_shells": "ShellsArguments",
    "run_coarse_grain": "CoarseArguments", "run_symmetry": "SymmetryArguments", "run_softness": "SoftnessArguments", "run_elastic_net": "ElasticNetArguments",
    "run_walk": "WalkArguments", "run_imbalance": "ImbalanceArguments", "check_philox": "PhiloxArguments",
}  # fmt: skip
DOUBLE_ONLY = (
    "run_edmd",
    "run_walk",
    "run_shells",
    "run_coarse_grain",
    "run_symmetry",
    "run_softness",
    "run_elastic_net",
    "run_imbalance",
)
KNOWN = [  # Random123, kat_vectors, philox4x32 10: counter, key, words
    ([0, 0, 0, 0], 0, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([0xFFFFFFFF] * 4, 0xFFFFFFFFFFFFFFFF, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    ([0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344], 0x299F31D0A4093822, [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]),
]


def philox_words(target):
    """The known answers as a target computes them; shared with benchmarks/gpu_check.py."""
    constants = target.compile_constants(1, {"DIMENSION": 3, "SPECIES": 1, "LAW": 0, "DOUBLE": 0})
    xp = target.xp
    word = xp.zeros((len(KNOWN), 4), np.uint32)
    counter, key = xp.asarray(np.array([k[0] for k in KNOWN], np.uint32)), xp.asarray(np.array([k[1] for k in KNOWN], np.uint64))
    arguments = launch.fill("PhiloxArguments", constants, {"replicas": len(KNOWN), "key": key, "counter": counter, "word": word})
    target.run("check_philox", "PhiloxArguments", constants, arguments, 2, 1)
    return target.to_numpy(word)


@pytest.mark.parametrize(
    "target",
    [launch.Cpu(1), launch.Cpu(2), launch.Cpu(1, shuffled=True), launch.Cpu(1, strict=True)],
    ids=["one thread", "two threads", "shuffled", "strict"],
)
def test_philox_known_answers(target):
    assert philox_words(target).tolist() == [k[2] for k in KNOWN]


def builds_of(kernel):
    """Every build of a kernel for GPUs: constants by what tells them apart."""
    kinds = [(double, {"THREADS": 256}) for double in ((1,) if kernel in DOUBLE_ONLY else (0, 1))]
    if kernel == "run_mc":  # without and with exchanges
        kinds = [(0, {"LISTS": 1, "SCALED": 1, "THREADS": 32}), (1, {"LISTS": 2, "SCALED": 0, "THREADS": 32})]
    if kernel == "run_md":  # as most runs are, and with all that can be asked for
        kinds += [(double, {"THREADS": 256, "NOISE": 1, "SCORES": 1}) for double in (0, 1)]
    if kernel == "run_edmd":
        kinds = [(1, {"LISTS": 1, "SCALED": 1, "THREADS": 32, "ALONE": 1, "SHARED_POSITIONS": 0})]
    if kernel == "run_symmetry":
        kinds = [(1, {"THREADS": 32, **angular_tables(ANGULAR)})]
    if kernel == "run_softness":
        kinds = [(1, {"THREADS": 32})]
    shapes = {"run_softness": [(3, 2, 0)], "run_edmd": [(3, 2, 2)]}.get(kernel, [(3, 2, 0), (2, 3, 1)])
    return [
        {
            "DIMENSION": dimension, "SPECIES": species, "LAW": law, "DOUBLE": double, "STRICT": 0, "WIDE_INDEX": 0, "SHARED_POSITIONS": 1,
            **more,
        }
        for double, more in kinds for dimension, species, law in shapes
    ]  # fmt: skip


def in_short(kernel, arch):
    """One build on each architecture, among them the two that differ most; ``make validate`` has them all."""
    builds = builds_of(kernel)
    return {"sm_75": builds[:1], "sm_80": builds[-1:], "sm_90": builds[:1]}[arch]


def compiled(kernel, arch, builds, record_property):
    """Without a GPU or a driver; registers and spills are printed and bounded."""
    try:
        compiling.nvrtc()
    except gg.errors.DeviceMissing as error:
        pytest.skip(str(error))
    for constants in builds:
        size = launch.struct_dtype(STRUCTS[kernel], constants).itemsize
        _, report = compiling.cubin(kernel, {**constants, "ARGUMENTS_SIZE": size}, arch)
        registers = int(re.search(r"Used (\d+) registers", report).group(1))
        spills = max(int(s) for s in re.findall(r"(\d+) bytes spill stores", report))
        lists = f", lists {constants['LISTS']}" if "LISTS" in constants else ", noise and scores" if "SCORES" in constants else ""
        kind = f"{kernel} {arch} d={constants['DIMENSION']} {'double' if constants['DOUBLE'] else 'single'}{lists}"
        record_property("compiled", f"{kind}: {registers} registers, {spills} bytes spilled")
        assert registers <= 255
        assert spills <= (SPILLS_WATCHED if "SCORES" in constants else SPILLS[kernel]), kind


@pytest.mark.parametrize("arch", ["sm_75", "sm_80", "sm_90"])
@pytest.mark.parametrize("kernel", list(STRUCTS))
def test_kernels_compile_for_gpus(arch, kernel, record_property):
    compiled(kernel, arch, in_short(kernel, arch), record_property)


@pytest.mark.validate
@pytest.mark.parametrize("arch", ["sm_75", "sm_80", "sm_90"])
@pytest.mark.parametrize("kernel", list(STRUCTS))
def test_every_build_compiles_for_gpus(arch, kernel, record_property):
    compiled(kernel, arch, builds_of(kernel), record_property)


def test_flags_keep_ieee_arithmetic():
    flags = " ".join((*compiling.HOST_FLAGS, *compiling.DEVICE_FLAGS))
    for banned in ("-ffast-math", "-Ofast", "-funsafe-math", "-ffinite-math", "--use_fast_math"):
        assert banned not in flags


def test_loading_kernels_leaves_the_floating_point_mode_alone():
    """-Ofast would flush denormal numbers in the whole process when its library is loaded."""
    code = (
        "import numpy as np, glassgpu as gg\n"
        "s = gg.systems.kob_andersen(n=200, density=1.0); gg.energy(s, s.random_snapshot(1), backend='cpu')\n"
        "tiny = np.float32(1e-40) * np.ones(1000, np.float32)\n"
        "assert (tiny * np.float32(0.5) > 0).all(); assert np.isnan(np.sqrt(-np.ones(3, np.float64))).all()"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


def test_import_is_light():
    """No device, no compiler, no heavy module on import."""
    code = "import sys, glassgpu; bad = {'jax', 'cupy', 'freud', 'xarray', 'matplotlib', 'sklearn', 'zarr', 'pandas'} & set(sys.modules); assert not bad, bad"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_arguments_are_checked():
    constants = launch.Cpu(1).compile_constants(1, {"DIMENSION": 3, "SPECIES": 1, "LAW": 0, "DOUBLE": 0})
    good = {"replicas": 1, "key": np.zeros(1, np.uint64), "counter": np.zeros((1, 4), np.uint32), "word": np.zeros((1, 4), np.uint32)}
    launch.fill("PhiloxArguments", constants, good)
    with pytest.raises(TypeError, match="wants contiguous uint64"):
        launch.fill("PhiloxArguments", constants, {**good, "key": np.zeros(1)})
    with pytest.raises(TypeError, match="takes"):
        launch.fill("PhiloxArguments", constants, {**good, "extra": 1})


def test_a_cache_that_others_can_write_is_refused(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("GLASSGPU_CACHE", str(folder))
    assert compiling.cache_folder() == folder
    os.chmod(folder, 0o777)
    with pytest.raises(gg.errors.CacheRefused, match="chmod 700"):
        compiling.cache_folder()


def test_the_key_follows_text_constants_and_flags(monkeypatch):
    before = compiling._key("run_md", ("-O3",))
    assert before != compiling._key("run_md", ("-O2",))
    changed = {**compiling.sources(), "box.cuh": compiling.sources()["box.cuh"] + "\n"}
    monkeypatch.setattr(compiling, "sources", lambda: changed)
    assert before != compiling._key("run_md", ("-O3",))


def test_no_compiler_is_a_named_error(monkeypatch):
    monkeypatch.setenv("GLASSGPU_CXX", "no-such-compiler")
    compiling.compiler.cache_clear()
    with pytest.raises(gg.errors.CompilerMissing, match="apt install"):
        compiling.compiler()
    compiling.compiler.cache_clear()


def test_a_refused_kernel_shows_the_compilers_words(monkeypatch):
    broken = {**compiling.sources(), "check_philox.cu": "this is not C++"}
    monkeypatch.setattr(compiling, "sources", lambda: broken)
    with pytest.raises(gg.errors.CompilationFailed, match="error"):
        compiling.library("check_philox", {"DOUBLE": 0, "ARGUMENTS_SIZE": 1})
