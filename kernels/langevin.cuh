// Friction and noise of a Langevin bath over one time step, an Ornstein-Uhlenbeck process solved exactly: the middle of
// the splitting BAOAB (Leimkuhler and Matthews, Appl. Math. Res. Express 2013, 34). Positions are sampled exactly where
// forces are harmonic; velocities at whole steps are colder by a share dt^2 Omega^2 / 4, 0.2 % at dt = 0.004.
#pragma once
#include "rng.cuh"

struct LangevinBath {
  double keep;         // exp(-dt / time): what is left of a velocity
  double temperature;
  uint64 key;
  int64 step;
};

GG_FUNCTION LangevinBath langevin_bath(double temperature, double dt, double time, uint64 key, int64 step) {
  return {exp(-dt / time), temperature, key, step};
}

// Normal numbers for the n particles in this step, (D, n). Draw 1 of each step; draw 0 of step 0 are the first velocities.
GG_FUNCTION void draw_noise(const LangevinBath& f, int n, real* normal) {
  const uint32 low = static_cast<uint32>(f.step), high = static_cast<uint32>(static_cast<uint64>(f.step) >> 32);
  const uint64 key = f.key;
  phase(n, [=](int i) {
    real four[4];
    four_reals(philox(key, low, high, static_cast<uint32>(i), 1), four);
    for (int d = 0; d < D; ++d) normal[d * n + i] = four[d];
  });
}

// What noise adds to a velocity of a particle of some mass, in units of a normal number.
GG_FUNCTION real width_of(const LangevinBath& f, double mass) {
  return static_cast<real>(sqrt((1 - f.keep * f.keep) * f.temperature / mass));
}
