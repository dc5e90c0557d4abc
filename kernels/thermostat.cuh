// Nose-Hoover chain of three (Martyna, Klein, Tuckerman, J. Chem. Phys. 97, 2635 (1992); the
// splitting of Martyna, Tuckerman, Tobias and Klein, Mol. Phys. 87, 1117 (1996)). Every thread
// of the block carries the same copy in registers.
#pragma once
#include "portable.cuh"

constexpr int CHAIN = 3;
constexpr int CHAIN_STATE = 2 * CHAIN + 2;

struct Chain {
  double position[CHAIN];
  double velocity[CHAIN];
  double scale;    // what the stored velocities still have to be multiplied by
  double kinetic;  // kinetic energy of the scaled velocities
};

GG_FUNCTION Chain load_chain(const double* state) {
  Chain c;
  for (int k = 0; k < CHAIN; ++k) c.position[k] = state[k], c.velocity[k] = state[CHAIN + k];
  c.scale = state[2 * CHAIN];
  c.kinetic = state[2 * CHAIN + 1];
  return c;
}

GG_FUNCTION void store_chain(const Chain& c, double* state) {
  for (int k = 0; k < CHAIN; ++k) state[k] = c.position[k], state[CHAIN + k] = c.velocity[k];
  state[2 * CHAIN] = c.scale;
  state[2 * CHAIN + 1] = c.kinetic;
}

struct Bath {
  double temperature;
  double freedom;  // degrees of freedom, D (n - 1)
  double time;     // period parameter: masses freedom T time^2, T time^2, T time^2
};

GG_FUNCTION double chain_mass(const Bath& bath, int k) {
  return (k == 0 ? bath.freedom : 1.0) * bath.temperature * bath.time * bath.time;
}

GG_FUNCTION double chain_force(const Chain& c, const Bath& bath, int k) {
  const double drive = k == 0 ? 2 * c.kinetic - bath.freedom * bath.temperature
                              : chain_mass(bath, k - 1) * c.velocity[k - 1] * c.velocity[k - 1] - bath.temperature;
  return drive / chain_mass(bath, k);
}

GG_FUNCTION void kick_link(Chain& c, const Bath& bath, int k, double h) {
  const double drag = k + 1 < CHAIN ? exp(-0.25 * h * c.velocity[k + 1 < CHAIN ? k + 1 : k]) : 1.0;
  c.velocity[k] = (c.velocity[k] * drag + 0.5 * h * chain_force(c, bath, k)) * drag;
}

// Advances the chain by h (half a time step) and returns the factor on all velocities.
GG_FUNCTION double advance_chain(Chain& c, const Bath& bath, double h) {
  for (int k = CHAIN - 1; k >= 0; --k) kick_link(c, bath, k, h);
  const double factor = exp(-h * c.velocity[0]);
  c.kinetic *= factor * factor;
  for (int k = 0; k < CHAIN; ++k) c.position[k] += h * c.velocity[k];
  for (int k = 0; k < CHAIN; ++k) kick_link(c, bath, k, h);
  return factor;
}

// What the chain adds to the conserved energy.
GG_FUNCTION double chain_energy(const Chain& c, const Bath& bath) {
  double energy = 0;
  for (int k = 0; k < CHAIN; ++k)
    energy += 0.5 * chain_mass(bath, k) * c.velocity[k] * c.velocity[k] +
              (k == 0 ? bath.freedom : 1.0) * bath.temperature * c.position[k];
  return energy;
}
