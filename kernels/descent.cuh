// What all ways downhill share: places that lists follow, forces and energies at them, sums over coordinates.
#pragma once
#include "forces.cuh"

constexpr int WALK_STATE = 6;               // of run_walk.cu, whose first says whether it is done
constexpr double ENERGY_ROUNDING = sizeof(real) == 8 ? 1e-13 : 1e-8;  // relative, of a sum over the particles

// Puts the places where pair loops read them and builds the lists, which on the first call are for these places.
GG_FUNCTION bool begin(const Workspace& w, const place_t* place, packed_t* reference, bool first) {
  phase(w.n, [&](int i) {
    for (int d = 0; d < D; ++d) {
      const packed_t now = pack(place[d * w.n + i]);
      w.packed[packed_at(w, i, d)] = now;
      if (first) reference[d * w.n + i] = now;
    }
    note_species(w, i);
  });
  return build_lists(w, reference);
}

// The same after a step: the lists hold as long as no particle is further than half the skin from its reference.
GG_FUNCTION bool follow(const Workspace& w, const place_t* place, packed_t* reference, double skin) {
  const real limit2 = static_cast<real>(0.25 * skin * skin);
  const bool stale = block_any(w.n, [&](int i) {
    real r2 = 0;
    for (int d = 0; d < D; ++d) {
      const packed_t now = pack(place[d * w.n + i]);
      w.packed[packed_at(w, i, d)] = now;
      const real moved = apart(now, reference[d * w.n + i], w.box, d);
      r2 = fused(moved, moved, r2);
    }
    return !(r2 < limit2);
  });
  if (!stale) return true;
  phase(w.n * D, [&](int k) { reference[k] = pack(place[k]); });
  return build_lists(w, reference);
}

// Forces and energies at the places now; false when one is not sound.
GG_FUNCTION bool evaluate(const Workspace& w, double& energy) {
  const bool unsound = block_any(w.n, [&](int i) {
    const Force f = force_on<true>(w, i);
    bool sound = true;
    for (int d = 0; d < D; ++d) {
      w.force[d * w.n + i] = f.component[d];
      sound &= magnitude(f.component[d]) < static_cast<real>(LARGEST_FORCE);
    }
    w.energy[i] = f.energy;
    return !sound;
  });
  energy = block_sum(w.n, [&](int i) { return static_cast<double>(w.energy[i]); });
  return !unsound;
}

// Calls f(k, d) for all coordinates k, of direction d, of all particles.
template <class F>
GG_FUNCTION void each_coordinate(int n, F f) {
  phase(n, [&](int i) {
    for (int d = 0; d < D; ++d) f(d * n + i, d);
  });
}

// The sum of f(k, d) over them.
template <class F>
GG_FUNCTION double over_coordinates(int n, F f) {
  return block_sum(n, [&](int i) {
    double sum = 0;
    for (int d = 0; d < D; ++d) sum += f(d * n + i, d);
    return sum;
  });
}

template <class A, class B>
GG_FUNCTION double product(int n, A a, B b) {
  return over_coordinates(n, [&](int k, int) { return static_cast<double>(a[k]) * b[k]; });
}

GG_FUNCTION bool any_force_from(const Workspace& w, double limit) {
  return block_any(w.n, [&](int i) {
    double square = 0;
    for (int d = 0; d < D; ++d) square += static_cast<double>(w.force[d * w.n + i]) * w.force[d * w.n + i];
    return !(square < limit * limit);
  });
}
