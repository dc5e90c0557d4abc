// Sums over bonds of real spherical harmonics of even l = 2 .. L_MAX.
//
// For each m the associated Legendre functions, divided by sin^m and by their highest coefficient, come one from the other
// in steps of two: R_(l+2) = (z^2 - b_l) R_l + c_l R_(l-2). What makes the squares of one l sum to 1 is left to the end:
// rows of `legendre` are b, c and the square of that scale.
#pragma once
#include "portable.cuh"

constexpr int L_MAX = 14;
constexpr int EVEN = L_MAX / 2;                        // different l
constexpr int HARMONICS = EVEN * (2 * EVEN + 3);       // sum of 2 l + 1

constexpr int first_l(int m) { return m < 2 ? 2 : m + m % 2; }
constexpr int l_count(int m) { return (L_MAX - first_l(m)) / 2 + 1; }
// How many (m', l) there are of m' < m.
constexpr int before_m(int m) { return EVEN * m - (m < 2 ? 0 : (m - 2) * (m - 2) / 4); }
// Rows of sums: m after m, of each all cosines, then all sines.
constexpr int row_of(int l, int m) { return (m == 0 ? 0 : 2 * before_m(m) - EVEN) + (l - first_l(m)) / 2; }

enum { X, Y, Z, COSINE, SINE, BOND };  // rows of `bond`: a unit vector; sin^m cos(m phi) and sin^m sin(m phi)

// Sums from order m = M on: row `row` at out + row * apart. Cosines of 0 where no bond is.
template <int M>
GG_FUNCTION void add_orders(int vectors, real* bond, int stride, const double* legendre, real* out, int apart) {
  constexpr int COUNT = l_count(M), FIRST = row_of(first_l(M), M);
  const double* table = legendre + 3 * before_m(M);
  team_sums<(M ? 2 : 1) * COUNT>(
      1, vectors,
      [&](int, int item, lanes* sum) {
        real* at = bond + item * LANES;
        const lanes z = load_lanes(at + Z * stride), square = z * z, cosine = load_lanes(at + COSINE * stride), sine = load_lanes(at + SINE * stride);
        lanes before = everywhere(1), now = M == 0 ? square - everywhere(real(1) / 3) : M % 2 ? z : before;
#pragma GCC unroll 8
        for (int i = 0; i < COUNT; ++i) {
          sum[i] = fused(now, cosine, sum[i]);
          if (M) sum[COUNT + i] = fused(now, sine, sum[COUNT + i]);
          if (i == COUNT - 1) break;
          const double* row = table + 3 * (i + 1);
          const lanes slope = square - everywhere(row[0]);
          const lanes next = i || M == 0 ? fused(slope, now, everywhere(row[1]) * before) : slope * now;
          before = now;
          now = next;
        }
        if (M == L_MAX) return;  // the item is no other thread's
        const lanes x = load_lanes(at + X * stride), y = load_lanes(at + Y * stride);
        store_lanes(at + COSINE * stride, cosine * x - sine * y);
        store_lanes(at + SINE * stride, fused(cosine, y, sine * x));
      },
      [&](int k, real sum) { out[(FIRST + k) * apart] = sum; });
  if constexpr (M < L_MAX) add_orders<M + 1>(vectors, bond, stride, legendre, out, apart);
}

// sum_m of the squares of the sums of l, times their scales; LANES sets of sums that stand side by side.
GG_FUNCTION lanes square_of(int l, const double* legendre, const real* sums, int apart) {
  lanes square = {};
  for (int m = 0; m <= l; ++m)
    for (int part = 0; part < (m ? 2 : 1); ++part) {
      const lanes sum = load_lanes(sums + (row_of(l, m) + part * l_count(m)) * apart);
      square = fused(sum * sum, everywhere(legendre[3 * (before_m(m) + (l - first_l(m)) / 2) + 2]), square);
    }
  return square;
}
