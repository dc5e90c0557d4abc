// The force on one particle: the loop over its neighbour list, written once for every pair law.
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

template <bool ENERGY>
GG_FUNCTION Force force_on(const Workspace& w, int i) {
  const packed_lanes xi = everywhere_packed(w.packed[packed_at(w, i, 0)]);
  const packed_lanes yi = everywhere_packed(w.packed[packed_at(w, i, 1)]);
  const packed_lanes zi = everywhere_packed(w.packed[packed_at(w, i, D - 1)]);
  const Box box = w.box;
  const int stride = list_stride(w);
  lanes fx{}, fy{}, fz{}, energy{}, virial{};
  int k = 0;
  for (int s = 0; s < SPECIES; ++s) {
    const PairConstants constants = w.pairs[w.types[i] * SPECIES + s];
    const int end = w.list_end[s * w.n + i];
    for (const index_t* entry = list_entry(w, i, k); k < end; k += LANES, entry += LANES * stride) {
      const Positions at = read_neighbours(w, entry);
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
    }
  }
  Force out;
  out.component[0] = sum_of(fx);
  out.component[1] = sum_of(fy);
  if (D == 3) out.component[D - 1] = sum_of(fz);
  out.energy = real(0.5) * sum_of(energy);
  out.virial = real(0.5) * sum_of(virial);
  return out;
}
