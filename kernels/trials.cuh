// Metropolis trials: a batch of random numbers at a time, and what a trial would cost.
//
// A displacement moves one particle, each component uniform in (-step/2, step/2); an exchange gives
// two particles each other's species. A trial is accepted when its energy difference is at most
// -T ln u, the threshold, which is drawn beforehand. Random numbers depend on the trial's number alone.
#pragma once
#include "forces.cuh"
#include "rng.cuh"

constexpr int BATCH = 256;    // trials whose random numbers are drawn together
constexpr int AHEAD = 4;      // trials before its own that a list is asked for
constexpr bool EXCHANGES = LISTS == 2;

// One slot per resident block or CPU worker; never saved.
struct Trials {
  int32* particle;   // (slot, BATCH)
  int32* partner;    // (slot, BATCH) with which it exchanges species, -1: a displacement
  packed_t* move;    // (slot, D, BATCH) in the units of places
  real* threshold;   // (slot, BATCH) the largest energy difference that is accepted
};

GG_FUNCTION Trials trials_of(const Trials& t, int slot) {
  return {t.particle + slot * BATCH, t.partner + slot * BATCH, t.move + slot * BATCH * D, t.threshold + slot * BATCH};
}

struct Proposal {
  double temperature;
  real width[D];    // of the interval of one component, in the units of places
  uint32 exchange;  // share of the trials that are exchanges, in units of 2^-32
};

GG_FUNCTION int one_of(int n, uint32 word) { return static_cast<int>(static_cast<uint64>(word) * static_cast<uint32>(n) >> 32); }

// Random numbers of trials first .. first + count - 1, counted since the beginning of the run.
GG_FUNCTION void draw_trials(const Trials& t, const Proposal& p, int n, uint64 key, uint64 first, int count) {
  phase(count, [&](int k) {
    const uint64 trial = first + k;
    const uint32 low = static_cast<uint32>(trial), high = static_cast<uint32>(trial >> 32);
    const Random a = philox(key, low, high, 0, 0);
    t.particle[k] = one_of(n, a.word[0]);
    for (int d = 0; d < 2; ++d) t.move[d * BATCH + k] = as_step(p.width[d] * centred_uniform(a.word[1 + d]));
    t.threshold[k] = static_cast<real>(p.temperature) * exponential_variate(a.word[3]);
    if (D == 3 || EXCHANGES) {
      const Random b = philox(key, low, high, 0, 1);
      if (D == 3) t.move[(D - 1) * BATCH + k] = as_step(p.width[D - 1] * centred_uniform(b.word[0]));
      if (EXCHANGES) t.partner[k] = b.word[1] <= p.exchange ? one_of(n, b.word[2]) : -1;
    }
  });
}

// Asks for the list of a particle that will soon be tried.
GG_FUNCTION void prefetch_list(const Workspace& w, int i, int rank) {
  constexpr int LINE = 64 / sizeof(index_t);  // entries of a cache line
  for (int line = rank; line < 3 && line * LINE < w.capacity; line += TEAM_WIDTH) prefetch(list_entry(w, i, line * LINE));
}

struct Point {
  packed_t x[D];
};

GG_FUNCTION Point point_of(const Workspace& w, int i) {
  Point out;
  for (int d = 0; d < D; ++d) out.x[d] = w.packed[packed_at(w, i, d)];
  return out;
}

// The separations of a point from neighbours.
struct Separation {
  lanes x, y, z;
};

GG_FUNCTION Separation separation(const Workspace& w, const Positions& at, const Point& from) {
  Separation s;
  s.x = apart(everywhere_packed(from.x[0]), at.x, w.box, 0);
  s.y = apart(everywhere_packed(from.x[1]), at.y, w.box, 1);
  s.z = D == 3 ? apart(everywhere_packed(from.x[D - 1]), at.z, w.box, D - 1) : lanes{};
  return s;
}

GG_FUNCTION lanes squared(const Separation& s) {
  const lanes r2 = fused(s.y, s.y, s.x * s.x);
  return D == 3 ? fused(s.z, s.z, r2) : r2;
}

// The energy of pairs at r2. Where all pair laws are one law but for sigma and epsilon, its constants
// stand behind the table, in units of both, and need not be looked up for every pair.
template <class Constants, class Value>
GG_FUNCTION Value energy_of(const Workspace& w, const Constants& c, Value r2, mask_t counted) {
#if GG_SCALED
  return Value(everywhere(c.epsilon)) * pair_energy(w.pairs[SPECIES * SPECIES], Value(everywhere(c.over_sigma2)) * r2, counted);
#else
  return pair_energy(c, r2, counted);
#endif
}

// Member `rank`'s share of the energy that it costs to move particle i by `step`. The image of a
// neighbour is chosen once: one that another image would come nearer to is beyond the cut-off, as
// every side of the box is at least twice the cut-off and a step (engines/mc.py).
GG_FUNCTION real cost_of_move(const Workspace& w, int i, const real step[D], int rank) {
  const Point now = point_of(w, i);
  lanes cost{};
  over_neighbours(w, i, w.types[i], rank, TEAM_WIDTH, [&](const Positions& at, const auto& constants, const index_t*) {
    const Separation before = separation(w, at, now);
    const Separation after{before.x + step[0], before.y + step[1], D == 3 ? before.z + step[D - 1] : before.z};
    const Two r2(squared(after), squared(before));
    const Two energy = energy_of(w, constants, r2, r2.b > real(0));  // not with i itself, which pads its list
    cost += energy.a - energy.b;
  });
  return sum_of(cost);
}

// The same for making particle i one of species `to`, apart from its pair with `partner`, which an
// exchange between the two leaves as it is.
GG_FUNCTION real cost_of_species(const Workspace& w, int i, int to, int partner, int rank) {
  const Point now = point_of(w, i), excepted = point_of(w, partner);
  lanes cost{};
  over_neighbours(w, i, w.types[i], rank, TEAM_WIDTH, [&](const Positions& at, const auto& constants, const index_t* entry) {
    const lanes r2 = squared(separation(w, at, now));
    const auto other = (r2 > real(0)) & (squared(separation(w, at, excepted)) > real(0));
    cost += energy_of(w, constants_of(w, to, at, *entry), r2, other) - energy_of(w, constants, r2, other);
  });
  return sum_of(cost);
}
