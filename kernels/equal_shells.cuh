// Gaussian shells at equal steps: two exponentials a neighbour for all of them.
//
// With x = r - middle and y = c - middle,
//   exp(-(r - c)^2 n) = exp(-x^2 n) exp(2 n x y) exp(-y^2 n),  n = 1 / (2 delta^2).
// From one centre to the next the second factor changes by the same ratio, and the third is the same for all
// neighbours. Neighbours stand in BANDS of distance, each with a middle of its own, which keeps all factors in the
// range of numbers (glassgpu/descriptors/softness.py says how wide they may be).
#pragma once
#include "portable.cuh"

constexpr int BANDS = 2;

struct EqualShells {
  int32 count;          // of shells
  double step;          // between centres
  double narrow;        // n
  const real* centre;   // (count)
  const real* edge;     // (count) a shell counts r < edge
  const int32* range;   // (BANDS, 3) of the shells that a band reaches: first, first whose edge lies beyond the band, one past the last
  const real* middle;   // (BANDS)
  const real* factor;   // (BANDS, count) exp(-y^2 n)
};

#if GG_VECTORS

constexpr int MANY = 4;  // vectors of neighbours in work together

// Adds exp(-x^2 n) exp(2 n x y) of `left` neighbours, at most MANY vectors of them, to sum[shell], a vector for each shell, and
// makes distances of squares.
GG_FUNCTION void add_bells(const EqualShells& s, int band, real* distance, int left, real* sum) {
  const int first = s.range[3 * band], beyond = s.range[3 * band + 1], last = s.range[3 * band + 2];
  const real middle = s.middle[band], n = s.narrow;
  real lane[LANES];
  for (int l = 0; l < LANES; ++l) lane[l] = l;
  lanes r[MANY], power[2 * MANY], *bell = power, *ratio = power + MANY;
  for (int v = 0; v < MANY; ++v) {
    r[v] = select(load_lanes(lane) < everywhere(real(left - v * LANES)), root(load_lanes(distance + v * LANES)), everywhere(middle));
    store_lanes(distance + v * LANES, r[v]);
    const lanes x = r[v] - middle;
    bell[v] = x * (2 * n * (s.centre[first] - middle) - n * x);
    ratio[v] = x * (2 * n * s.step);
  }
  exponentials<2 * MANY>(power);
  for (int v = 0; v < MANY; ++v) bell[v] = select(load_lanes(lane) < everywhere(real(left - v * LANES)), bell[v], lanes{});
  for (int k = first; k < beyond; ++k) {
    const lanes edge = everywhere(s.edge[k]);
    lanes total = load_lanes(sum + k * LANES);
    for (int v = 0; v < MANY; ++v) {
      total = select(r[v] < edge, total + bell[v], total);
      bell[v] *= ratio[v];
    }
    store_lanes(sum + k * LANES, total);
  }
  for (int k = beyond; k < last; ++k) {
    lanes total = load_lanes(sum + k * LANES);
    for (int v = 0; v < MANY; ++v) {
      total += bell[v];
      bell[v] *= ratio[v];
    }
    store_lanes(sum + k * LANES, total);
  }
}

#endif

// column[shell] = sum of the bells of the neighbours of each band, of whom `distance` holds the squares of the distances, and
// the distances afterwards. `sum` holds BANDS * count vectors.
GG_FUNCTION void bell_columns(const EqualShells& s, real* const (&distance)[BANDS], const int (&end)[BANDS], real* sum, double* column) {
#if GG_VECTORS
  phase(1, [&](int) {
    for (int k = 0; k < BANDS * s.count * LANES; ++k) sum[k] = 0;
    for (int band = 0; band < BANDS; ++band) {
      real* to = sum + band * s.count * LANES;
      for (int j = 0; j < end[band]; j += MANY * LANES) add_bells(s, band, distance[band] + j, end[band] - j, to);
    }
    for (int first = 0; first < s.count; first += LANES) {
      const int some = least(LANES, s.count - first);
      lanes total[LANES] = {};
      for (int band = 0; band < BANDS; ++band)
        for (int k = 0, at = band * s.count + first; k < some; ++k, ++at)
          total[k] = fused(everywhere(s.factor[at]), load_lanes(sum + at * LANES), total[k]);
      keep_marked(0xffffffffu >> (32 - some), sums_of(total), column + first);
    }
  });
#else
  for (int band = 0; band < BANDS; ++band) phase(end[band], [&](int j) { distance[band][j] = root(distance[band][j]); });
  phase(s.count, [&](int k) {
    real total = 0;
    for (int band = 0; band < BANDS; ++band) {
      if (k < s.range[3 * band] || k >= s.range[3 * band + 2]) continue;
      for (int j = 0; j < end[band]; ++j) {
        const real r = distance[band][j], x = r - s.centre[k];
        if (r < s.edge[k]) total += exponential(-(x * x) * s.narrow);
      }
    }
    column[k] = total;
  });
#endif
}
