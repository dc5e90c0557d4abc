// Maxwell-Boltzmann velocities, and the kinetic energy of any. `v(d, i)` is component d of particle i,
// wherever a kernel keeps it.
#pragma once
#include "rng.cuh"
#include "workspace.cuh"

template <class Velocity>
GG_FUNCTION double kinetic_energy(const Workspace& w, Velocity v) {
  return 0.5 * block_sum(w.n, [&](int i) {
           double square = 0;
           for (int d = 0; d < D; ++d) square += static_cast<double>(v(d, i)) * v(d, i);
           return w.mass[w.types[i]] * square;
         });
}

// Velocities at a temperature, total momentum zero.
template <class Velocity>
GG_FUNCTION void draw_velocities(const Workspace& w, uint64 key, double temperature, Velocity v) {
  phase(w.n, [&](int i) {
    double normal[4];
    four_normals(philox(key, 0, 0, static_cast<uint32>(i), 0), normal);
    const double width = sqrt(temperature / w.mass[w.types[i]]);
    for (int d = 0; d < D; ++d) v(d, i) = static_cast<real>(width * normal[d]);
  });
  const double total_mass = block_sum(w.n, [&](int i) { return w.mass[w.types[i]]; });
  for (int d = 0; d < D; ++d) {
    const double momentum = block_sum(w.n, [&](int i) { return w.mass[w.types[i]] * v(d, i); });
    phase(w.n, [&](int i) { v(d, i) = static_cast<real>(v(d, i) - momentum / total_mass); });
  }
}
