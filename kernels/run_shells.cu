// Gaussian shells around every particle: how many of each species, and their bond order.
//
// One block or host thread per cell; the particles of the cell one after another. Every sum runs
// over the candidates in their fixed order, so nothing but the snapshot reaches a column.
#include "cells.cuh"
#include "harmonics.cuh"
#include "shells.cuh"

#if defined(__CUDACC__)
constexpr int CHUNK = 256;  // neighbours whose harmonics are in memory at once
#else
constexpr int CHUNK = 32;
#endif

struct ShellsArguments {
  Cells cells;
  Shells radial;
  Shells angular;
  int32 replicas;           // cells over all configurations
  int32 columns;            // of one row of `out`, of which the first are filled here
  double reach;             // largest edge of all shells
  const double* legendre;   // (m, l >= m, 2) see harmonics.cuh
  real* distance;           // (slot, capacity) of the neighbours
  real* bond;               // (slot, 3, capacity) unit vectors to them
  real* inner;              // (slot, 4, capacity + LANES) unit vector and distance of those in angular shells
  real* weight;             // (slot, CHUNK, angular slots)
  real* harmonic;           // (slot, ROWS, CHUNK)
  real* sum;                // (slot, ROWS, angular slots)
  double* out;              // (configuration, particle, columns)
};

// sum[row, shell] += harmonic[row, neighbour] weight[neighbour, shell] over a chunk of neighbours.
GG_FUNCTION void add_products(int shells, int neighbours, const real* harmonic, const real* weight, real* sum) {
  const int tiles = shells / TILE;
  phase(ROWS * tiles, [&](int item) {
    const int row = item / tiles, first = item % tiles * TILE;
    real* to = sum + row * shells + first;
    const real* y = harmonic + row * CHUNK;
    lanes total[VECTORS];
    for (int v = 0; v < VECTORS; ++v) total[v] = load_lanes(to + v * LANES);
    for (int k = 0; k < neighbours; ++k)
      for (int v = 0; v < VECTORS; ++v)
        total[v] = fused(everywhere(y[k]), load_lanes(weight + k * shells + first + v * LANES), total[v]);
    for (int v = 0; v < VECTORS; ++v) store_lanes(to + v * LANES, total[v]);
  });
}

GG_FUNCTION void angular_columns(const ShellsArguments& a, const real* inner, int stride, int count, int slot, double* row) {
  const Shells& s = a.angular;
  real* weight = a.weight + int64(slot) * CHUNK * s.slots;
  real* harmonic = a.harmonic + int64(slot) * ROWS * CHUNK;
  real* sum = a.sum + int64(slot) * ROWS * s.slots;
  phase(ROWS * s.slots, [&](int k) { sum[k] = 0; });
  for (int base = 0; base < count; base += CHUNK) {
    const int some = least(CHUNK, count - base), tiles = s.slots / TILE;
    phase((some + LANES - 1) / LANES, [&](int k) {
      const real* at = inner + base + k * LANES;
      harmonics(load_lanes(at), load_lanes(at + stride), load_lanes(at + 2 * stride), a.legendre, harmonic + k * LANES, CHUNK);
    });
    phase(some * tiles, [&](int item) {
      const int k = item / tiles, first = item % tiles * TILE;
      lanes bell[VECTORS] = {};
      add_weights(s, first, inner[3 * stride + base + k], real(1), bell);
      for (int v = 0; v < VECTORS; ++v) store_lanes(weight + k * s.slots + first + v * LANES, bell[v]);
    });
    add_products(s.slots, some, harmonic, weight, sum);
  }
  phase(L_MAX * s.slots, [&](int item) {
    const int l = 1 + item / s.slots, shell = item % s.slots;
    if (s.column[shell] < 0) return;
    const real all = sum[shell];  // row 0 is the sum of the weights
    real square = 0;
    for (int m = 0; m <= l; ++m)
      for (int part = 0; part < (m ? 2 : 1); ++part) {
        const real mean = all > 0 ? sum[(row_of(l, m) + part) * s.slots + shell] / all : real(0);
        square = fused(mean, mean, square);
      }
    row[(l - 1) * s.count + s.column[shell]] = root(square);
  });
}

GG_FUNCTION void run_shells(const ShellsArguments& a, int replica, int slot) {
  const Surroundings w = gather_surroundings(a.cells, replica, slot);
  const int capacity = w.capacity, stride = capacity + LANES;
  real* distance = a.distance + int64(slot) * capacity;
  real* bond = a.bond + int64(slot) * 3 * capacity;
  real* inner = a.inner + int64(slot) * 4 * stride;
  each_particle(w, [&](int k) {
    double* row = a.out + (int64(w.configuration) * w.n + w.order[k]) * a.columns;
    const int near = mark_near(w, k, static_cast<real>(a.reach));
    phase(w.count, [&](int c) {
      const int j = w.mark[c];
      if (w.mark[c + 1] == j) return;
      const Bond b = bond_to(w, k, c);
      distance[j] = b.r;
      bond[j] = b.x / b.r, bond[capacity + j] = b.y / b.r, bond[2 * capacity + j] = b.z / b.r;
    });
    radial_columns(a.radial, w, distance, [](int) { return real(1); }, row);
    phase(near, [&](int j) { w.mark[j] = distance[j] < a.angular.reach; });
    const int count = block_scan(w.mark, near);
    phase(near, [&](int j) {
      const int to = w.mark[j];
      if (w.mark[j + 1] == to) return;
      for (int d = 0; d < 3; ++d) inner[d * stride + to] = bond[d * capacity + j];
      inner[3 * stride + to] = distance[j];
    });
    angular_columns(a, inner, stride, count, slot, row + w.species * a.radial.count);
  });
}

GG_ENTRY(run_shells, ShellsArguments)
