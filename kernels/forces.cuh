// The force on one particle: the loop over its neighbour list, written once for every pair law.
#pragma once
#include "lists.cuh"

struct Force {
  real component[D];
  real energy;  // half of every pair's energy
  real virial;  // half of every pair's r . f
};

template <bool ENERGY>
GG_FUNCTION Force force_on(const Workspace& w, int i) {
  const packed_t *X = w.packed, *Y = w.packed + w.n, *Z = w.packed + (D - 1) * w.n;
  const packed_t xi = X[i], yi = Y[i], zi = Z[i];
  const Box box = w.box;
  const int stride = list_stride(w);
  real fx = 0, fy = 0, fz = 0, energy = 0, virial = 0;
  int begin = 0;
  for (int s = 0; s < SPECIES; ++s) {
    const PairConstants constants = w.pairs[w.types[i] * SPECIES + s];
    const int count = (w.list_end[s * w.n + i] - begin) / LANES * LANES;  // tells the compiler: no remainder
    const index_t* entry = list_entry(w, i, begin);
    GG_VECTOR_SUM(fx, fy, fz, energy, virial)
    for (int k = 0; k < count; ++k) {
      const int j = entry[int64(k) * stride];
      const real dx = apart(xi, X[j], box, 0);
      const real dy = apart(yi, Y[j], box, 1);
      const real dz = D == 3 ? apart(zi, Z[j], box, D - 1) : real(0);
      real r2 = fused(dy, dy, dx * dx);
      if (D == 3) r2 = fused(dz, dz, r2);
      real over_r, potential;
      pair_lj<ENERGY>(constants, r2, over_r, potential);
      fx = fused(over_r, dx, fx);
      fy = fused(over_r, dy, fy);
      if (D == 3) fz = fused(over_r, dz, fz);
      if (ENERGY) {
        energy += potential;
        virial = fused(over_r, r2, virial);
      }
    }
    begin += count;
  }
  Force out;
  out.component[0] = fx;
  out.component[1] = fy;
  if (D == 3) out.component[D - 1] = fz;
  out.energy = real(0.5) * energy;
  out.virial = real(0.5) * virial;
  return out;
}
