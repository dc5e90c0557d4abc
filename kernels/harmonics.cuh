// Real spherical harmonics for l = 0 .. L_MAX, scaled so that the squares of one l sum to 1.
//
// Row l for m = 0; for m > 0 the rows of (l, m), cosine then sine, stand m after m. Sums of the
// squares over one l are sum_m |Y_lm|^2 4 pi / (2l+1), whatever is averaged.
#pragma once
#include "portable.cuh"

constexpr int L_MAX = 12;
constexpr int ROWS = (L_MAX + 1) * (L_MAX + 1);

GG_FUNCTION int row_of(int l, int m) { return m == 0 ? l : L_MAX + 1 + (m - 1) * (2 * L_MAX + 2 - m) + 2 * (l - m); }

// The harmonics of LANES unit vectors, row `row` at out + row * stride. `legendre` holds, for each
// m and then l = m .. L_MAX, the two coefficients of the upward recurrence in l of the associated
// Legendre functions divided by sin^m; the first of l = m is the function itself.
GG_FUNCTION void harmonics(lanes x, lanes y, lanes z, const double* legendre, real* out, int stride) {
  lanes cosine = everywhere(1), sine = everywhere(0);  // sin^m cos(m phi), sin^m sin(m phi)
  for (int m = 0; m <= L_MAX; ++m) {
    lanes before = everywhere(0), now = everywhere(static_cast<real>(legendre[0]));
    for (int l = m; l <= L_MAX; ++l, legendre += 2) {
      if (l > m) {
        const lanes next = everywhere(static_cast<real>(legendre[0])) * z * now - everywhere(static_cast<real>(legendre[1])) * before;
        before = now;
        now = next;
      }
      real* row = out + row_of(l, m) * stride;
      store_lanes(row, now * cosine);
      if (m > 0) store_lanes(row + stride, now * sine);
    }
    const lanes turned = cosine * x - sine * y;
    sine = fused(cosine, y, sine * x);
    cosine = turned;
  }
}
