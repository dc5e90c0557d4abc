"""Slow, obvious forms of what the kernels and descriptors compute."""

from __future__ import annotations

import numpy as np

from glassgpu import Snapshot, System
from glassgpu.systems.system import smooth_coefficients


def pair_energy(system: System, a: int, b: int, r: np.ndarray) -> np.ndarray:
    """U_ab(r), written from the definitions of the project notes, section 1."""
    sigma, epsilon, cut = system.sigma[a, b], system.epsilon[a, b], system.cutoff[a, b]
    lj = 4 * epsilon * ((sigma / r) ** 12 - (sigma / r) ** 6)
    if system.law == "shifted":
        value = lj - 4 * epsilon * ((sigma / cut) ** 12 - (sigma / cut) ** 6)
    else:
        inner = system.inner[a, b]
        constant, *quartic = smooth_coefficients(sigma, epsilon, inner, cut)
        x = r - inner
        value = np.where(r < inner, lj + constant, sum(c * x**k for k, c in enumerate(quartic)))
    return np.where(r < cut, value, 0.0)


def pair_slope(system: System, a: int, b: int, r: np.ndarray) -> np.ndarray:
    """dU_ab/dr by differentiating each branch by hand."""
    sigma, epsilon, cut = system.sigma[a, b], system.epsilon[a, b], system.cutoff[a, b]
    value = 4 * epsilon * (-12 * sigma**12 / r**13 + 6 * sigma**6 / r**7)
    if system.law == "smooth":
        inner = system.inner[a, b]
        _, _, *c = smooth_coefficients(sigma, epsilon, inner, cut)
        x = r - inner
        value = np.where(r < inner, value, c[0] + 2 * c[1] * x + 3 * c[2] * x**2 + 4 * c[3] * x**3)
    return np.where(r < cut, value, 0.0)


def all_pairs(system: System, positions: np.ndarray, types: np.ndarray, box: np.ndarray):
    """Energy per particle, forces and virial by looking at every pair."""
    n = len(positions)
    energy, force, virial = np.zeros(n), np.zeros_like(positions), 0.0
    for i in range(n):
        apart = positions[i] - positions
        apart -= box * np.rint(apart / box)
        r = np.linalg.norm(apart, axis=1)
        for s in range(len(system.species)):
            of = (types == s) & (np.arange(n) != i)
            energy[i] += 0.5 * pair_energy(system, types[i], s, r[of]).sum()
            slope = pair_slope(system, types[i], s, r[of])
            force[i] -= (slope / r[of]) @ apart[of]
            virial -= 0.5 * (slope * r[of]).sum()
    return energy, force, virial


def velocity_verlet(system: System, start: Snapshot, dt: float, steps: int, chain=None):
    """Unwrapped positions and velocities after each step; ``chain`` = (T, time) adds a
    Nose-Hoover chain of three, each half step written out link by link. T is a number, or one for each step."""
    x, v, mass = start.positions.copy(), start.velocities.copy(), system.mass[start.types][:, None]
    force = all_pairs(system, x, start.types, start.box)[1]
    freedom = x.shape[1] * (len(x) - 1)
    xi = np.zeros(3)
    out = []

    def thermostat(v, h, step):
        temperature, time = np.broadcast_to(chain[0], steps)[step], chain[1]
        q = np.array([freedom, 1, 1]) * temperature * time**2

        def push(k):
            drive = (mass * v**2).sum() - freedom * temperature if k == 0 else q[k - 1] * xi[k - 1] ** 2 - temperature
            damp = np.exp(-xi[k + 1] * h / 4) if k < 2 else 1.0
            xi[k] = (xi[k] * damp + drive / q[k] * h / 2) * damp

        for k in (2, 1, 0):
            push(k)
        v = v * np.exp(-xi[0] * h)
        for k in (0, 1, 2):
            push(k)
        return v

    for step in range(steps):
        if chain:
            v = thermostat(v, dt / 2, step)
        v = v + 0.5 * dt * force / mass
        x = x + dt * v
        force = all_pairs(system, x, start.types, start.box)[1]
        v = v + 0.5 * dt * force / mass
        if chain:
            v = thermostat(v, dt / 2, step)
        out.append((x.copy(), v.copy()))
    return out


def langevin(system: System, start: Snapshot, order: np.ndarray, dt: float, temperature: np.ndarray, time: float, key: int):
    """Unwrapped positions and velocities after each step of the splitting BAOAB, with a temperature for each step and the random
    numbers of kernels/langevin.cuh, which count particles in the order of the run."""
    x, v, mass = start.positions.copy(), start.velocities.copy(), system.mass[start.types][:, None]
    force = all_pairs(system, x, start.types, start.box)[1]
    keep, rank, out = np.exp(-dt / time), np.argsort(order), []
    for step, t in enumerate(temperature, start=1):
        normal = np.empty_like(x)
        for i in range(len(x)):
            u = (np.array(philox(key, (step, 0, int(rank[i]), 1))) + 0.5) / 2**32
            radius, angle = np.sqrt(-2 * np.log(u[[0, 2]])), 2 * np.pi * (u[[1, 3]] - 0.5 / 2**32)
            normal[i] = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).ravel()[: x.shape[1]]
        v = v + 0.5 * dt * force / mass
        x = x + 0.5 * dt * v
        v = keep * v + np.sqrt((1 - keep**2) * t / mass) * normal
        x = x + 0.5 * dt * v
        force = all_pairs(system, x, start.types, start.box)[1]
        v = v + 0.5 * dt * force / mass
        out.append((x.copy(), v.copy()))
    return out


def philox(key: int, counter: tuple[int, int, int, int]) -> list[int]:
    """Philox-4x32-10 as Salmon et al. print it."""
    c, k = list(counter), [key & 0xFFFFFFFF, key >> 32]
    for _ in range(10):
        p, q = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(q >> 32) ^ c[1] ^ k[0], q & 0xFFFFFFFF, (p >> 32) ^ c[3] ^ k[1], p & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


def energy_of_one(system: System, i: int, x: np.ndarray, positions: np.ndarray, types: np.ndarray, box: np.ndarray) -> float:
    """The energy of particle i at x with all others."""
    apart = x - positions
    apart -= box * np.rint(apart / box)
    r = np.linalg.norm(apart, axis=1)
    others = np.arange(len(r)) != i
    return sum(pair_energy(system, types[i], s, r[others & (types == s)]).sum() for s in range(len(system.species)))


def metropolis(system: System, start: Snapshot, order: np.ndarray, temperature, step: float, exchange, key: int, sweeps: int):
    """Positions, types and counts after each sweep of a Metropolis chain, trial by trial, in the
    order of the particles and with the random numbers of kernels/trials.cuh; a temperature, or one for each sweep."""
    x, types, box = start.positions.copy(), start.types.copy(), start.box
    n, d, s = start.n, start.dimension, len(system.species)
    counts = {"displacements": [0, 0], "exchanges": np.zeros((s, s, 2), int)}
    out, trial = [], 0
    for t in np.broadcast_to(temperature, sweeps):
        for _ in range(n):
            word = philox(key, (trial & 0xFFFFFFFF, trial >> 32, 0, 0))
            more = philox(key, (trial & 0xFFFFFFFF, trial >> 32, 0, 1))
            trial += 1
            i, threshold = order[word[0] * n >> 32], -t * np.log((word[3] + 0.5) / 2**32)
            if exchange and more[1] <= int(exchange * 4294967295.0):
                j = order[more[2] * n >> 32]
                pair = tuple(sorted((types[i], types[j])))
                if pair[0] == pair[1]:
                    continue
                after = types.copy()
                after[[i, j]] = types[[j, i]]
                # the pair of both counts twice on either side, alike
                cost = sum(energy_of_one(system, k, x[k], x, after, box) - energy_of_one(system, k, x[k], x, types, box) for k in (i, j))
                counts["exchanges"][pair] += (1, cost <= threshold)
                if cost <= threshold:
                    types = after
            else:
                words = [word[1], word[2], more[0]][:d]
                new = x[i] + step * np.array([((w >> 8) - 2**23 + 0.5) / 2**24 for w in words])
                accept = energy_of_one(system, i, new, x, types, box) - energy_of_one(system, i, x[i], x, types, box) <= threshold
                counts["displacements"][0] += 1
                counts["displacements"][1] += int(accept)
                if accept:
                    x[i] = new
        out.append((x.copy(), types.copy(), {"displacements": list(counts["displacements"]), "exchanges": counts["exchanges"].copy()}))
    return out


def ranks(x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(rows, N) ranks of all points around some, by a full sort of their squared distances: equal ones by index, and 0 for itself."""
    distance = np.zeros((len(rows), len(x)))
    for column in x.T:
        distance += (column[rows, None] - column) ** 2
    distance[np.arange(len(rows)), rows] = -1
    order = np.argsort(distance, axis=1, kind="stable")
    out = np.empty_like(order)
    np.put_along_axis(out, order, np.arange(len(x))[None], axis=1)
    return out


def information_imbalance(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """Delta(A -> B) and Delta(B -> A) of columns (N, columns), from ranks."""
    n, forward, backward = len(a), 0, 0
    for rows in np.array_split(np.arange(n), -(-n // 500)):
        of_a, of_b = ranks(a, rows), ranks(b, rows)
        forward += int(of_b[of_a == 1].sum())
        backward += int(of_a[of_b == 1].sum())
    return 2 * forward / n**2, 2 * backward / n**2


def contact_order(s: Snapshot, radius: np.ndarray, events: int) -> tuple[list[tuple[int, int]], np.ndarray]:
    """Event-driven dynamics of N hard spheres of equal mass that foresees every pair anew after every collision:
    partners and times of the first collisions. Each pair meets where |x + v t| is the sum of the radii."""
    x, v, n = s.positions.copy(), s.velocities.copy(), s.n
    i, j = np.triu_indices(n, 1)
    reach2 = (radius[i] + radius[j]) ** 2
    partners, times, now = [], [], 0.0
    for _ in range(events):
        apart = x[j] - x[i]
        apart -= s.box * np.rint(apart / s.box)
        fast = v[j] - v[i]
        a, b, c = (fast * fast).sum(1), (apart * fast).sum(1), (apart * apart).sum(1) - reach2
        meet = (b < 0) & (b * b >= a * c)
        until = np.where(meet, (-b - np.sqrt(np.where(meet, b * b - a * c, 0))) / a, np.inf)
        k = int(until.argmin())
        x += v * until[k]
        now += until[k]
        p, q = i[k], j[k]
        line = x[q] - x[p]
        line -= s.box * np.rint(line / s.box)
        line /= np.linalg.norm(line)
        exchanged = line * (line @ (v[q] - v[p]))
        v[p] += exchanged
        v[q] -= exchanged
        partners.append((int(p), int(q)))
        times.append(now)
    return partners, np.array(times)


def mixture_contacts(packing: float, sigma: np.ndarray, share: np.ndarray) -> tuple[np.ndarray, float]:
    """Contact values g_ab and compressibility factor of a mixture of additive hard spheres (Boublik, J. Chem. Phys. 53, 471
    (1970); Mansoori, Carnahan, Starling and Leland, J. Chem. Phys. 54, 1523 (1971)); diameters ``sigma``, shares of the number."""
    density = packing / (np.pi / 6 * (share * sigma**3).sum())
    moment = [np.pi / 6 * density * (share * sigma**k).sum() for k in range(4)]
    free = 1 - moment[3]
    mean = np.outer(sigma, sigma) / (sigma[:, None] + sigma)
    contact = 1 / free + 3 * moment[2] / free**2 * mean + 2 * moment[2] ** 2 / free**3 * mean**2
    diameter = (sigma[:, None] + sigma) / 2
    return contact, float(1 + 2 * np.pi / 3 * density * (np.outer(share, share) * diameter**3 * contact).sum())
