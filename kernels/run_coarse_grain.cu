// Sums over what stands around every particle, with weights that fade: for each length l and group g
// of species,
//   density(i, g, l) = sum_j e^(-r_ij / l),  out(i, g, l, column) = sum_j e^(-r_ij / l) x(j, column)
// over the j of the group with r_ij < reach, i itself included. One block or host thread per cell,
// BLOCK of its particles at a time, which share most of their neighbours.
#include "cells.cuh"

constexpr int BLOCK = 16;  // particles of a cell in work together
// Particles and columns that one item of a phase treats: on the host they share registers.
#if GG_VECTORS
constexpr int TOGETHER = 4;
constexpr int VECTORS = 4;
#else
constexpr int TOGETHER = 1;
constexpr int VECTORS = 1;
#endif
constexpr int TILE = VECTORS * LANES;

struct CoarseArguments {
  Cells cells;
  int32 replicas;        // cells over all configurations
  int32 groups;          // 1: all species together; else each species by itself
  int32 lengths;
  int32 columns;         // to sum
  int32 row;             // of x: columns, and zeros up to whole vectors
  int32 out_row;         // numbers from one particle to the next in out
  int32 out_first;       // and where the first goes
  double reach;
  const double* length;  // (length)
  const double* x;       // (configuration, particle in the order of the cells, row)
  double* density;       // (configuration, particle, group, length)
  double* out;           // (configuration, particle, out_row), of which (group, length, columns) are filled
  int32* neighbour;      // (slot, capacity) places in that order
  double* distance;      // (slot, BLOCK, capacity)
  double* weight;        // (slot, BLOCK, capacity)
};

// What one item of the products works on.
struct Tile {
  const double* x;     // of the configuration, from the tile's first column on
  const double* weight;
  const int32* neighbour;
  int row, stride, width;
};

// sum[particle, vector] += weight[particle, j] x[neighbour[j], column] over j.
template <int MANY>
GG_FUNCTION void add_rows(const Tile& t, int begin, int end, lanes (&sum)[TOGETHER][MANY]) {
  for (int j = begin; j < end; ++j) {
    const double* from = t.x + int64(t.neighbour[j]) * t.row;
    lanes part[MANY];
    for (int v = 0; v < MANY; ++v) part[v] = load_lanes(from + v * LANES);
    for (int p = 0; p < TOGETHER; ++p)
      for (int v = 0; v < MANY; ++v) sum[p][v] = fused(everywhere(t.weight[p * t.stride + j]), part[v], sum[p][v]);
  }
}

// The same over `MANY` vectors of columns, stored to the rows of `to`.
template <int MANY, class To>
GG_FUNCTION void sum_rows(const Tile& t, int begin, int end, int particles, To to) {
  lanes sum[TOGETHER][MANY] = {};
  add_rows(t, begin, end, sum);
  for (int p = 0; p < particles; ++p) {
    double values[MANY * LANES];
    for (int v = 0; v < MANY; ++v) store_lanes(values + v * LANES, sum[p][v]);
    for (int c = 0; c < least(MANY * LANES, t.width); ++c) to(p)[c] = values[c];
  }
}

GG_FUNCTION void run_coarse_grain(const CoarseArguments& a, int replica, int slot) {
  const Surroundings w = gather_surroundings(a.cells, replica, slot);
  const int stride = w.capacity, own = own_particles(w);
  const double* x = a.x + int64(w.configuration) * w.n * a.row;
  int32* neighbour = a.neighbour + int64(slot) * stride;
  double* distance = a.distance + int64(slot) * BLOCK * stride;
  double* weight = a.weight + int64(slot) * BLOCK * stride;
  for (int base = 0; base < own; base += BLOCK) {
    const int block = least(BLOCK, own - base);
    // Of all candidates, those near any of the block's particles.
    for (int p = 0; p < block; ++p) {
      const int k = own_particle(w, base + p);
      phase((w.count + LANES - 1) / LANES, [&](int item) {
        const int c = item * LANES;
        real r[LANES];
        store_lanes(r, distances_to(w, k, c));
        for (int t = 0; t < LANES; ++t) {
          weight[p * stride + c + t] = r[t];
          w.mark[c + t] = (r[t] < a.reach) | (p ? w.mark[c + t] : 0);
        }
      });
    }
    const int near = block_scan(w.mark, w.count);
    phase(w.count, [&](int c) {
      const int j = w.mark[c];
      if (w.mark[c + 1] == j) return;
      neighbour[j] = w.number[c];
      for (int p = 0; p < block; ++p) distance[p * stride + j] = weight[p * stride + c];
    });
    for (int l = 0; l < a.lengths; ++l) {
      const double narrow = -1 / a.length[l];
      const int vectors = (near + LANES - 1) / LANES;
      phase(block * vectors, [&](int item) {
        const int at = item / vectors * stride + item % vectors * LANES;
        const lanes r = load_lanes(distance + at);
        store_lanes(weight + at, select(r < everywhere(a.reach), exponential(r * everywhere(narrow)), lanes{}));
      });
      const int tiles = (a.columns + TILE - 1) / TILE, teams = (block + TOGETHER - 1) / TOGETHER;
      phase(teams * a.groups * (tiles + 1), [&](int item) {
        const int tile = item % (tiles + 1), group = item / (tiles + 1) % a.groups, first = item / (tiles + 1) / a.groups * TOGETHER;
        const int begin = group ? w.mark[w.species_end[group - 1]] : 0;
        const int end = a.groups == 1 ? near : w.mark[w.species_end[group]];
        const int particles = least(TOGETHER, block - first);
        auto particle = [&](int p) { return int64(w.configuration) * w.n + w.order[own_particle(w, base + first + p)]; };
        const Tile t = {x + tile * TILE, weight + first * stride, neighbour, a.row, stride, a.columns - tile * TILE};
        if (tile == tiles) {
          double sum[TOGETHER] = {};
          for (int j = begin; j < end; ++j)
            for (int p = 0; p < TOGETHER; ++p) sum[p] += t.weight[p * stride + j];
          for (int p = 0; p < particles; ++p) a.density[(particle(p) * a.groups + group) * a.lengths + l] = sum[p];
          return;
        }
        auto row = [&](int p) { return a.out + particle(p) * a.out_row + a.out_first + (group * a.lengths + l) * a.columns + tile * TILE; };
        if (t.width >= TILE) return sum_rows<VECTORS>(t, begin, end, particles, row);
        for (int c = 0; c < t.width; c += LANES)
          sum_rows<1>({t.x + c, t.weight, neighbour, a.row, stride, t.width - c}, begin, end, particles, [&](int p) { return row(p) + c; });
      });
    }
  }
}

GG_ENTRY(run_coarse_grain, CoarseArguments)
