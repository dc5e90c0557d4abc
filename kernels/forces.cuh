// The loop over a particle's neighbour list, written once for every pair law, and the force on it.
#pragma once
#include "lists.cuh"

struct Force {
  real component[D];
  real energy;  // half of every pair's energy
  real virial;  // half of every pair's r . f
};

// The positions now of the LANES neighbours that begin at `entry`.
GG_FUNCTION Positions read_neighbours(const Workspace& w, const index_t* entry) {
#if GG_VECTORS
  return read_records(w.packed, entry);
#else
  Positions out;
  out.x = w.packed[*entry];
  out.y = w.packed[w.n + *entry];
  out.z = w.packed[(D - 1) * w.n + *entry];
  return out;
#endif
}

// The constants of pairs of species a with the LANES neighbours at hand, in a list that mixes species.
#if GG_VECTORS
GG_FUNCTION LaneConstants constants_of(const Workspace& w, int a, const Positions& at, index_t) {
  LaneConstants c;
  const PairConstants* row = w.pairs + a * SPECIES;
  for (int s = 0; s < SPECIES; ++s) {
    const auto of = at.species == everywhere_packed(static_cast<packed_t>(s));
    auto choose = [&](lanes& x, real value) { x = s == 0 ? everywhere(value) : select(of, everywhere(value), x); };
    choose(c.cut2, row[s].cut2), choose(c.repulsion, row[s].repulsion), choose(c.attraction, row[s].attraction);
    choose(c.shift, row[s].shift), choose(c.inner, row[s].inner), choose(c.quartic0, row[s].quartic0);
    choose(c.quartic1, row[s].quartic1), choose(c.quartic2, row[s].quartic2), choose(c.quartic3, row[s].quartic3);
    choose(c.quartic4, row[s].quartic4), choose(c.over_sigma2, row[s].over_sigma2), choose(c.epsilon, row[s].epsilon);
  }
  return c;
}
#else
GG_FUNCTION const PairConstants& constants_of(const Workspace& w, int a, const Positions&, index_t j) {
  return w.pairs[a * SPECIES + w.types[j]];
}
#endif

// Calls visit(neighbours, constants of the pairs with species a, entries) for every LANES entries
// of particle i's list, or for the share of them that member `rank` of `width` takes.
template <class Visit>
GG_FUNCTION void over_neighbours(const Workspace& w, int i, int a, int rank, int width, Visit visit) {
  const int stride = list_stride(w);
  int k = rank * LANES;
  for (int s = 0; s < RUNS; ++s) {
    const int end = w.list_end[s * w.n + i];
#if GG_LISTS
    for (const index_t* entry = list_entry(w, i, k); k < end; k += width * LANES, entry += width * LANES * stride) {
      const Positions at = read_neighbours(w, entry);
      visit(at, constants_of(w, a, at, *entry), entry);
    }
#else
    const PairConstants constants = w.pairs[a * SPECIES + s];
    for (const index_t* entry = list_entry(w, i, k); k < end; k += width * LANES, entry += width * LANES * stride)
      visit(read_neighbours(w, entry), constants, entry);
#endif
  }
}

template <bool ENERGY>
GG_FUNCTION Force force_on(const Workspace& w, int i) {
  const packed_lanes xi = everywhere_packed(w.packed[packed_at(w, i, 0)]);
  const packed_lanes yi = everywhere_packed(w.packed[packed_at(w, i, 1)]);
  const packed_lanes zi = everywhere_packed(w.packed[packed_at(w, i, D - 1)]);
  const Box box = w.box;
  lanes fx{}, fy{}, fz{}, energy{}, virial{};
  over_neighbours(w, i, w.types[i], 0, 1, [&](const Positions& at, const auto& constants, const index_t*) {
    const lanes dx = apart(xi, at.x, box, 0);
    const lanes dy = apart(yi, at.y, box, 1);
    lanes r2 = fused(dy, dy, dx * dx), dz{};
    if (D == 3) {
      dz = apart(zi, at.z, box, D - 1);
      r2 = fused(dz, dz, r2);
    }
    lanes over_r, potential;
    pair_lj<ENERGY>(constants, r2, over_r, potential);
    fx = fused(over_r, dx, fx);
    fy = fused(over_r, dy, fy);
    if (D == 3) fz = fused(over_r, dz, fz);
    if (ENERGY) {
      energy += potential;
      virial = fused(over_r, r2, virial);
    }
  });
  Force out;
  out.component[0] = sum_of(fx);
  out.component[1] = sum_of(fy);
  if (D == 3) out.component[D - 1] = sum_of(fz);
  out.energy = real(0.5) * sum_of(energy);
  out.virial = real(0.5) * sum_of(virial);
  return out;
}

// The potential energy and virial of all particles, as they stand.
struct Interaction {
  double potential, virial;
};

GG_FUNCTION Interaction total_interaction(const Workspace& w) {
  phase(w.n, [&](int i) {
    const Force f = force_on<true>(w, i);
    w.energy[i] = f.energy;
    w.virial[i] = f.virial;
  });
  Interaction total;
  total.potential = block_sum(w.n, [&](int i) { return static_cast<double>(w.energy[i]); });
  total.virial = block_sum(w.n, [&](int i) { return static_cast<double>(w.virial[i]); });
  return total;
}
