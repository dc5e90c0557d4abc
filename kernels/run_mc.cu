// Monte Carlo of a Lennard-Jones mixture: Metropolis displacements of single particles (Metropolis
// et al. 1953), with GG_LISTS = 2 mixed with exchanges of species (swap Monte Carlo; Grigera and
// Parisi, Phys. Rev. E 63, 045102 (2001)). One block of one warp, or one host thread, advances one
// replica; its trials follow strictly one after another, and the energy difference of each is
// summed in parallel.
//
// State: place, reference, species. Lists are recomputed from it at the start of every chunk. They
// hold for any trial as long as no particle is further than half of what the skin leaves beside the
// longest step from its reference.
#include "hops.cuh"
#include "protocol.cuh"
#include "trials.cuh"

#if defined(__CUDACC__)
static_assert(GG_THREADS == TEAM_WIDTH, "a replica is one warp");
#endif

struct McArguments {
  Problem problem;
  Scratch scratch;
  Record record;
  Hops hops;
  Trials trials;
  Protocol protocol;
  int32 replicas;
  int32 sweeps;                // of this chunk; a sweep is one trial a particle
  int64 first_sweep;           // sweeps done before it
  int32 fresh;                 // 1: first chunk, lists start anew
  double step_size;            // side of the square or cube that a move is drawn from
  double skin;
  double exchange;             // share of trials that exchange species
  const int32* configuration;  // (replica)
  const uint64* key;           // (replica) Philox key
  place_t* place;              // (replica, D, particle) unwrapped
  packed_t* reference;         // (replica, D, particle) positions of the last list build
  int32* species;              // (replica, particle) now
  int64* displacements;        // (replica, 2) tried and accepted in this chunk
  int64* exchanges;            // (replica, species, species, 2) tried and accepted in this chunk
  int32* status;               // (replica)
  int32* rebuilds;             // (replica) list builds in this chunk
};

GG_FUNCTION void run_mc(const McArguments& a, int replica, int slot) {
  const int configuration = a.configuration[replica];
  Workspace w = make_workspace(a.problem, a.scratch, configuration, slot);
  const int n = w.n;
  const Trials t = trials_of(a.trials, slot);
  const int64 offset = static_cast<int64>(replica) * n;
  place_t* place = a.place + offset * D;
  packed_t* reference = a.reference + offset * D;
  int32* species = a.species + offset;
  if (EXCHANGES) w.types = species;
  const uint64 key = a.key[replica];
  Proposal proposal;
  proposal.exchange = static_cast<uint32>(a.exchange * 4294967295.0);
  for (int d = 0; d < D; ++d) proposal.width[d] = static_cast<real>(places_in(a.step_size, w.box, d));
  const double reach = 0.5 * (a.skin - 0.5 * a.step_size * sqrt(static_cast<double>(D)));
  const real limit2 = static_cast<real>(reach * reach);
  auto stop = [&](int32 bits) { phase(1, [&](int) { a.status[replica] |= bits; }); };
  int rebuilds = 0;
  int64 tried = 0, accepted = 0;

  phase(n, [&](int i) {
    for (int d = 0; d < D; ++d) {
      const packed_t now = pack(place[d * n + i]);
      w.packed[packed_at(w, i, d)] = now;
      if (a.fresh) reference[d * n + i] = now;
    }
    note_species(w, i);
  });
  if (!build_lists(w, reference)) return stop(LIST_OVERFLOW);
  if (a.fresh && block_any(n, [&](int i) { return !(magnitude(force_on<true>(w, i).energy) < static_cast<real>(LARGEST_ENERGY)); })) return stop(OVERLAP);

  // A sum of shares less the threshold of trial k: the trial is accepted unless it is above 0.
  auto excess = [&](int k, auto cost) {
    return team_sum([&](int rank) { return rank == 0 ? cost(rank) - t.threshold[k] : cost(rank); });
  };

  // True when the lists no longer hold for every trial.
  auto displace = [&](int k) {
    const bool accept = excess(k, [&](int rank) {
      const int i = t.particle[k];
      prefetch_list(w, t.particle[least(k + AHEAD, BATCH - 1)], rank);
      real step[D];
      for (int d = 0; d < D; ++d) step[d] = length_of(t.move[d * BATCH + k], w.box, d);
      return cost_of_move(w, i, step, rank);
    }) <= 0;
    ++tried, accepted += accept;
    return block_any(1, [&](int) {
      const int i = t.particle[k];
      real r2 = 0;
      for (int d = 0; d < D; ++d) {
        const place_t now = place[d * n + i] + kept_if(accept, t.move[d * BATCH + k]);
        place[d * n + i] = now;
        w.packed[packed_at(w, i, d)] = pack(now);
        const real moved = apart(pack(now), reference[d * n + i], w.box, d);
        r2 = fused(moved, moved, r2);
      }
      return !(r2 < limit2);
    });
  };

  auto exchange = [&](int k) {
    const bool accept = excess(k, [&](int rank) {
      const int i = t.particle[k], j = t.partner[k];
      if (species[i] == species[j]) return real(0);
      return cost_of_species(w, i, species[j], j, rank) + cost_of_species(w, j, species[i], i, rank);
    }) <= 0;
    phase(1, [&](int) {
      const int i = t.particle[k], j = t.partner[k], one = species[i], other = species[j];
      if (one == other) return;
      int64* count = a.exchanges + ((static_cast<int64>(replica) * SPECIES + least(one, other)) * SPECIES + greatest(one, other)) * 2;
      count[0] += 1;
      if (!accept) return;
      count[1] += 1;
      species[i] = other, species[j] = one;
      note_species(w, i), note_species(w, j);
    });
  };

  int sample = 0, frame = 0;
  for (int64 sweep = a.first_sweep + 1; sweep <= a.first_sweep + a.sweeps; ++sweep) {
    proposal.temperature = temperature_at(a.protocol, sweep);
    for (int first = 0; first < n; first += BATCH) {
      const int count = least(BATCH, n - first);
      draw_trials(t, proposal, n, key, static_cast<uint64>(sweep - 1) * n + first, count);
      for (int k = 0; k < count; ++k) {
        if (EXCHANGES && block_any(1, [&](int) { return t.partner[k] >= 0; })) {
          exchange(k);
        } else if (displace(k)) {
          phase(n * D, [&](int c) { reference[c] = pack(place[c]); });
          if (!build_lists(w, reference)) return stop(LIST_OVERFLOW);
          ++rebuilds;
        }
      }
    }
    if (sample < a.record.samples && a.record.step[sample] == sweep) {
      const Interaction total = total_interaction(w);
      if (!record(w, a.record, replica, configuration, sample, place, {total.potential, 0.0, total.virial, 0.0})) return stop(LABEL_RANGE);
      ++sample;
    }
    if (a.hops.every && sweep % a.hops.every == 0) watch(w, a.record, a.hops, replica, configuration, sweep / a.hops.every, frame++, place);
  }
  phase(1, [&](int) {
    a.displacements[2 * replica] = tried, a.displacements[2 * replica + 1] = accepted;
    a.rebuilds[replica] = rebuilds;
  });
}

GG_ENTRY(run_mc, McArguments)
