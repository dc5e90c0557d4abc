// The nearest minimum of the potential energy, by L-BFGS (Liu and Nocedal, Math. Programming 45, 503
// (1989)). One block quenches one configuration.
//
// A step is accepted only if the energy falls. Where the fall is less than the rounding of the energy,
// the power at both ends of the step decides: positive on the average, the step went downhill. A step
// that is not accepted is shortened, so that an accepted step costs little more than one evaluation of
// the forces.
#include "descent.cuh"

constexpr int PAIRS = 6;                  // steps remembered
constexpr int QUENCH_STATE = 7 + PAIRS;
constexpr int MOST_TRIES = 12;            // of one direction
constexpr double FIRST_STEP = 1e-3;       // along the force, while nothing is known of the curvature
constexpr double LARGEST_MOVE = 0.1;      // of one coordinate in one step
constexpr double STIFFEST = 1e6;          // of a remembered step; beyond it the curvature changed its sign on the way

struct QuenchArguments {
  Problem problem;
  Scratch scratch;
  int32 replicas;          // configurations
  int32 steps;             // of this chunk, at most
  double skin;
  double force_tolerance;  // every particle's force must be smaller
  place_t* place;          // (configuration, D, particle) unwrapped
  packed_t* reference;     // (configuration, D, particle) positions of the last list build
  float* step;             // (configuration, PAIRS, D, particle) the last accepted steps, in a ring, ...
  float* change;           // (configuration, PAIRS, D, particle) ... and by how much each lowered the force
  const double* walk;      // (configuration, WALK_STATE) of run_walk.cu, which comes first; may be null
  double* descent;         // (configuration, QUENCH_STATE) see Descent
  place_t* before;         // (configuration, D, particle) the last accepted places, ...
  real* force_before;      // (configuration, D, particle) ... and the forces there
  real* direction;         // (configuration, D, particle)
  real* force;             // (configuration, D, particle) at the end of the chunk
  double* trace;           // (configuration, steps) energy after each accepted step, in order; may be null
  int32* accepted;         // (configuration) accepted steps of this chunk
  int32* status;           // (configuration)
};

struct Descent {
  double energy;
  double steps;      // accepted in all
  double done;       // 1: every force is below the tolerance
  double known;      // steps remembered
  double next;       // where in the ring the next one goes
  double begun;      // 1: not the first chunk
  double softness;   // step . change / change . change of the last one
  double curvature[PAIRS];  // step . change
};

GG_FUNCTION Descent load_descent(const double* x) {
  Descent to{x[0], x[1], x[2], x[3], x[4], x[5], x[6], {}};
  for (int m = 0; m < PAIRS; ++m) to.curvature[m] = x[7 + m];
  return to;
}

GG_FUNCTION void store_descent(const Descent& from, double* x) {
  x[0] = from.energy, x[1] = from.steps, x[2] = from.done, x[3] = from.known, x[4] = from.next;
  x[5] = from.begun, x[6] = from.softness;
  for (int m = 0; m < PAIRS; ++m) x[7 + m] = from.curvature[m];
}

// What is remembered of one configuration.
struct Memory {
  int size;  // of one step: D * n
  float *step, *change;
  GG_FUNCTION float* step_at(int slot) const { return step + static_cast<int64>(slot) * size; }
  GG_FUNCTION float* change_at(int slot) const { return change + static_cast<int64>(slot) * size; }
};

GG_FUNCTION int slot_of(const Descent& descent, int age) { return (static_cast<int>(descent.next) + PAIRS - 1 - age) % PAIRS; }

// The force, times what the remembered steps tell of the inverse of the Hessian; without any, a short way along the force.
GG_FUNCTION void choose_direction(const Workspace& w, const Descent& descent, const Memory& memory, real* direction) {
  const int known = static_cast<int>(descent.known);
  double share[PAIRS];
  phase(w.n * D, [&](int k) { direction[k] = w.force[k]; });
  GG_NO_UNROLL
  for (int age = 0; age < known; ++age) {
    const int slot = slot_of(descent, age);
    const float *step = memory.step_at(slot), *change = memory.change_at(slot);
    const double part = product(w.n, step, direction) / descent.curvature[slot];
    phase(w.n * D, [&](int k) { direction[k] -= part * change[k]; });
    share[age] = part;
  }
  const double scale = known ? descent.softness : FIRST_STEP;
  phase(w.n * D, [&](int k) { direction[k] *= scale; });
  GG_NO_UNROLL
  for (int age = known - 1; age >= 0; --age) {
    const int slot = slot_of(descent, age);
    const float *step = memory.step_at(slot), *change = memory.change_at(slot);
    const double part = share[age] - product(w.n, change, direction) / descent.curvature[slot];
    phase(w.n * D, [&](int k) { direction[k] += part * step[k]; });
  }
}

// Adds an accepted step to what is remembered, unless the force did not fall along it.
GG_FUNCTION void remember(const Workspace& w, Descent& descent, const Memory& memory, const place_t* place, const place_t* before, const real* force_before) {
  auto step = [&](int k, int d) { return static_cast<float>(length_of(static_cast<packed_t>(place[k] - before[k]), w.box, d)); };
  auto change = [&](int k) { return static_cast<float>(force_before[k] - w.force[k]); };
  const double curvature = over_coordinates(w.n, [&](int k, int d) { return static_cast<double>(step(k, d)) * change(k); });
  const double square = over_coordinates(w.n, [&](int k, int) { return static_cast<double>(change(k)) * change(k); });
  if (!(curvature * STIFFEST > square)) return;
  const int slot = static_cast<int>(descent.next);
  each_coordinate(w.n, [&](int k, int d) {
    memory.step_at(slot)[k] = step(k, d);
    memory.change_at(slot)[k] = change(k);
  });
  descent.curvature[slot] = curvature;
  descent.softness = curvature / square;
  descent.next = (slot + 1) % PAIRS;
  descent.known = descent.known < PAIRS ? descent.known + 1 : PAIRS;
}

GG_FUNCTION void run_quench(const QuenchArguments& a, int replica, int slot) {
  const Workspace w = make_workspace(a.problem, a.scratch, replica, slot);
  const int n = w.n;
  const int64 offset = static_cast<int64>(replica) * n * D;
  place_t *place = a.place + offset, *before = a.before + offset;
  real *direction = a.direction + offset, *force_before = a.force_before + offset;
  packed_t* reference = a.reference + offset;
  const Memory memory{n * D, a.step + offset * PAIRS, a.change + offset * PAIRS};
  auto stop = [&](int32 bits) { phase(1, [&](int) { a.status[replica] |= bits; }); };
  Descent descent = load_descent(a.descent + static_cast<int64>(replica) * QUENCH_STATE);
  if (descent.done != 0 || (a.walk && a.walk[static_cast<int64>(replica) * WALK_STATE] == 0)) return;

  if (!begin(w, place, reference, descent.begun == 0)) return stop(LIST_OVERFLOW);
  double energy;
  if (!evaluate(w, energy)) return stop(OVERLAP);
  if (descent.begun == 0) {
    descent.begun = 1;
    descent.done = any_force_from(w, a.force_tolerance) ? 0 : 1;
  }
  int accepted = 0;
  for (int step = 0; step < a.steps && descent.done == 0; ++step) {
    choose_direction(w, descent, memory, direction);
    double power_before = product(n, w.force, direction);
    if (!(power_before > 0)) {  // not downhill: what is remembered is no longer true
      descent.known = 0;
      choose_direction(w, descent, memory, direction);
      power_before = product(n, w.force, direction);
    }
    double length = 1;
    while (block_any(n * D, [&](int k) { return magnitude(direction[k]) * length > LARGEST_MOVE; })) length *= 0.5;
    phase(n * D, [&](int k) {
      before[k] = place[k];
      force_before[k] = w.force[k];
    });
    const double rounding = ENERGY_ROUNDING * (energy < 0 ? -energy : energy);
    bool falls = false, back = false;
    for (int tries = 0; !falls && !back; ++tries) {
      back = tries == MOST_TRIES;  // to where it came from; what is remembered was of no use
      if (back) length = 0, descent.known = 0;
      each_coordinate(n, [&](int k, int d) { place[k] = stepped(before[k], static_cast<real>(length) * direction[k], w.box, d); });
      if (!follow(w, place, reference, a.skin)) return stop(LIST_OVERFLOW);
      double energy_now;
      const bool sound = evaluate(w, energy_now);
      const double power = product(n, w.force, direction);
      falls = !back && sound && (energy_now < energy - rounding || (energy_now <= energy + rounding && power_before + power >= 0));
      if (falls || back) {
        energy = energy_now;
      } else {  // to where the power vanishes, were it linear, but neither hardly shorter nor almost nothing
        const double part = power_before / (power_before - power);
        length *= !(sound && part > 0.1) ? 0.1 : part < 0.5 ? part : 0.5;
      }
    }
    if (!falls) continue;
    remember(w, descent, memory, place, before, force_before);
    descent.steps += 1;
    if (a.trace) phase(1, [&](int) { a.trace[static_cast<int64>(replica) * a.steps + accepted] = energy; });
    ++accepted;
    // A little below the tolerance, so that rounding of the places cannot undo it.
    if (!any_force_from(w, 0.9 * a.force_tolerance)) descent.done = 1;
  }
  descent.energy = energy;
  phase(n * D, [&](int k) { a.force[offset + k] = w.force[k]; });
  phase(1, [&](int) {
    store_descent(descent, a.descent + static_cast<int64>(replica) * QUENCH_STATE);
    a.accepted[replica] = accepted;
  });
}

GG_ENTRY(run_quench, QuenchArguments)
