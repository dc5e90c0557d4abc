// What a run leaves behind at a sampled step: a log of energies for each replica, sums over
// replicas for each particle, and on request the positions themselves.
//
// The sums are integers, so that no order of replicas, batches or workers changes them.
#pragma once
#include "forces.cuh"
#include "rng.cuh"

constexpr int LOG_COLUMNS = 4;  // potential, kinetic, virial, bath

struct Record {
  int32 samples;          // sampled steps in this chunk
  double square_unit;     // |dr|^2 is summed in units of 1 / square_unit, as fine as the replicas allow
  const int64* step;      // (sample) ascending
  const place_t* origin;  // (configuration, D, particle) places at time 0
  double* log;            // (replica, sample, LOG_COLUMNS) total potential, kinetic, virial, bath energy
  int64* label;           // (configuration, sample, 2, particle) sums of |dr| and |dr|^2; may be null
  double* position;       // (replica, sample, particle, D) unwrapped; may be null
};

GG_FUNCTION bool record(const Workspace& w, const Record& r, int replica, int configuration, int sample,
                        const place_t* place, double kinetic, double bath_energy) {
  const int n = w.n;
  const int64 row = static_cast<int64>(replica) * r.samples + sample;

  phase(n, [&](int i) {
    const Force f = force_on<true>(w, i);
    w.energy[i] = f.energy;
    w.virial[i] = f.virial;
  });
  const double potential = block_sum(n, [&](int i) { return static_cast<double>(w.energy[i]); });
  const double virial = block_sum(n, [&](int i) { return static_cast<double>(w.virial[i]); });
  phase(1, [&](int) {
    double* line = r.log + row * LOG_COLUMNS;
    line[0] = potential, line[1] = kinetic, line[2] = virial, line[3] = bath_energy;
  });

  if (r.position)
    phase(n, [&](int i) {
      for (int d = 0; d < D; ++d) r.position[(row * n + i) * D + d] = unwrapped(place[d * n + i], w.box, d);
    });

  if (!r.label) return true;
  const place_t* origin = r.origin + static_cast<int64>(configuration) * n * D;
  const double total_mass = block_sum(n, [&](int i) { return w.mass[w.types[i]]; });
  double centre[D];  // displacement of the centre of mass
  for (int d = 0; d < D; ++d)
    centre[d] = block_sum(n, [&](int i) {
                  return w.mass[w.types[i]] * unwrapped(place[d * n + i] - origin[d * n + i], w.box, d);
                }) / total_mass;
  int64* sums = r.label + (static_cast<int64>(configuration) * r.samples + sample) * 2 * n;
  return !block_any(n, [&](int i) {
    double square = 0;
    for (int d = 0; d < D; ++d) {
      const double moved = unwrapped(place[d * n + i] - origin[d * n + i], w.box, d) - centre[d];
      square += moved * moved;
    }
    const double distance = sqrt(square);
    const bool sound = distance < LARGEST_DISPLACEMENT;
    atomic_add(&sums[i], static_cast<int64>(rint(sound ? distance * LENGTH_UNIT : 0.0)));
    atomic_add(&sums[n + i], static_cast<int64>(rint(sound ? square * r.square_unit : 0.0)));
    return !sound;
  });
}
