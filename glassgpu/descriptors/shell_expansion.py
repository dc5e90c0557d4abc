"""Gaussian shells and bond-order shells with recursive averages (papers CMP and Boattini 2021)."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from glassgpu import validate
from glassgpu.descriptors.descriptor import Descriptor
from glassgpu.descriptors.shell_average import shell_average
from glassgpu.device import in_double
from glassgpu.structure.neighbors import Neighbors, neighbors
from glassgpu.types import Snapshot

TAIL = 5.0  # a shell at c with width delta counts neighbours up to c + 5 delta
CHUNK = 64  # particles in work at once
L_MAX = 12

# (first centre, last centre, number, delta): CMP I.C; CMP prints no delta, these follow Boattini
# et al., PRL 127, 088007 (2021).
RADIAL = ((0.86, 2.0, 46, 0.025), (2.05, 3.0, 20, 0.05), (3.1, 4.5, 15, 0.1))
ANGULAR = (1.0, 2.5, 16, 0.1)


@functools.cache
def _radial_kernel():
    import jax
    import jax.numpy as jnp

    @functools.partial(jax.jit, static_argnames="species")
    def radial(distance, type_of, centre, delta, species):
        """(n, k) distances and types -> (n, species, centres)."""

        def chunk(rows):
            r, kind = rows
            bell = jnp.exp(-((r[..., None] - centre) ** 2) / (2 * delta**2)) * (r[..., None] < centre + TAIL * delta)
            one_hot = (kind[..., None] == jnp.arange(species)).astype(r.dtype)
            return jnp.einsum("pks,pkc->psc", one_hot, bell, precision="highest")

        return _in_chunks(chunk, (distance, type_of), (species, centre.shape[0]))

    return radial


def _in_chunks(chunk, arrays, shape):
    """Map ``chunk`` over blocks of CHUNK rows; distances of padding rows are infinite."""
    import jax
    import jax.numpy as jnp

    n = arrays[0].shape[0]

    def cut(a):
        fill = jnp.inf if jnp.issubdtype(a.dtype, jnp.floating) and a.ndim == 2 else 0
        a = jnp.pad(a, ((0, -n % CHUNK),) + ((0, 0),) * (a.ndim - 1), constant_values=fill)
        return a.reshape(-1, CHUNK, *a.shape[1:])

    return jax.lax.map(chunk, tuple(cut(a) for a in arrays)).reshape(-1, *shape)[:n]


def _harmonics(u):
    """Y_l^m of unit vectors (..., 3) for l = 1 .. 12, m = 0 .. l, as real and imaginary columns
    weighted so that the sum of squares over the columns of one l is sum_m |q_lm|^2 4 pi/(2l+1)."""
    import jax.numpy as jnp

    x, y, z = u[..., 0], u[..., 1], u[..., 2]
    power_re, power_im = [jnp.ones_like(x)], [jnp.zeros_like(x)]
    for _ in range(L_MAX):  # (x + iy)^m
        re, im = power_re[-1], power_im[-1]
        power_re.append(re * x - im * y)
        power_im.append(re * y + im * x)
    columns = []
    legendre: dict[tuple[int, int], Any] = {(0, 0): jnp.ones_like(z)}
    for m in range(L_MAX + 1):  # P_lm / sin^m, without the sign (-1)^m
        if m:
            legendre[m, m] = (2 * m - 1) * legendre[m - 1, m - 1]
        if m < L_MAX:
            legendre[m + 1, m] = z * (2 * m + 1) * legendre[m, m]
        for l in range(m + 2, L_MAX + 1):
            legendre[l, m] = (z * (2 * l - 1) * legendre[l - 1, m] - (l + m - 1) * legendre[l - 2, m]) / (l - m)
    for l in range(1, L_MAX + 1):
        for m in range(l + 1):
            norm = math.sqrt(math.factorial(l - m) / math.factorial(l + m) * (1 if m == 0 else 2))
            columns += [norm * legendre[l, m] * power_re[m], norm * legendre[l, m] * power_im[m]]
    return jnp.stack(columns, axis=-1)


@functools.cache
def _angular_kernel():
    import jax
    import jax.numpy as jnp

    of_l = np.repeat(np.arange(L_MAX), [2 * (l + 1) for l in range(1, L_MAX + 1)])
    select = (of_l[:, None] == np.arange(L_MAX)).astype(float)

    @jax.jit
    def angular(distance, vector, centre, delta):
        """(n, k) distances, (n, k, 3) vectors -> (n, l, centres)."""

        def chunk(rows):
            r, v = rows
            inside = jnp.isfinite(r)
            unit = v / jnp.where(inside, r, 1.0)[..., None]
            bell = jnp.exp(-((r[..., None] - centre) ** 2) / (2 * delta**2)) * (r[..., None] < centre + TAIL * delta)
            q = jnp.einsum("pkc,pkm->pcm", bell, _harmonics(unit), precision="highest")
            z = bell.sum(axis=1)
            q = jnp.where(z[..., None] > 0, q / jnp.where(z > 0, z, 1.0)[..., None], 0.0)
            return jnp.sqrt(jnp.einsum("pcm,ml->plc", q**2, select, precision="highest"))

        return _in_chunks(chunk, (distance, vector), (L_MAX, centre.shape[0]))

    return angular


class ShellExpansion(Descriptor):
    """354 columns a generation for two species in three dimensions.

    Radial (per species s, then centre c): sum_j exp(-(r_ij - c)^2 / 2 delta^2) over j of species
    s. Angular (per l = 1 .. 12, then centre c): sqrt(4 pi / (2l+1) sum_m |q_lm|^2), with q_lm the
    Gaussian-weighted mean of Y_lm(r_ij) over neighbours of all species, 0 for an empty shell.
    Generation n + 1 is the ``shell_average`` of generation n.

    Args:
        generations: 1 to 3 in the paper; the columns of generation n end in ``[n]``.
        species: names by type number.
        radial: (first, last, number, delta) of each group of shells [length].
        angular: (first, last, number, delta) [length].
        r_c: of the averages [length].

    Source: CMP section I.C, equations 2 to 6 (order: species-major radial, l-major angular, then
    generation). Tails are cut at c + 5 delta.
    """

    dimensions = (3,)

    def __init__(
        self,
        generations: int = 1,
        species: Sequence[str] = ("A", "B"),
        radial: Sequence[tuple[float, float, int, float]] = RADIAL,
        angular: tuple[float, float, int, float] = ANGULAR,
        r_c: float = 2.1,
    ):
        self.generations = validate.whole("generations", generations, least=1)
        self.species = tuple(species)
        self.radial = tuple(radial)
        self.angular = angular
        self.r_c = validate.number("r_c", r_c, above=0)

    def __repr__(self) -> str:
        return f"ShellExpansion(generations={self.generations}, species={self.species}, radial={self.radial}, angular={self.angular}, r_c={self.r_c})"

    @property
    def reach(self) -> float:
        return max([last + TAIL * delta for _, last, _, delta in (*self.radial, self.angular)] + [self.r_c])

    @property
    def columns(self) -> list[str]:
        centres = np.concatenate([np.linspace(a, b, k) for a, b, k, _ in self.radial])
        first = [f"G_{s}({c:.3f})" for s in self.species for c in centres]
        first += [f"q_{l}({c:.2f})" for l in range(1, L_MAX + 1) for c in np.linspace(*self.angular[:3])]
        return [name + (f"[{n}]" if n else "") for n in range(self.generations) for name in first]

    def compute(self, snapshot: Snapshot) -> np.ndarray:
        """(N, 354 generations) float64 for two species."""
        near = neighbors(snapshot, self.reach)
        parts = [self._first_generation(snapshot, near)]
        for _ in range(1, self.generations):
            parts.append(shell_average(parts[-1], snapshot, self.r_c))
        return np.concatenate(parts, axis=1)

    def _first_generation(self, snapshot: Snapshot, near: Neighbors) -> np.ndarray:
        kinds = snapshot.types[near.index]
        groups = []
        for first, last, number, delta in self.radial:  # neighbours are sorted: near shells need few of them
            k = near.within(last + TAIL * delta)
            centre = np.linspace(first, last, number)
            groups.append(in_double(_radial_kernel(), near.distance[:, :k], kinds[:, :k], centre, float(delta), species=len(self.species)))
        radial = np.concatenate(groups, axis=2).reshape(snapshot.n, -1)
        first, last, number, delta = self.angular
        k = near.within(last + TAIL * delta)
        angular = in_double(_angular_kernel(), near.distance[:, :k], near.vector[:, :k], np.linspace(first, last, number), float(delta))
        return np.concatenate([radial, angular.reshape(snapshot.n, -1)], axis=1)
