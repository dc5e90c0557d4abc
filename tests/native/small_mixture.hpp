// A small mixture on a lattice for the programs that run kernels under the sanitizers.
#pragma once
#include <cstdio>
#include <vector>

struct SmallMixture {
  static constexpr int PER_SIDE = 6, CAPACITY = 256;
  static constexpr double SIDE = 6.3;
  int n, bins = 2;
  std::vector<double> box, mass;
  std::vector<int32> types, grid;
  std::vector<PairConstants> pairs;
  std::vector<place_t> origin;
  std::vector<real> force, energy, virial;
  std::vector<double> moved;
  std::vector<packed_t> sorted, packed;
  std::vector<index_t> list;
  std::vector<int32> list_end, bin_begin, cursor, order;

  // `jiggle` moves particles off the lattice, by a share of its constant.
  SmallMixture(double skin, double jiggle)
      : n(PER_SIDE * PER_SIDE * (D == 3 ? PER_SIDE : 1)), box(D, SIDE), mass(2, 1.0), types(n), grid(D, 3), pairs(5), origin(D * n) {
    for (auto& p : pairs) {
      const double cut = 1.5, six = 1 / (cut * cut * cut * cut * cut * cut);
      p = PairConstants{};
      p.cut2 = cut * cut;
      p.list_cut2 = (cut + skin) * (cut + skin);
      p.repulsion = p.attraction = 4;
      p.shift = -4 * (six * six - six);
      p.inner = 1.2;
      p.over_sigma2 = p.epsilon = 1;
    }
    grid[0] = 12;
    for (int g : grid) bins *= g;
    uint32 random = 1;
    for (int i = 0; i < n; ++i) {
      types[i] = i % 2;
      int rest = i;
      for (int d = 0; d < D; ++d, rest /= PER_SIDE) {
        random = random * 1664525u + 1013904223u;
        const double x = (rest % PER_SIDE + 0.5 + jiggle * (random / 4294967296.0 - 0.5)) / PER_SIDE - 0.5;
#if GG_DOUBLE
        origin[d * n + i] = x * SIDE;
#else
        origin[d * n + i] = static_cast<int64>(x * 4294967296.0);
#endif
      }
    }
    moved.resize(2 * D * n), force.resize(D * n), energy.resize(n), virial.resize(n);
    sorted.resize((D + 1) * (n + SCAN)), packed.resize(4 * n), list.resize(n * CAPACITY);
    list_end.resize(2 * n), bin_begin.resize(bins + 1), cursor.resize(bins), order.resize(n + SCAN);
  }

  Problem problem() { return {n, box.data(), types.data(), grid.data(), pairs.data(), mass.data()}; }

  Scratch scratch() {
    return {CAPACITY,      bins,         list.data(),  list_end.data(), bin_begin.data(), cursor.data(), order.data(),
            sorted.data(), packed.data(), force.data(), energy.data(),   virial.data(), moved.data()};
  }
};

template <class T>
uint64 checksum(uint64 sum, const std::vector<T>& values, double scale) {
  for (auto v : values) sum = sum * 1099511628211ull + static_cast<uint64>(static_cast<int64>(v * scale));
  return sum;
}
