"""LAMMPS dumps and extended XYZ: what LAMMPS, ASE and chemfiles write comes back, in every way coordinates can be given."""

from __future__ import annotations

import io

import ase
import ase.io
import chemfiles
import numpy as np
import pytest

import glassgpu as gg
from benchmarks.peers.lammps_md import _library, available
from glassgpu.errors import FileFormatError, InvalidInput, UnknownSpecies

LOW, HIGH = np.array([1.0, -3.0, 0.5]), np.array([5.0, 2.0, 6.5])
SIDES = HIGH - LOW


def liquid(n=40, d=3, seed=0):
    """Unwrapped positions, types from 0, velocities, in a box whose corner is not at zero."""
    random = np.random.default_rng([seed, d])
    unwrapped = LOW + random.uniform(-1, 2, (n, 3)) * SIDES
    unwrapped[:, d:] = 0.5 * (LOW + HIGH)[d:]
    return unwrapped, random.integers(0, 2, n), random.normal(size=(n, 3))


def dump(columns, table, n=None, flags="pp pp pp", bounds=None, step=0, before=""):
    """One frame, number for number as given."""
    lines = bounds or [f"{a:.17g} {b:.17g}" for a, b in zip(LOW, HIGH, strict=True)]
    head = f"ITEM: TIMESTEP\n{step}\n{before}ITEM: NUMBER OF ATOMS\n{len(table) if n is None else n}\nITEM: BOX BOUNDS {flags}\n"
    rows = [" ".join(f"{v:.17g}" if isinstance(v, float) else str(v) for v in row) for row in table]
    return head + "\n".join(lines) + f"\nITEM: ATOMS {columns}\n" + "".join(row + "\n" for row in rows)


def whole_boxes(a, b, box):
    """The largest difference that is not a whole number of sides."""
    turns = (a - b) / box
    return np.abs((turns - np.rint(turns)) * box).max()


WAYS = {
    "x y z": lambda u, i: LOW + (u - LOW) % SIDES,
    "xs ys zs": lambda u, i: ((u - LOW) % SIDES) / SIDES,
    "xu yu zu": lambda u, i: u,
    "xsu ysu zsu": lambda u, i: (u - LOW) / SIDES,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("d", [2, 3])
def test_every_way_to_give_places(tmp_path, way, d):
    unwrapped, types, velocity = liquid(d=d)
    image = np.floor((unwrapped - LOW) / SIDES).astype(int)
    given = WAYS[way](unwrapped, image)
    order = np.random.default_rng(1).permutation(len(types))
    table = [[*velocity[k].tolist(), k + 7 * (k > 20) + 1, *given[k].tolist(), *image[k].tolist(), int(types[k]) + 1, "x"] for k in order]
    path = tmp_path / "a.dump"
    path.write_text(dump(f"vx vy vz id {way} ix iy iz type c_mine", table))
    found = gg.io.read_lammps_dump(path)
    assert found.dimension == d and found.types.tolist() == types.tolist() and found.box.tolist() == SIDES[:d].tolist()
    np.testing.assert_array_equal(found.velocities, velocity[:, :d])
    np.testing.assert_allclose(found.positions + found.images * found.box, unwrapped[:, :d], atol=1e-12)
    assert (found.positions >= -found.box / 2).all() and (found.positions < found.box / 2).all()


def test_frames_asked_for(tmp_path):
    texts = [dump("id type x y z", [[k + 1, 1, *row] for k, row in enumerate(liquid(seed=s)[0].tolist())], step=s) for s in range(4)]
    path = tmp_path / "a.lammpstrj"
    path.write_text("".join(texts) + "\n\n")
    every = gg.io.read_lammps_dump(path)
    assert len(every) == 4
    for asked, expected in ((2, 2), (-1, 3), (slice(1, None), [1, 2, 3]), ([3, 0, 3], [3, 0, 3])):
        got = gg.io.read_lammps_dump(path, frames=asked)
        for a, k in zip([got] if isinstance(got, gg.Snapshot) else got, np.atleast_1d(expected), strict=True):
            np.testing.assert_array_equal(a.positions, every[k].positions)
    for wrong in (4, 1.5, [], "0"):
        with pytest.raises(InvalidInput, match="frames"):
            gg.io.read_lammps_dump(path, frames=wrong)
    path.write_text(texts[0])
    assert isinstance(gg.io.read_lammps_dump(path), gg.Snapshot)
    assert isinstance(gg.io.read_lammps_dump(path, frames=[0]), list)


def test_whole_boxes_and_the_order_of_lines_change_nothing(tmp_path):
    unwrapped, types, _ = liquid()
    table = [[k + 1, int(types[k]) + 1, *row] for k, row in enumerate(unwrapped.tolist())]
    (tmp_path / "a.dump").write_text(dump("id type x y z", table))
    moved = [[i, t, *(np.array(row) + [2, -1, 3] * SIDES).tolist()] for i, t, *row in table]
    (tmp_path / "b.dump").write_text(dump("id type x y z", np.array(moved, object)[np.random.default_rng(3).permutation(40)].tolist()))
    a, b = (gg.io.read_lammps_dump(tmp_path / f"{name}.dump") for name in "ab")
    np.testing.assert_allclose(b.positions, a.positions, atol=1e-12)
    assert b.types.tolist() == a.types.tolist() and a.images is None


def test_species(tmp_path):
    path = tmp_path / "a.dump"
    rows = [[2.0, 1.0, 1.0], [3.0, 1.0, 1.5], [4.0, 1.0, 2.0]]
    path.write_text(dump("type element x y z", [[t, e, *r] for (t, e), r in zip([(3, "B"), (1, "He"), (3, "B")], rows, strict=True)]))
    assert gg.io.read_lammps_dump(path).types.tolist() == [2, 0, 2]  # type t is t - 1, whichever frames are read
    assert gg.io.read_lammps_dump(path, species=("B", "He")).types.tolist() == [0, 1, 0]
    with pytest.raises(UnknownSpecies, match=r"species \['He'\], which are not in species=\('A', 'B'\)"):
        gg.io.read_lammps_dump(path, species=("A", "B"))
    path.write_text(dump("element x y z", [[e, *r] for e, r in zip(["B", "A", "10"], rows, strict=True)]))
    assert gg.io.read_lammps_dump(path).types.tolist() == [2, 1, 0]
    path.write_text(dump("type x y z", [[t, *r] for t, r in zip([3, 1, 3], rows, strict=True)]))
    assert gg.io.read_lammps_dump(path, species=(3, 1)).types.tolist() == [0, 1, 0]
    path.write_text(dump("x y z", rows))
    assert gg.io.read_lammps_dump(path).types.tolist() == [0, 0, 0]
    for wrong in ((), ("A", "A"), (1.5,), 5, (True,)):
        with pytest.raises(InvalidInput, match="give different names"):
            gg.io.read_lammps_dump(path, species=wrong)


GOOD = [[1, 1, 2.0, 1.0, 1.0], [2, 2, 3.0, 1.0, 1.5], [3, 1, 4.0, 1.0, 2.0]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (dump("id type x y z", GOOD, flags="xy xz yz pp pp pp", bounds=["1 5 0.5", "-3 2 0", "0.5 6.5 0"]), "tilted"),
        (dump("id type x y z", GOOD, flags="abc origin pp pp pp", bounds=["4 0 0 1"] * 3), "only rectangular"),
        (dump("id type x y z", GOOD, flags="pp pp ss"), "only periodic"),
        (dump("id type x y z", GOOD, bounds=["1 5", "2 -3", "0.5 6.5"]), "side must be positive"),
        (dump("id type x y z", GOOD, bounds=["1 5", "-3 nan", "0.5 6.5"]), "NaN"),
        (dump("id type x y z", GOOD, bounds=["1 5", "-3", "0.5 6.5"]), "three lines of 2 numbers"),
        (dump("id type x y z", GOOD, n=4), "ends after 3 of 4"),
        (dump("id type x y z", GOOD, n=2**40), "ends after 3 of 1099511627776"),
        (dump("id type x y z", GOOD, n=-3), "no number of atoms"),
        (dump("id type x y z", GOOD, n=1), "at least 2"),
        (dump("id type x y z", GOOD, n=2), "where an ITEM"),
        (dump("id type x y", GOOD), "5 columns; expected 4"),
        (dump("id type x y z", [*GOOD[:2], GOOD[1]]), "the id 2 is given twice"),
        (dump("id type x y z", [*GOOD[:2], [3, 1, 4.0, float("nan"), 2.0]]), "NaN"),
        (dump("id type x y z", [*GOOD[:2], [3, 1, "4.O", 1.0, 2.0]]), "x: could not convert"),
        (dump("id type x y z", [*GOOD[:2], [3, 1.5, 4.0, 1.0, 2.0]]), "types from 1 to 2"),
        (dump("id type x y z", [*GOOD[:2], [3, 0, 4.0, 1.0, 2.0]]), "LAMMPS numbers them 1, 2"),
        (dump("id type x y z", [*GOOD[:2], [3, 10**9, 4.0, 1.0, 2.0]]), "LAMMPS numbers them 1, 2"),
        (dump("id type x y yu", GOOD), "" ),
        (dump("id type x yu z", GOOD), "some coordinates are wrapped"),
        (dump("id type fx fy fz", GOOD), "no coordinates; the columns are id type fx"),
        (dump("id type x x z", GOOD), "a column twice"),
        (dump("id type x y z", GOOD).replace("ITEM: BOX", "ITEM: BIX"), "where an ITEM|before their number"),
        (dump("id type x y z", GOOD)[:60], "truncated"),
        ("ITEM: TIMESTEP\n0\n", "truncated"),
        ("", "holds no frames"),
        ("x" * 100_000, "longer than"),
        ("ITEM: \x00", "no text"),
    ],
)  # fmt: skip
def test_bad_dumps(tmp_path, text, message):
    path = tmp_path / "a.dump"
    path.write_text(text)
    if not message:
        assert gg.io.read_lammps_dump(path).dimension == 2
        return
    with pytest.raises(FileFormatError, match=message) as raised:
        gg.io.read_lammps_dump(path)
    assert str(path) in str(raised.value)


def test_frames_of_different_systems(tmp_path):
    path = tmp_path / "a.dump"
    path.write_text(dump("id type x y z", GOOD) + dump("id type x y z", GOOD[:2]))
    with pytest.raises(FileFormatError, match=r"2 particles in 3 .*, 3 particles in 3 dimensions; ask for them one by one"):
        gg.io.read_lammps_dump(path)
    assert gg.io.read_lammps_dump(path, frames=1).n == 2
    with pytest.raises(FileFormatError, match="cannot be read"):
        gg.io.read_lammps_dump(tmp_path)


# --- what other programs write


def test_files_of_a_run_of_lammps(tmp_path):
    """LAMMPS writes one run in six ways; positions unwrapped by hand from images are the reference."""
    if reason := available():
        pytest.skip(reason)
    run = _library().lammps(cmdargs=["-log", "none", "-screen", "none"])
    run.commands_string(
        f"""units lj
        atom_style atomic
        lattice fcc 1.2 origin 0.1 0.2 0.3
        region b block 1 4 2 5 -3 0
        create_box 2 b
        create_atoms 1 box
        set type 1 type/fraction 2 0.2 7
        mass * 1.0
        pair_style lj/cut 1.5
        pair_coeff * * 1.0 1.0
        velocity all create 1.0 5
        fix 1 all nve
        timestep 0.003
        dump a all custom 50 {tmp_path}/x.dump id type x y z vx vy vz ix iy iz
        dump b all custom 50 {tmp_path}/xs.dump type id xs ys zs ix iy iz
        dump c all custom 50 {tmp_path}/xu.dump id type xu yu zu
        dump d all custom 50 {tmp_path}/xsu.dump id element xsu ysu zsu
        dump e all atom 50 {tmp_path}/atom.dump
        dump f all extxyz 50 {tmp_path}/a.extxyz
        dump_modify a time yes units yes format float %.12g
        dump_modify b format float %.12g
        dump_modify c format float %.12g
        dump_modify d element A B format float %.12g
        dump_modify f element A B vel yes
        run 100"""
    )
    local = run.extract_global("nlocal")  # ghosts follow
    ids, types, place, velocity = (np.array(run.numpy.extract_atom(name))[:local] for name in ("id", "type", "x", "v"))
    order = np.argsort(ids)
    run.close()
    first = gg.io.read_lammps_dump(tmp_path / "x.dump")
    assert len(first) == 3 and first[0].n == len(order) == 108
    assert (first[2].types + 1).tolist() == types[order].tolist() and 0 < first[2].types.sum() < 108
    assert whole_boxes(first[2].positions, place[order], first[2].box) < 1e-10
    np.testing.assert_allclose(first[2].velocities, velocity[order], rtol=1e-10)
    for name, digits in (("xs", 1e-10), ("xu", 1e-10), ("xsu", 1e-10), ("atom", 1e-4), ("a", 1e-4)):
        path = next(tmp_path.glob(f"{name}.*"))
        for a, b in zip(first, gg.io.read(path), strict=True):
            assert a.types.tolist() == b.types.tolist() and whole_boxes(a.positions, b.positions, a.box) < digits
            if b.images is not None:
                np.testing.assert_allclose(a.positions + a.images * a.box, b.positions + b.images * b.box, atol=digits)
    assert first[2].images.any() and gg.io.read(tmp_path / "xu.dump")[2].images.any()


def test_against_the_readers_of_chemfiles_and_ase(tmp_path):
    """On what both read rightly: types by number, a box with its corner at zero, no gaps in the ids."""
    random = np.random.default_rng(5)
    table = [
        [k + 1, int(t), *row]
        for k, (t, row) in enumerate(zip(random.integers(1, 3, 30), random.uniform(0, 4, (30, 3)).tolist(), strict=True))
    ]
    path = tmp_path / "a.dump"
    path.write_text(dump("id type x y z", [table[k] for k in random.permutation(30)], bounds=["0 4", "0 5", "0 6"]))
    found = gg.io.read_lammps_dump(path)
    atoms = ase.io.read(path, format="lammps-dump-text")
    with chemfiles.Trajectory(str(path), "r", "LAMMPS") as trajectory:
        frame = trajectory.read()
        names = [int(atom.type) - 1 for atom in frame.atoms]
    for positions in (atoms.positions, frame.positions):
        assert whole_boxes(found.positions, positions, found.box) < 1e-12
    assert found.types.tolist() == names == (atoms.arrays["type"] - 1).tolist()


def test_extended_xyz_of_chemfiles_and_ase(tmp_path):
    random = np.random.default_rng(6)
    frame = chemfiles.Frame()
    places = random.uniform(-9, 9, (20, 3))
    names = random.choice(["B", "A", "C7"], 20).tolist()
    for name, place in zip(names, places, strict=True):
        frame.add_atom(chemfiles.Atom(name), place)
    frame.cell = chemfiles.UnitCell((4.0, 5.0, 6.0))
    with chemfiles.Trajectory(str(tmp_path / "c.xyz"), "w") as trajectory:
        trajectory.write(frame)
        trajectory.write(frame)
    both = gg.io.read_extxyz(tmp_path / "c.xyz")
    assert len(both) == 2 and both[1].types.tolist() == [["A", "B", "C7"].index(name) for name in names]
    assert whole_boxes(both[0].positions, places, both[0].box) < 1e-5 and both[0].box.tolist() == [4, 5, 6]
    assert gg.io.read_extxyz(tmp_path / "c.xyz", species=("C7", "A", "B"))[0].types.tolist() == [
        ["C7", "A", "B"].index(name) for name in names
    ]
    atoms = ase.Atoms(numbers=random.choice([1, 29, 40], 20), positions=places, cell=[4, 5, 6], pbc=True)
    velocity = random.normal(size=(20, 3))
    atoms.new_array("vel", velocity)
    ase.io.write(tmp_path / "e.xyz", atoms, format="extxyz", columns=["symbols", "vel", "positions"])
    found = gg.io.read_extxyz(tmp_path / "e.xyz")
    assert found.types.tolist() == [["Cu", "H", "Zr"].index(symbol) for symbol in atoms.symbols]
    np.testing.assert_allclose(found.velocities, velocity, atol=1e-7)
    assert whole_boxes(found.positions, places, found.box) < 1e-7 and found.images is None


LATTICE = 'Lattice="4 0 0 0 5 0 0 0 6"'
FULL = f"3\n{LATTICE} Properties=species:S:1:pos:R:3\nB 1 1 1\nA 2 2 2\nB 3 3 3.5\n"


def test_extended_xyz_in_detail(tmp_path):
    path = tmp_path / "a.xyz"
    path.write_text(FULL)
    found = gg.io.read_extxyz(path)
    assert found.types.tolist() == [1, 0, 1] and found.positions.tolist() == [[1, 1, 1], [-2, 2, 2], [-1, -2, -2.5]]
    path.write_text("3\nany words\nB 1 1 1\nA 2 2 2\nB 3 3 3.5\n\n")
    np.testing.assert_array_equal(gg.io.read_extxyz(path, box=[4, 5, 6]).positions, found.positions)
    with pytest.raises(FileFormatError, match="give box="):
        gg.io.read_extxyz(path)
    path.write_text(
        f"3\n{LATTICE} Time=0.5 Properties=id:I:1:velo:R:3:type:I:1:pos:R:3 pbc='T T T' x={{1 2}} \n3 9 9 9 2 3 3 3.5\n1 7 7 7 2 1 1 1\n2 8 8 8 1 2 2 2\n"
    )
    other = gg.io.read_extxyz(path)
    np.testing.assert_array_equal(other.positions, found.positions)
    assert other.types.tolist() == [1, 0, 1] and other.velocities[:, 0].tolist() == [7, 8, 9]
    path.write_text(f'3\n{LATTICE} pbc="T T F" Properties=species:S:1:pos:R:2\nB 1 1\nA 2 2\nB 3 3\n')
    assert gg.io.read_extxyz(path).box.tolist() == [4, 5]
    path.write_text(FULL.replace("3.5", "1").replace("2 2 2", "2 2 1"))
    assert gg.io.read_extxyz(path).dimension == 2
    with pytest.raises(InvalidInput, match="two or three sides"):
        gg.io.read_extxyz(path, box=[1])
    path.write_text(FULL + FULL.replace("A ", "D "))
    assert [s.types.tolist() for s in gg.io.read_extxyz(path)] == [[1, 0, 1], [1, 2, 1]]  # one numbering for all frames


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("3\nL", "4\nL", "truncated"),
        ("3\nL", "1099511627776\nL", "truncated"),
        ("3\nL", "-3\nL", "no number of particles"),
        ("3\nL", "3.0\nL", "no number of particles"),
        ("4 0 0 0 5", "4 0 1 0 5", "tilted"),
        ("4 0 0 0 5", "4 0 0 5", "nine numbers"),
        ("4 0 0 0 5", "4 0 0 0 inf", "NaN or infinite"),
        ("4 0 0 0 5", "-4 0 0 0 5", "side must be positive"),
        (" Prop", ' pbc="F F F" Prop', "only boxes that are periodic"),
        (" Prop", ' pbc="maybe" Prop', "three of T and F"),
        ("pos:R:3", "pos:R:4", "line 3 has 4 columns; expected 5"),
        ("pos:R:3", "pos:R:3000000000", "name:S, R, I or L:columns"),
        ("pos:R:3", "pos:R:0", "again and again"),
        ("pos:R:3", "pos:R", "again and again"),
        ("pos:R:3", "place:R:3", "no column pos"),
        ("species:S:1:pos", "pos:S:1:pos", "each name once"),
        ("A 2 2 2", "A 2 2 two", "pos: could not convert"),
        ("A 2 2 2", "A 2 2 nan", "NaN"),
        ("A 2 2 2", "A 2 2 1e300", "cannot be wrapped"),
        ("A 2 2 2", "A 2 2", "line 4 has 3 columns"),
        (FULL, "", "holds no frames"),
    ],
)
def test_bad_extended_xyz(tmp_path, old, new, message):
    path = tmp_path / "a.xyz"
    path.write_text(FULL.replace(old, new))
    with pytest.raises(FileFormatError, match=message):
        gg.io.read_extxyz(path)


def test_large_files(tmp_path):
    """1e5 particles, against numpy.savetxt and back."""
    random = np.random.default_rng(7)
    n = 100_000
    table = np.column_stack([random.permutation(n) + 1, random.integers(1, 3, n), random.uniform(0, 40, (n, 3))])
    text = io.StringIO()
    np.savetxt(text, table, fmt=["%d", "%d", "%.10g", "%.10g", "%.10g"])
    (tmp_path / "a.dump").write_text(dump("id type x y z", [], n=n, bounds=["0 40"] * 3) + text.getvalue())
    found = gg.io.read_lammps_dump(tmp_path / "a.dump")
    table = table[np.argsort(table[:, 0])]
    assert whole_boxes(found.positions, table[:, 2:], found.box) < 1e-7 and (found.types + 1 == table[:, 1]).all()
