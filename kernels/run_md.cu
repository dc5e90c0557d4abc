// Molecular dynamics of a Lennard-Jones mixture: velocity Verlet (Swope et al. 1982), at constant
// energy, with a Nose-Hoover chain, or with friction and noise. One block advances one replica by many steps: neighbour
// lists, forces, thermostat and labels are all done here.
//
// State (copied, advanced, and kept only if no status bit is set): place, velocity, reference,
// chain. Lists and forces are recomputed from it at the start of every chunk, so that where a
// chunk ends changes no bit.
#include "forces.cuh"
#include "hops.cuh"
#include "langevin.cuh"
#include "protocol.cuh"
#include "scores.cuh"
#include "thermostat.cuh"
#include "velocities.cuh"

// Noise and scores are compiled in where they are asked for: plain runs keep their registers.
#ifdef GG_NOISE
constexpr bool NOISE = GG_NOISE;
#else
constexpr bool NOISE = false;
#endif
#ifdef GG_SCORES
constexpr bool SCORES = GG_SCORES;
#else
constexpr bool SCORES = false;
#endif

enum Thermostat { NO_THERMOSTAT, NOSE_HOOVER, LANGEVIN };

struct MdArguments {
  Problem problem;
  Scratch scratch;
  Record record;
  Hops hops;
  Protocol protocol;
  Scores scores;
  int32 replicas;
  int32 steps;                 // steps of this chunk
  int64 first_step;            // steps done before it
  int32 fresh;                 // 1: first chunk, lists and chain start anew
  int32 draw_velocities;       // 1: Maxwell-Boltzmann velocities, total momentum zero
  int32 thermostat;            // see Thermostat
  double dt;
  double skin;
  double largest_step;         // of one coordinate in one step: beyond it a run has failed
  double thermostat_time;      // of the chain; of Langevin dynamics, in which a velocity is forgotten
  const int32* configuration;  // (replica)
  const uint64* key;           // (replica) Philox key
  place_t* place;              // (replica, D, particle) unwrapped
  real* velocity;              // (replica, D, particle)
  packed_t* reference;         // (replica, D, particle) positions of the last list build
  double* chain;               // (replica, CHAIN_STATE)
  int32* status;               // (replica)
  int32* rebuilds;             // (replica) list builds in this chunk
};

// Half a kick and a drift of particle i, with friction and noise in the middle of it where the bath is Langevin's; true when the
// lists may no longer hold, which a step too large or not a number always implies.
template <bool LANGEVIN_BATH>
GG_FUNCTION bool drift(const Workspace& w, int i, real scale, const LangevinBath& bath, real dt, real limit2, real largest, place_t* place,
                       real* v, const packed_t* reference, const real* noise) {
  const real half = static_cast<real>(0.5) * dt / static_cast<real>(w.mass[w.types[i]]);
  const real keep = static_cast<real>(bath.keep), width = LANGEVIN_BATH ? width_of(bath, w.mass[w.types[i]]) : real(0);
  real r2 = 0;
  bool sound = true;
  for (int d = 0; d < D; ++d) {
    const int k = d * w.n + i;
    v[k] = fused(w.force[k], half, v[k] * scale);
    real step = v[k] * dt;
    if (LANGEVIN_BATH) {  // half the drift before friction and noise, half after
      const real before = v[k];
      v[k] = fused(keep, before, width * noise[k]);
      step = real(0.5) * dt * (before + v[k]);
      if (!(magnitude(step) < largest)) v[k] = magnitude(before) > magnitude(v[k]) ? before : v[k];  // which `runaway` will see
    }
    const bool small = magnitude(step) < largest;
    sound &= small;
    place[k] = stepped(place[k], small ? step : real(0), w.box, d);
    const packed_t now = pack(place[k]);
    w.packed[packed_at(w, i, d)] = now;
    const real moved = apart(now, reference[k], w.box, d);
    r2 = fused(moved, moved, r2);
  }
  return !(sound && r2 < limit2);
}

GG_FUNCTION bool runaway(const Workspace& w, int i, real dt, real largest, const real* v) {
  bool sound = true;
  for (int d = 0; d < D; ++d) sound &= magnitude(v[d * w.n + i] * dt) < largest;
  return !sound;
}

// The force on particle i, kept, and half a kick unless kick = 0; true when it is not sound.
GG_FUNCTION bool push(const Workspace& w, int i, real kick, real* v) {
  const Force f = force_on<false>(w, i);
  const real half = static_cast<real>(0.5) * kick / static_cast<real>(w.mass[w.types[i]]);
  bool sound = true;
  for (int d = 0; d < D; ++d) {
    const int k = d * w.n + i;
    w.force[k] = f.component[d];
    v[k] = fused(f.component[d], half, v[k]);
    sound &= magnitude(f.component[d]) < static_cast<real>(LARGEST_FORCE);
  }
  return !sound;
}

GG_FUNCTION void run_md(const MdArguments& a, int replica, int slot) {
  const int configuration = a.configuration[replica];
  const Workspace w = make_workspace(a.problem, a.scratch, configuration, slot);
  const int n = w.n;
  const int64 offset = static_cast<int64>(replica) * n * D;
  place_t* place = a.place + offset;
  real* v = a.velocity + offset;
  packed_t* reference = a.reference + offset;
  const uint64 key = a.key[replica];
  real* noise = reinterpret_cast<real*>(w.moved);  // which labels need at other times
  const bool chained = a.thermostat == NOSE_HOOVER, noisy = NOISE && a.thermostat == LANGEVIN;
  Bath bath{temperature_at(a.protocol, a.first_step), static_cast<double>(D) * (n - 1), a.thermostat_time};
  const real dt = static_cast<real>(a.dt), limit2 = static_cast<real>(0.25 * a.skin * a.skin);
  const real largest = static_cast<real>(a.largest_step);
  auto stop = [&](int32 bits) { phase(1, [&](int) { a.status[replica] |= bits; }); };
  int rebuilds = 0;

  phase(n, [&](int i) {
    for (int d = 0; d < D; ++d) {
      const packed_t now = pack(place[d * n + i]);
      w.packed[packed_at(w, i, d)] = now;
      if (a.fresh) reference[d * n + i] = now;
    }
    note_species(w, i);
  });
  if (!build_lists(w, reference)) return stop(LIST_OVERFLOW);
  auto velocity = [&](int d, int i) -> real& { return v[d * n + i]; };
  if (a.draw_velocities) draw_velocities(w, key, bath.temperature, velocity);
  if (block_any(n, [&](int i) { return push(w, i, 0, v); })) return stop(OVERLAP);

  Chain chain = load_chain(a.chain + static_cast<int64>(replica) * CHAIN_STATE);
  if (a.fresh) {
    chain = Chain{};
    chain.scale = 1;
    chain.kinetic = kinetic_energy(w, velocity);
  }

  int sample = 0, frame = 0;
  for (int64 step = a.first_step + 1; step <= a.first_step + a.steps; ++step) {
    bath.temperature = temperature_at(a.protocol, step);
    if (chained) chain.scale *= advance_chain(chain, bath, 0.5 * a.dt);
    const real scale = static_cast<real>(chain.scale);
    const LangevinBath friction = langevin_bath(bath.temperature, a.dt, a.thermostat_time, key, step);
    if (noisy) draw_noise(friction, n, noise);
    const bool far = noisy ? block_any(n, [&](int i) { return drift<NOISE>(w, i, scale, friction, dt, limit2, largest, place, v, reference, noise); })
                           : block_any(n, [&](int i) { return drift<false>(w, i, scale, friction, dt, limit2, largest, place, v, reference, noise); });
    if (far) {
      if (block_any(n, [&](int i) { return runaway(w, i, dt, largest, v); })) return stop(RUNAWAY);
      phase(n * D, [&](int k) { reference[k] = pack(place[k]); });
      if (!build_lists(w, reference)) return stop(LIST_OVERFLOW);
      ++rebuilds;
    }
    if (block_any(n, [&](int i) { return push(w, i, dt, v); })) return stop(OVERLAP);
    chain.scale = 1;
    if (chained) {
      chain.kinetic = kinetic_energy(w, velocity);
      chain.scale = advance_chain(chain, bath, 0.5 * a.dt);
    }
    if (sample < a.record.samples && a.record.step[sample] == step) {
      if (!chained) chain.kinetic = kinetic_energy(w, velocity);
      const double bath_energy = chained ? chain_energy(chain, bath) : 0.0;
      const Interaction total = total_interaction(w);
      const Totals totals{total.potential, chain.kinetic, total.virial, bath_energy};
      if (!record(w, a.record, replica, configuration, sample, place, totals)) return stop(LABEL_RANGE);
      if (SCORES) record_scores(w, a.scores, replica, configuration, sample, a.record.samples, a.skin);
      ++sample;
    }
    if (a.hops.every && step % a.hops.every == 0) watch(w, a.record, a.hops, replica, configuration, step / a.hops.every, frame++, place);
  }

  phase(1, [&](int) {
    store_chain(chain, a.chain + static_cast<int64>(replica) * CHAIN_STATE);
    a.rebuilds[replica] = rebuilds;
  });
}

GG_ENTRY(run_md, MdArguments)
