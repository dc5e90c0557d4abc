// Event-driven molecular dynamics of hard spheres (Alder and Wainwright, J. Chem. Phys. 31, 459 (1959)), with one
// event in the queue for each sphere, the first of its own (after Smallenburg, Eur. Phys. J. E 45, 22 (2022)): where
// the partner has collided meanwhile, the sphere looks again when that event comes. One block of one warp, or one
// host thread, advances one replica; its events follow strictly one after another.
//
// Nothing is moved between collisions, so samples leave no trace in a run. A step is what times are counted in.
//
// State: where, heading, event, partner, known, collisions, reference, impulse. Lists and queue are recomputed from
// it at the start of every chunk. Lists hold until a sphere is as far from its reference as half their skin, which is
// an event like others: then all lists are built, and every sphere looks again.
#include "hops.cuh"
#include "queue.cuh"
#include "spheres.cuh"
#include "velocities.cuh"

#if defined(__CUDACC__)
static_assert(GG_THREADS == TEAM_WIDTH, "a replica is one warp");
#endif

constexpr double MOST_COLLISIONS = 1e4;  // of a sphere in one step: with more it is jammed
constexpr double LARGEST_SPEED = 1e6;    // of a sphere: its velocity is no number, or not in these units

struct EdmdArguments {
  Problem problem;
  Scratch scratch;
  Record record;
  Hops hops;
  int32 replicas;
  int32 steps;                 // of this chunk
  int64 first_step;            // steps done before it
  int32 fresh;                 // 1: first chunk, nothing is foreseen yet
  int32 draw_velocities;       // 1: Maxwell-Boltzmann velocities, total momentum zero
  int32 seen;                  // most collisions written to `history`
  int32 nodes;                 // of the queue
  double dt;                   // length of a step
  double skin;
  double scale;                // of all diameters at time 0
  double growth;               // of that scale in a unit of time; then velocities are scaled to the temperature at every step
  const int32* configuration;  // (replica)
  const double* temperature;   // (replica)
  const uint64* key;           // (replica) Philox key
  real* where;                 // (replica, particle, 4) position at its own time, and that time
  real* heading;               // (replica, particle, 4) velocity, radius at scale 1
  real* event;                 // (replica, particle, padded) when its next event comes
  int32* partner;              // (replica, particle) with whom, or LEAVES
  int32* known;                // (replica, particle) collisions of the partner when the event was foreseen
  int32* collisions;           // (replica, particle) so far
  packed_t* reference;         // (replica, D, particle) positions of the last list build
  double* impulse;             // (replica) sum of r . dp over all collisions so far
  int64* meetings;             // (replica, species, species) collisions in this chunk, the lesser species first
  int64* missed;               // (replica) events whose partner had gone another way
  double* history;             // (replica, seen, 3) time and partners of the first collisions of this chunk; may be null
  real* node;                  // (slot, nodes)
  int32* winner;               // (slot, nodes)
  place_t* now;                // (slot, D, particle) positions at a sampled step
  int32* status;               // (replica)
  int32* rebuilds;             // (replica) list builds in this chunk
};

GG_FUNCTION void run_edmd(const EdmdArguments& a, int replica, int slot) {
  const int configuration = a.configuration[replica];
  const Workspace w = make_workspace(a.problem, a.scratch, configuration, slot);
  const int n = w.n;
  const int64 offset = static_cast<int64>(replica) * n;
  packed_t* reference = a.reference + offset * D;
  Spheres s;
  s.where = a.where + offset * 4, s.heading = a.heading + offset * 4;
  s.event = a.event + static_cast<int64>(replica) * padded(n);
  s.partner = a.partner + offset, s.known = a.known + offset, s.collisions = a.collisions + offset;
  s.reference = reference;
  s.reach2 = 0.25 * a.skin * a.skin;
  s.scale = a.scale, s.growth = a.growth;
  const Queue queue = queue_of(n, s.event, a.node + static_cast<int64>(slot) * a.nodes, a.winner + static_cast<int64>(slot) * a.nodes);
  place_t* at = a.now + static_cast<int64>(slot) * n * D;
  auto speed = [&](int d, int i) -> real& { return velocity(s, d, i); };
  auto stop = [&](int32 bits) { phase(1, [&](int) { a.status[replica] |= bits; }); };
  const double begin = a.first_step * a.dt;
  int64 collided = 0, missed = 0;
  int rebuilds = 0;

  auto foresee_all = [&](real now) {
    for (int i = 0; i < n; ++i) foresee(w, s, i, now);
    order_all(queue);
  };
  auto remake_lists = [&](real now) {
    phase(n, [&](int i) {
      for (int d = 0; d < D; ++d) reference[d * n + i] = position_at(s, d, i, now);
    });
    return build_lists(w, reference);
  };
  // Velocities as the temperature has them, everything at one time: what growth adds is taken out.
  auto cool = [&](real now) {
    const double factor = sqrt(0.5 * D * (n - 1) * a.temperature[replica] / kinetic_energy(w, speed));
    phase(n, [&](int i) {
      for (int d = 0; d < D; ++d) position(s, d, i) = position_at(s, d, i, now), velocity(s, d, i) *= factor;
      clock_of(s, i) = now;
    });
  };

  if (a.draw_velocities) draw_velocities(w, a.key[replica], a.temperature[replica], speed);
  if (a.fresh) {
    if (!remake_lists(begin)) return stop(LIST_OVERFLOW);
    phase(padded(n), [&](int i) { s.event[i] = GG_NEVER; });
    foresee_all(begin);
  } else {
    if (!build_lists(w, reference)) return stop(LIST_OVERFLOW);
    order_all(queue);
  }

  int sample = 0, frame = 0;
  for (int64 step = a.first_step + 1; step <= a.first_step + a.steps; ++step) {
    const real end = step * a.dt;
    const int64 most = collided + static_cast<int64>(MOST_COLLISIONS * n);
    for (Least next = first_event(queue); next.value <= end; next = first_event(queue)) {
      const int i = next.index, j = block_value([&] { return s.partner[i]; });
      const real now = next.value;
      if (j == LEAVES) {
        if (!remake_lists(now)) return stop(LIST_OVERFLOW);
        foresee_all(now);
        ++rebuilds;
        continue;
      }
      const bool meet = block_value([&] { return s.collisions[j] == s.known[i]; });
      if (meet) {
        phase(1, [&](int) {
          a.impulse[replica] += collide(w, s, i, j, now);
          const int one = w.types[i], other = w.types[j];
          ++a.meetings[(static_cast<int64>(replica) * SPECIES + least(one, other)) * SPECIES + greatest(one, other)];
          if (a.history && collided < a.seen) {
            double* line = a.history + (static_cast<int64>(replica) * a.seen + collided) * 3;
            line[0] = now, line[1] = i, line[2] = j;
          }
        });
        foresee(w, s, j, now);
        reorder(queue, j);
        if (++collided > most) return stop(RUNAWAY);
      } else {
        ++missed;
      }
      foresee(w, s, i, now);
      reorder(queue, i);
    }
    if (a.growth > 0) {
      cool(end);
      foresee_all(end);
    }
    const bool sampled = sample < a.record.samples && a.record.step[sample] == step, framed = a.hops.every && step % a.hops.every == 0;
    if (!sampled && !framed) continue;
    phase(n, [&](int i) {
      for (int d = 0; d < D; ++d) at[d * n + i] = position_at(s, d, i, end);
    });
    if (sampled) {
      const Totals totals{0, kinetic_energy(w, speed), block_value([&] { return a.impulse[replica]; }), 0};
      if (!record(w, a.record, replica, configuration, sample++, at, totals)) return stop(LABEL_RANGE);
    }
    if (framed) watch(w, a.record, a.hops, replica, configuration, step / a.hops.every, frame++, at);
  }
  // A sphere whose velocity is no number never meets anyone.
  if (block_any(n * D, [&](int k) { return !(magnitude(velocity(s, k / n, k % n)) < LARGEST_SPEED); })) return stop(OVERLAP);
  phase(1, [&](int) {
    a.missed[replica] = missed;
    a.rebuilds[replica] = rebuilds;
  });
}

GG_ENTRY(run_edmd, EdmdArguments)
