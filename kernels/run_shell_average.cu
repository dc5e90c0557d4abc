// Averages of per-particle columns over neighbours: x_i' = sum_j w_ij x_j / sum_j w_ij with
// w_ij = e^(-r_ij / r_c) over r_ij < r_c, i itself included. One block or host thread per cell.
#include "cells.cuh"

#if defined(__CUDACC__)
constexpr int WIDTH = 1;  // columns that one item treats
#else
constexpr int WIDTH = 64;
#endif

struct AverageArguments {
  Cells cells;
  int32 replicas;      // cells over all configurations
  int32 columns;       // to average
  int32 row;           // columns from one particle to the next, in x and in out
  int32 first;         // column of x that comes first
  int32 out_first;     // and its place in out
  double r_c;
  const double* x;     // (configuration, particle, row)
  double* out;         // (configuration, particle, row)
  int32* neighbour;    // (slot, capacity)
  double* weight;      // (slot, capacity)
};

GG_FUNCTION void run_shell_average(const AverageArguments& a, int replica, int slot) {
  const Surroundings w = gather_surroundings(a.cells, replica, slot);
  const double* x = a.x + int64(w.configuration) * w.n * a.row + a.first;
  double* out = a.out + int64(w.configuration) * w.n * a.row + a.out_first;
  int32* neighbour = a.neighbour + int64(slot) * w.capacity;
  double* weight = a.weight + int64(slot) * w.capacity;
  each_particle(w, [&](int k) {
    const int i = w.order[k], count = mark_near(w, k, static_cast<real>(a.r_c));
    phase(w.count, [&](int c) {
      const int j = w.mark[c];
      if (w.mark[c + 1] == j) return;
      neighbour[j] = w.order[w.number[c]];
      weight[j] = exponential(-static_cast<double>(bond_to(w, k, c).r) / a.r_c);
    });
    phase((a.columns + WIDTH - 1) / WIDTH, [&](int tile) {
      const int first = tile * WIDTH, width = least(WIDTH, a.columns - first);
      double sum[WIDTH], all = 1;
      for (int t = 0; t < width; ++t) sum[t] = x[int64(i) * a.row + first + t];
      for (int j = 0; j < count; ++j) {
        const double* from = x + int64(neighbour[j]) * a.row + first;
        for (int t = 0; t < width; ++t) sum[t] = fused(weight[j], from[t], sum[t]);
        all += weight[j];
      }
      for (int t = 0; t < width; ++t) out[int64(i) * a.row + first + t] = sum[t] / all;
    });
  });
}

GG_ENTRY(run_shell_average, AverageArguments)
