// Real spherical harmonics of even l = 2 .. L_MAX: sums over bonds, and the bond order that follows.
//
// For each m the associated Legendre functions, divided by sin^m and by their highest coefficient, come one from the other
// in steps of two: R_(l+2) = (z^2 - b_l) R_l + c_l R_(l-2). What makes the squares of one l sum to 1 is left to the end.
#pragma once
#include "portable.cuh"

constexpr int L_MAX = 14;
constexpr int EVEN = L_MAX / 2;              // different l
constexpr int SUMS = EVEN * (2 * EVEN + 3);  // sum of 2 l + 1

struct Legendre {
  const real* b;      // (m, l) from first_l(m) on
  const real* c;      // (m, l)
  const real* scale;  // (m, cosine and sine, l) squares of what makes the squares of one l sum to 1
};

constexpr int first_l(int m) { return m < 2 ? 2 : m + m % 2; }
constexpr int l_count(int m) { return (L_MAX - first_l(m)) / 2 + 1; }
// How many (m', l) there are of m' < m.
constexpr int before_m(int m) { return EVEN * m - (m < 2 ? 0 : (m - 2) * (m - 2) / 4); }

enum { X, Y, Z, COSINE, SINE, BOND };  // rows of `bond`: a unit vector; sin^m cos(m phi) and sin^m sin(m phi)

// Sums over bonds of orders from m = M on, to out[(m, cosine and sine, l)], behind which there is room for a vector. The cosine of
// m = 0 is 1, or 0 where no bond is.
template <int M>
GG_FUNCTION void add_orders(int vectors, real* bond, int stride, const Legendre& legendre, real* out) {
  constexpr int COUNT = l_count(M), PARTS = M ? 2 : 1, AT = before_m(M);
  team_sums<PARTS * COUNT>(
      1, vectors,
      [=](int, int item, lanes* sum) {
        real* at = bond + item * LANES;
        const lanes z = load_lanes(at + Z * stride), square = z * z, cosine = load_lanes(at + COSINE * stride), sine = load_lanes(at + SINE * stride);
        lanes before = everywhere(1), now = M == 0 ? square - everywhere(real(1) / 3) : M % 2 ? z : before;
#pragma GCC unroll 8
        for (int i = 0; i < COUNT; ++i) {
          sum[i] = fused(now, cosine, sum[i]);
          if (M) sum[COUNT + i] = fused(now, sine, sum[COUNT + i]);
          if (i == COUNT - 1) break;
          const lanes slope = square - everywhere(legendre.b[AT + i + 1]);
          const lanes next = i || M == 0 ? fused(slope, now, everywhere(legendre.c[AT + i + 1]) * before) : slope * now;
          before = now;
          now = next;
        }
        if (M == L_MAX) return;
        const lanes x = load_lanes(at + X * stride), y = load_lanes(at + Y * stride);  // the item is no other thread's
        store_lanes(at + COSINE * stride, cosine * x - sine * y);
        store_lanes(at + SINE * stride, fused(cosine, y, sine * x));
      },
      [=](int k, lanes sums, int) { store_lanes(out + k, sums); });
  if constexpr (M < L_MAX) add_orders<M + 1>(vectors, bond, stride, legendre, out + PARTS * COUNT);
}

// Q_l, of every l, of `sums` over 1 / `inverse` bonds.
GG_FUNCTION void orders_of(const Legendre& legendre, const real* sums, real inverse, real (&order)[EVEN]) {
  const real* scale = legendre.scale;
  for (int l = 0; l < EVEN; ++l) order[l] = 0;
  for (int m = 0; m <= L_MAX; ++m)
    for (int part = 0; part < (m ? 2 : 1); ++part)
      for (int l = first_l(m) / 2 - 1; l < EVEN; ++l, ++sums, ++scale) order[l] = fused(*sums * *sums, *scale, order[l]);
  for (int l = 0; l < EVEN; ++l) order[l] = root(order[l]) * inverse;
}
