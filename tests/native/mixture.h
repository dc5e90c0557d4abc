// A random mixture of two species sorted into cells, as glassgpu/structure/cells.py sorts them, for the
// programs that run kernels of descriptors under the threads reader. Include after the kernel.
#pragma once
#include <cstdio>

template <int N_ = 150>
struct Mixture {
  static constexpr int N = N_, SPECIES = 2, SIDE_CELLS = 6;
  int cells = 1, replicas = 0, capacity = (N + PADDING - 1) / PADDING * PADDING;
  std::vector<double> box, sorted, candidate;
  std::vector<int32> grid, begin, order, cell, number, species_end, mark;

  explicit Mixture(double side) : box(D, side), sorted(D * N), candidate(D * capacity), grid(D, SIDE_CELLS), order(N) {
    for (int d = 0; d < D; ++d) cells *= SIDE_CELLS;
    std::vector<double> x(D * N);
    std::vector<int32> bin(N);
    uint32 random = 1;
    for (int i = 0; i < N; ++i) {
      int at = 0;
      for (int d = D - 1; d >= 0; --d) {
        random = random * 1664525u + 1013904223u;
        const double turns = random / 4294967296.0;
        x[d * N + i] = (turns - 0.5) * side;
        at = at * SIDE_CELLS + static_cast<int>(turns * SIDE_CELLS);
      }
      bin[i] = i % SPECIES * cells + at;
    }
    begin.resize(SPECIES * cells + 1);
    int placed = 0;
    for (int b = 0; b < SPECIES * cells; ++b) {
      begin[b] = placed;
      for (int i = 0; i < N; ++i)
        if (bin[i] == b) order[placed++] = i;
    }
    begin[SPECIES * cells] = placed;
    for (int k = 0; k < N; ++k)
      for (int d = 0; d < D; ++d) sorted[d * N + k] = x[d * N + order[k]];
    for (int b = 0; b < cells; b += 5) cell.insert(cell.end(), {0, b});
    replicas = static_cast<int>(cell.size()) / 2;
    number.resize(capacity), species_end.resize(SPECIES), mark.resize(capacity + 1);
  }

  Cells arguments() {
    return {N, SPECIES, SPECIES * cells, capacity, box.data(), grid.data(), begin.data(), order.data(), sorted.data(), cell.data(),
            candidate.data(), number.data(), species_end.data(), mark.data()};
  }
};

// Prints how many columns are filled and a checksum of all; says whether there are enough.
inline int report(const std::vector<double>& out, int least_filled) {
  uint64 bits = 0;
  int filled = 0;
  for (double value : out) bits = bits * 1099511628211ull + static_cast<uint64>(static_cast<int64>(value * 1e9)), filled += value > 0;
  std::printf("status 0 filled %d checksum %016llx\n", filled, bits);
  return filled < least_filled;
}
