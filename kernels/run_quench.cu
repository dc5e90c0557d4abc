// The nearest minimum of the potential energy, by FIRE (Bitzek et al., Phys. Rev. Lett. 97, 170201
// (2006); semi-implicit Euler as in Guenole et al., Comput. Mater. Sci. 175, 109584 (2020)), masses
// 1. One block quenches one configuration.
//
// A step is accepted only if the energy falls. Where the fall is less than the rounding of the
// energy, the power at both ends of the step decides: positive at both, the step went downhill.
// A step that is not accepted is taken back exactly, and the time step is halved.
#include "forces.cuh"

constexpr int FIRE_STATE = 8;
constexpr double MIXING = 0.1, LESS_MIXING = 0.99, FASTER = 1.1, SLOWER = 0.5;
constexpr int BEFORE_FASTER = 5;          // steps downhill before the time step grows
constexpr double LARGEST_MOVE = 0.1;      // of one coordinate in one step
constexpr double ENERGY_ROUNDING = 1e-13; // relative, of a sum over the particles

struct QuenchArguments {
  Problem problem;
  Scratch scratch;
  int32 replicas;          // configurations
  int32 steps;             // of this chunk, at most
  int32 fresh;             // 1: first chunk
  double skin;
  double first_dt;
  double largest_dt;
  double force_tolerance;  // every particle's force must be smaller
  place_t* place;          // (configuration, D, particle) unwrapped
  place_t* before;         // (configuration, D, particle) the last accepted places
  real* velocity;          // (configuration, D, particle)
  packed_t* reference;     // (configuration, D, particle) positions of the last list build
  double* fire;            // (configuration, FIRE_STATE) see Fire
  real* force;             // (configuration, D, particle) at the end of the chunk
  double* trace;           // (configuration, steps) energy after each accepted step, in order; may be null
  int32* accepted;         // (configuration) accepted steps of this chunk
  int32* status;           // (configuration)
};

struct Fire {
  double dt, mixing, energy;
  double downhill;  // steps since the velocity was last stopped
  double steps;     // accepted in all
  double done;      // 1: every force is below the tolerance
};

GG_FUNCTION Fire load_fire(const double* x) { return Fire{x[0], x[1], x[2], x[3], x[4], x[5]}; }

GG_FUNCTION void store_fire(const Fire& fire, double* x) {
  x[0] = fire.dt, x[1] = fire.mixing, x[2] = fire.energy, x[3] = fire.downhill, x[4] = fire.steps, x[5] = fire.done;
}

GG_FUNCTION void stop_moving(Fire& fire) {
  fire.dt *= SLOWER;
  fire.mixing = MIXING;
  fire.downhill = 0;
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

template <class A, class B>
GG_FUNCTION double over_coordinates(int n, A a, B b) {
  return block_sum(n, [&](int i) {
    double sum = 0;
    for (int d = 0; d < D; ++d) sum += static_cast<double>(a[d * n + i]) * b[d * n + i];
    return sum;
  });
}

GG_FUNCTION bool any_force_from(const Workspace& w, double limit) {
  return block_any(w.n, [&](int i) {
    double square = 0;
    for (int d = 0; d < D; ++d) square += static_cast<double>(w.force[d * w.n + i]) * w.force[d * w.n + i];
    return !(square < limit * limit);
  });
}

GG_FUNCTION void run_quench(const QuenchArguments& a, int replica, int slot) {
  const Workspace w = make_workspace(a.problem, a.scratch, replica, slot);
  const int n = w.n;
  const int64 offset = static_cast<int64>(replica) * n * D;
  place_t *place = a.place + offset, *before = a.before + offset;
  real* v = a.velocity + offset;
  packed_t* reference = a.reference + offset;
  const real limit2 = static_cast<real>(0.25 * a.skin * a.skin);
  auto stop = [&](int32 bits) { phase(1, [&](int) { a.status[replica] |= bits; }); };
  Fire fire = load_fire(a.fire + static_cast<int64>(replica) * FIRE_STATE);
  if (fire.done != 0) return;

  phase(n, [&](int i) {
    for (int d = 0; d < D; ++d) {
      const packed_t now = pack(place[d * n + i]);
      w.packed[packed_at(w, i, d)] = now;
      if (a.fresh) reference[d * n + i] = now;
    }
  });
  if (!build_lists(w, reference)) return stop(LIST_OVERFLOW);

  // The lists hold as long as no particle is further than half the skin from its reference.
  auto look = [&]() {
    const bool stale = block_any(n, [&](int i) {
      real r2 = 0;
      for (int d = 0; d < D; ++d) {
        const packed_t now = pack(place[d * n + i]);
        w.packed[packed_at(w, i, d)] = now;
        const real moved = apart(now, reference[d * n + i], w.box, d);
        r2 = fused(moved, moved, r2);
      }
      return !(r2 < limit2);
    });
    if (!stale) return true;
    phase(n * D, [&](int k) { reference[k] = pack(place[k]); });
    return build_lists(w, reference);
  };

  double energy;
  if (!evaluate(w, energy)) return stop(OVERLAP);
  if (a.fresh) {
    fire = Fire{a.first_dt, MIXING, energy, 0, 0, 0};
    fire.done = any_force_from(w, a.force_tolerance) ? 0 : 1;
  }
  int accepted = 0;
  for (int step = 0; step < a.steps && fire.done == 0; ++step) {
    // Velocities: steered towards the force, then carried on by it.
    const double v2 = over_coordinates(n, v, v), f2 = over_coordinates(n, w.force, w.force);
    const real keep = static_cast<real>(v2 > 0 ? 1 - fire.mixing : 1.0);
    const real steer = static_cast<real>(v2 > 0 ? fire.mixing * sqrt(v2 / f2) : 0.0);
    phase(n * D, [&](int k) {
      v[k] = fused(v[k], keep, steer * w.force[k]) + static_cast<real>(fire.dt) * w.force[k];
      before[k] = place[k];
    });
    double dt = fire.dt;
    while (block_any(n * D, [&](int k) { return magnitude(v[k]) * dt > LARGEST_MOVE; })) dt *= 0.5;
    phase(n * D, [&](int k) { place[k] = stepped(place[k], v[k] * static_cast<real>(dt), w.box, k / n); });
    if (!look()) return stop(LIST_OVERFLOW);
    double energy_now;
    const bool sound = evaluate(w, energy_now);
    const double power = over_coordinates(n, w.force, v);
    const double rounding = ENERGY_ROUNDING * (energy < 0 ? -energy : energy);
    const bool falls = sound && (energy_now < energy - rounding || (energy_now <= energy + rounding && power >= 0));
    if (!falls) {
      phase(n * D, [&](int k) { place[k] = before[k]; });
      if (!look()) return stop(LIST_OVERFLOW);
      if (!evaluate(w, energy)) return stop(OVERLAP);
    } else {
      energy = energy_now;
      fire.steps += 1;
      if (a.trace) phase(1, [&](int) { a.trace[static_cast<int64>(replica) * a.steps + accepted] = energy; });
      ++accepted;
    }
    if (falls && power > 0) {
      fire.downhill += 1;
      if (fire.downhill > BEFORE_FASTER) {
        fire.dt = fire.dt * FASTER < a.largest_dt ? fire.dt * FASTER : a.largest_dt;
        fire.mixing *= LESS_MIXING;
      }
    } else {
      phase(n * D, [&](int k) { v[k] = 0; });
      stop_moving(fire);
    }
    // A little below the tolerance, so that rounding of the places cannot undo it.
    if (falls && !any_force_from(w, 0.9 * a.force_tolerance)) fire.done = 1;
  }
  fire.energy = energy;
  phase(n * D, [&](int k) { a.force[offset + k] = w.force[k]; });
  phase(1, [&](int) {
    store_fire(fire, a.fire + static_cast<int64>(replica) * FIRE_STATE);
    a.accepted[replica] = accepted;
  });
}

GG_ENTRY(run_quench, QuenchArguments)
