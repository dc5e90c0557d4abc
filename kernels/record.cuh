// What a run leaves behind at a sampled step: a log of energies for each replica, sums over
// replicas for each particle, observables of each replica, and on request the positions.
//
// Sums over replicas are integers, so that no order of replicas, batches or workers changes them.
#pragma once
#include "workspace.cuh"

constexpr int LOG_COLUMNS = 4;  // potential, kinetic, virial, bath
constexpr int OBSERVABLES = 4;  // sums over particles of |dr|^2, |dr|^4, F_s and the overlap

struct Record {
  int32 samples;            // sampled steps in this chunk
  int32 bins;               // of the van Hove histogram
  double square_unit;       // |dr|^2 is summed in units of 1 / square_unit, as fine as the replicas allow
  double wavenumber;        // of F_s
  double overlap;           // |dr| below which a particle overlaps with where it was
  double bin_width;         // of the van Hove histogram
  int32 cage_relative;      // 1: |dr| less the mean displacement of the first neighbours
  const int64* step;        // (sample) ascending
  const place_t* origin;    // (configuration, D, particle) places at time 0
  const int32* cage_begin;  // (configuration, particle + 1) where a particle's first neighbours begin in ...
  const int32* cage;        // ... this list of all; both null when not asked for
  const double* broken2;    // (species, species) squared distance from which a bond is broken
  double* log;              // (replica, sample, LOG_COLUMNS) total potential, kinetic, virial, bath energy
  int64* label;             // (configuration, sample, 2, particle) sums of |dr| and |dr|^2; may be null
  int64* drift;             // (configuration, sample, D, particle) sums of dr; may be null
  int64* bonds;             // (configuration, sample, 2, particle) sums of unbroken bonds and of their square; may be null
  double* observable;       // (replica, sample, 1 or 2, species, OBSERVABLES) of dr, then cage-relative; may be null
  int64* histogram;         // (configuration, sample, species, bins) counts of |dr|, beyond them the last; may be null
  double* position;         // (replica, sample, particle, D) unwrapped; may be null
  int32* species;           // (replica, sample, particle) where it changes; may be null
};

// The displacement of particle i since time 0, relative to its first neighbours or not; returns its square.
GG_FUNCTION double displaced(const Workspace& w, int relative, int i) {
  double square = 0;
  for (int d = 0; d < D; ++d) {
    const double moved = w.moved[(relative * D + d) * w.n + i];
    square += moved * moved;
  }
  return square;
}

// Of a whole replica at a sampled step.
struct Totals {
  double potential, kinetic, virial, bath;
};

// One particle's share of an observable. F_s is averaged over all directions of the wave vector.
GG_FUNCTION double observed(const Record& r, int which, double square) {
  if (which < 2) return which == 0 ? square : square * square;
  if (which == 3) return square < r.overlap * r.overlap ? 1.0 : 0.0;
  const double x = r.wavenumber * sqrt(square);
  if (D == 2) return j0(x);
  return x > 0 ? sin(x) / x : 1.0;
}

// Where the first neighbours of each particle of a configuration begin in the list of all.
GG_FUNCTION const int32* first_neighbours(const Record& r, int n, int configuration) {
  return r.cage_begin + (r.cage ? static_cast<int64>(configuration) * (n + 1) : 0);
}

// How many of particle i's first neighbours are still within the distance at which a bond breaks.
GG_FUNCTION int unbroken(const Workspace& w, const Record& r, const int32* begin, const place_t* place, int i) {
  int count = 0;
  GG_NO_UNROLL
  for (int k = begin[i]; k < begin[i + 1]; ++k) {
    const int j = r.cage[k];
    double square = 0;
    for (int d = 0; d < D; ++d) {
      const double turns = unwrapped(place[d * w.n + i] - place[d * w.n + j], w.box, d) / w.box.side[d];
      const double apart = (turns - rint(turns)) * w.box.side[d];
      square += apart * apart;
    }
    count += square < r.broken2[first_type(w, i) * SPECIES + first_type(w, j)];
  }
  return count;
}

// Fills w.moved: displacements since time 0 without the drift of the centre of mass, then on request less
// the mean of the first neighbours.
GG_FUNCTION void measure_displacements(const Workspace& w, const Record& r, int configuration, const place_t* place) {
  const int n = w.n;
  const place_t* origin = r.origin + static_cast<int64>(configuration) * n * D;
  const int32* begin = first_neighbours(r, n, configuration);
  const double total_mass = block_sum(n, [&](int i) { return w.mass[first_type(w, i)]; });
  for (int d = 0; d < D; ++d) {
    const double centre = block_sum(n, [&](int i) {
                            return w.mass[first_type(w, i)] * unwrapped(place[d * n + i] - origin[d * n + i], w.box, d);
                          }) / total_mass;
    double* along = w.moved + d * n;
    phase(n, [&](int i) { along[i] = unwrapped(place[d * n + i] - origin[d * n + i], w.box, d) - centre; });
    if (r.cage_relative)
      phase(n, [&](int i) {
        double around = 0;
        const int first = begin[i], last = begin[i + 1];
        GG_NO_UNROLL
        for (int k = first; k < last; ++k) around += along[r.cage[k]];
        along[D * n + i] = along[i] - (last > first ? around / (last - first) : 0.0);
      });
  }
}

GG_FUNCTION bool record(const Workspace& w, const Record& r, int replica, int configuration, int sample,
                        const place_t* place, const Totals& totals) {
  const int n = w.n;
  const int64 row = static_cast<int64>(replica) * r.samples + sample;

  phase(1, [&](int) {
    double* line = r.log + row * LOG_COLUMNS;
    line[0] = totals.potential, line[1] = totals.kinetic, line[2] = totals.virial, line[3] = totals.bath;
  });

  if (r.position)
    phase(n, [&](int i) {
      for (int d = 0; d < D; ++d) r.position[(row * n + i) * D + d] = unwrapped(place[d * n + i], w.box, d);
      if (LISTS == 2 && r.species) r.species[row * n + i] = w.types[i];
    });

  if (!(r.label || r.drift || r.bonds || r.observable || r.histogram)) return true;
  measure_displacements(w, r, configuration, place);
  const int32* begin = first_neighbours(r, n, configuration);

  if (r.observable)
    for (int k = 0; k < (1 + r.cage_relative) * SPECIES * OBSERVABLES; ++k) {
      const double sum = block_sum(n, [&](int i) {
        if (first_type(w, i) != k / OBSERVABLES % SPECIES) return 0.0;
        return observed(r, k % OBSERVABLES, displaced(w, k / (SPECIES * OBSERVABLES), i));
      });
      phase(1, [&](int) { r.observable[row * (1 + r.cage_relative) * SPECIES * OBSERVABLES + k] = sum; });
    }

  const int64 cell = static_cast<int64>(configuration) * r.samples + sample;
  if (r.bonds)
    phase(n, [&](int i) {
      const int64 count = unbroken(w, r, begin, place, i);
      atomic_add(&r.bonds[cell * 2 * n + i], count);
      atomic_add(&r.bonds[(cell * 2 + 1) * n + i], count * count);
    });
  return !block_any(n, [&](int i) {
    const double square = displaced(w, r.cage_relative, i);
    const double distance = sqrt(square);
    if (!(distance < LARGEST_DISPLACEMENT)) return true;
    if (r.label) {
      int64* sums = r.label + cell * 2 * n;
      atomic_add(&sums[i], static_cast<int64>(rint(distance * LENGTH_UNIT)));
      atomic_add(&sums[n + i], static_cast<int64>(rint(square * r.square_unit)));
    }
    if (r.drift)
      for (int d = 0; d < D; ++d) atomic_add(&r.drift[(cell * D + d) * n + i], static_cast<int64>(rint(w.moved[d * n + i] * LENGTH_UNIT)));
    if (r.histogram) {
      const double at = distance / r.bin_width;
      const int bin = at < r.bins ? static_cast<int>(at) : r.bins - 1;
      atomic_add(&r.histogram[(cell * SPECIES + first_type(w, i)) * r.bins + bin], int64(1));
    }
    return false;
  });
}
