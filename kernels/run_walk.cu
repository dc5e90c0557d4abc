// The way of steepest descent, dx/dt = force, followed until every force is small: which minimum a liquid
// falls into is decided on the way. Runge-Kutta-Chebyshev steps of second order (Sommeijer, Shampine and
// Verwer, J. Comput. Appl. Math. 88, 315 (1998)), whose length the slow motion decides, while the stiffest
// sets only the number of stages, by its root. One block follows one configuration.
//
// A step is accepted if its error is small and the energy falls.
#include "descent.cuh"

constexpr double FIRST_TIME = 1e-4;       // of the first step; the next ones may be three times as long
constexpr double TOLERATED = 0.002;       // error of a step, root mean square over coordinates
constexpr int MOST_STAGES = 60;
constexpr double DAMPING = 2.0 / 13;      // of the Chebyshev polynomials
constexpr double STAGES2 = 1.54;          // stages^2 that one unit of time x stiffness needs
constexpr double STIFFNESS_MARGIN = 1.1;  // the power method comes from below
constexpr double PROBE = 1e-4;            // length of a displacement that tells the curvature
constexpr int FIRST_PROBES = 20, LATER_PROBES = 4, PROBE_EVERY = 25, REJECTED_COUNTS = 8;

struct WalkArguments {
  Problem problem;
  Scratch scratch;
  int32 replicas;       // configurations
  int32 steps;          // of this chunk, at most
  double skin;
  double force_limit;   // the walk ends when every particle's force is smaller
  place_t* place;       // (configuration, D, particle) unwrapped
  packed_t* reference;  // (configuration, D, particle) positions of the last list build
  real* stiffest;       // (configuration, D, particle) the direction of the largest curvature
  double* walk;         // (configuration, WALK_STATE) see Walk
  place_t* start;       // (configuration, D, particle) where a step begins, ...
  real* first_force;    // (configuration, D, particle) ... and the force there
  place_t* previous;    // (configuration, D, particle) the stage before the one at hand
  real* force;          // (configuration, D, particle) at the end of the chunk
  double* trace;        // (configuration, steps) energy after each accepted step, in order; may be null
  int32* accepted;      // (configuration) accepted steps of this chunk
  int32* status;        // (configuration)
};

struct Walk {
  double done;      // 1: every force is below the limit
  double begun;     // 1: not the first chunk
  double time;      // of the next step
  double stiffness; // the largest curvature
  double since;     // steps since that was found
  double steps;     // accepted in all
};

GG_FUNCTION Walk load_walk(const double* x) { return Walk{x[0], x[1], x[2], x[3], x[4], x[5]}; }

GG_FUNCTION void store_walk(const Walk& walk, double* x) {
  x[0] = walk.done, x[1] = walk.begun, x[2] = walk.time, x[3] = walk.stiffness, x[4] = walk.since, x[5] = walk.steps;
}

// By Newton's method, of 1e-9 .. 1e9: sums and quotients round alike on both targets.
GG_FUNCTION double cube_root(double x) {
  double y = x < 1 ? 1 : x;
  GG_NO_UNROLL
  for (int k = 0; k < 60; ++k) y = (2 * y + x / (y * y)) / 3;
  return y;
}

// Chebyshev's polynomial T_j(x) with its first two derivatives.
struct Chebyshev {
  double value, slope, bend;
};

GG_FUNCTION Chebyshev next_polynomial(const Chebyshev& last, const Chebyshev& before, double x) {
  return {2 * x * last.value - before.value, 2 * last.value + 2 * x * last.slope - before.slope,
          4 * last.slope + 2 * x * last.bend - before.bend};
}

GG_FUNCTION double weight_of(const Chebyshev& t) { return t.bend / (t.slope * t.slope); }

// A stage, from 1 on: how much it takes of the last stage and of the one before, the time that it follows the
// last force for, and the share of the first force that is taken from that. Found anew for every stage: kept
// from one to the next, the polynomials would take registers from the forces.
struct Stage {
  double last, before, time, first;
};

GG_FUNCTION Stage stage_of(int count, int stage) {
  const double x = 1 + DAMPING / (static_cast<double>(count) * count);
  Chebyshev before{1, 0, 0}, last{x, 1, 0};
  double b = 0, b_last = 0, b_before = 0, value_last = 1;
  GG_NO_UNROLL
  for (int j = 2; j <= count; ++j) {
    const Chebyshev now = next_polynomial(last, before, x);
    if (j == 2) b = b_last = b_before = weight_of(now);  // those of stages 0 and 1 are that of stage 2
    if (j > 2 && j <= stage) b_before = b_last, b_last = b, b = weight_of(now);
    if (j == stage) value_last = last.value;
    before = last, last = now;
  }
  const double scale = last.slope / last.bend;
  if (stage == 1) return {0, 0, b * scale, 0};
  return {2 * b * x / b_last, -b / b_before, 2 * b * scale / b_last, 1 - b_last * value_last};
}

// How many stages a step needs; shortens one that would need too many.
GG_FUNCTION int stages_needed(Walk& walk) {
  const double most = (MOST_STAGES * MOST_STAGES - 1) / (STAGES2 * walk.stiffness);
  if (walk.time > most) walk.time = most;
  int stages = 2;
  while (stages < MOST_STAGES && static_cast<double>(stages) * stages < 1 + STAGES2 * walk.time * walk.stiffness) ++stages;
  return stages;
}

GG_FUNCTION void run_walk(const WalkArguments& a, int replica, int slot) {
  const Workspace w = make_workspace(a.problem, a.scratch, replica, slot);
  const int n = w.n;
  const int64 offset = static_cast<int64>(replica) * n * D;
  place_t *place = a.place + offset, *start = a.start + offset, *previous = a.previous + offset;
  packed_t* reference = a.reference + offset;
  real *first_force = a.first_force + offset, *stiffest = a.stiffest + offset;
  auto stop = [&](int32 bits) { phase(1, [&](int) { a.status[replica] |= bits; }); };
  Walk walk = load_walk(a.walk + static_cast<int64>(replica) * WALK_STATE);
  if (walk.done != 0) return;
  const bool first = walk.begun == 0;
  if (!begin(w, place, reference, first)) return stop(LIST_OVERFLOW);
  phase(n * D, [&](int k) { start[k] = place[k]; });

  // One evaluation after another: of the start (of a chunk, or after a rejected step), of probes, of stages.
  int accepted = 0, tried = 0, probes = 0, count = 0, stage = 0;
  double energy = 0;
  bool at_start = true;
  for (;;) {
    if (at_start) {
      phase(n * D, [&](int k) { place[k] = start[k]; });
    } else if (probes) {
      const double length = PROBE / sqrt(product(n, stiffest, stiffest));
      phase(n * D, [&](int k) { place[k] = start[k] + length * stiffest[k]; });
    } else {
      if (stage == 0) count = stages_needed(walk), stage = 1;
      const Stage now = stage_of(count, stage);
      const double time = now.time * walk.time;
      if (stage == 1) {
        phase(n * D, [&](int k) {
          previous[k] = start[k];
          place[k] = start[k] + time * first_force[k];
        });
      } else {
        phase(n * D, [&](int k) {
          const double next = (1 - now.last - now.before) * start[k] + now.last * place[k] + now.before * previous[k] +
                              time * (w.force[k] - now.first * first_force[k]);
          previous[k] = place[k];
          place[k] = next;
        });
      }
    }
    if (!follow(w, place, reference, a.skin)) return stop(LIST_OVERFLOW);
    double energy_now;
    const bool sound = evaluate(w, energy_now);

    bool next = at_start;  // step
    if (at_start) {
      if (!sound) return stop(OVERLAP);
      energy = energy_now;
      if (walk.begun == 0) {
        phase(n * D, [&](int k) { stiffest[k] = w.force[k]; });
        walk.begun = 1, walk.time = FIRST_TIME, walk.since = PROBE_EVERY;
        walk.done = any_force_from(w, a.force_limit) ? 0 : 1;
      }
    } else if (probes) {
      phase(n * D, [&](int k) { stiffest[k] = (first_force[k] - w.force[k]) / PROBE; });
      walk.stiffness = STIFFNESS_MARGIN * sqrt(product(n, stiffest, stiffest));
      --probes;
    } else if (sound && stage < count) {
      ++stage;
    } else {
      const double square = over_coordinates(n, [&](int k, int) {
        const double wrong = 0.8 * (start[k] - place[k]) + 0.4 * walk.time * (first_force[k] + w.force[k]);
        return wrong * wrong;
      });
      const double error = sound ? sqrt(square / (n * D)) / TOLERATED : 1e6;
      ++tried;
      next = error < 1 && energy_now <= energy;
      at_start = !next;  // again
      const double factor = error < 1 && !next ? 0.4 : 0.8 / cube_root(error > 1e-6 ? error : 1e-6);
      walk.time *= factor > 3 ? 3 : factor > 0.2 ? factor : 0.2;
      walk.since += next ? 1 : REJECTED_COUNTS;
      if (next) {
        energy = energy_now;
        walk.steps += 1;
        phase(n * D, [&](int k) { start[k] = place[k]; });
        if (a.trace) phase(1, [&](int) { a.trace[static_cast<int64>(replica) * a.steps + accepted] = energy; });
        ++accepted;
        if (!any_force_from(w, a.force_limit)) walk.done = 1;
      }
    }
    if (!next) continue;
    if (walk.done != 0 || tried >= a.steps) break;
    at_start = false;
    phase(n * D, [&](int k) { first_force[k] = w.force[k]; });
    stage = 0;
    if (walk.since >= PROBE_EVERY) {
      probes = walk.stiffness == 0 ? FIRST_PROBES : LATER_PROBES;
      walk.since = 0;
    }
  }
  phase(n * D, [&](int k) { a.force[offset + k] = w.force[k]; });
  phase(1, [&](int) {
    store_walk(walk, a.walk + static_cast<int64>(replica) * WALK_STATE);
    a.accepted[replica] = accepted;
  });
}

GG_ENTRY(run_walk, WalkArguments)
