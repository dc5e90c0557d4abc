"""A disk that fills and a folder that turns read-only, under everything that writes (tests/hostile_places.py)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
from hostile_places import TROUBLE, WRITERS

PLAIN = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]  # root, but for its privilege to write everywhere
MOUNTS = ["unshare", "--map-root-user", "--mount"]


def survive(folder, kinds, prefix):
    command = [*prefix, sys.executable, "-W", "error", "-m", "tests.hostile_places", str(folder), *kinds]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    told = [line.partition(":")[0] for line in done.stdout.splitlines() if "written" in line]
    assert told == [f"{kind}, {name}" for name in WRITERS for kind in kinds]


def test_limits_and_permissions(tmp_path):
    if os.getuid() == 0 and not shutil.which("setpriv"):
        pytest.skip("root may write everywhere, and setpriv (util-linux) is not there to take that from it")
    survive(tmp_path, ["limit", "permissions"], PLAIN if os.getuid() == 0 else [])


def test_full_disks_and_read_only_mounts(tmp_path):
    try:
        subprocess.run([*MOUNTS, "mount", "-t", "tmpfs", "tmpfs", str(tmp_path)], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"this machine does not let us mount a small disk of our own: {error}")
    survive(tmp_path, [kind for kind in TROUBLE if kind not in ("limit", "permissions")], MOUNTS)
