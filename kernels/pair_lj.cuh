// Lennard-Jones pair laws, shifted (GG_LAW 0) or twice continuously differentiable (GG_LAW 1).
//
// shifted: U = 4 eps [(s/r)^12 - (s/r)^6] + shift for r < cut, with U(cut) = 0.
// smooth:  the same with another constant for r < inner; for inner <= r < cut a quartic in
//          x = r - inner that continues U, U', U'' and vanishes with them at the cut
//          (after Barbot et al., Phys. Rev. E 97, 033001 (2018)).
#pragma once
#include "portable.cuh"

struct PairConstants {
  real cut2;       // cut^2
  real list_cut2;  // (cut + skin)^2
  real repulsion;  // 4 epsilon sigma^12
  real attraction; // 4 epsilon sigma^6
  real shift;      // the constant of the inner branch
  real inner;      // smooth: where the quartic begins
  real quartic0;   // smooth: coefficients of x^0 .. x^4
  real quartic1;
  real quartic2;
  real quartic3;
  real quartic4;
};

// For pairs at squared distances r2, one in each lane: the force along the separation divided by
// r, and, when asked for, the energy. A particle paired with itself (r2 = 0, the padding of a
// list) gives nothing. Everything is a select, never a branch.
template <bool ENERGY>
GG_FUNCTION void pair_lj(const PairConstants& c, lanes r2, lanes& force_over_r, lanes& energy) {
  const auto inside = (r2 < c.cut2) & (r2 > real(0));
  const lanes over = real(1) / r2;
  const lanes over6 = over * over * over;
  lanes force = over * over6 * fused(everywhere(12 * c.repulsion), over6, everywhere(-6 * c.attraction));
  lanes potential = ENERGY ? fused(over6, fused(everywhere(c.repulsion), over6, everywhere(-c.attraction)), everywhere(c.shift)) : lanes{};
#if GG_LAW == 1
  const lanes r = root(r2);
  const lanes x = r - c.inner;
  const auto outer = x >= real(0);
  lanes slope = fused(everywhere(4 * c.quartic4), x, everywhere(3 * c.quartic3));
  slope = fused(slope, x, everywhere(2 * c.quartic2));
  slope = fused(slope, x, everywhere(c.quartic1));
  force = select(outer, -slope / r, force);
  if (ENERGY) {
    lanes polynomial = fused(everywhere(c.quartic4), x, everywhere(c.quartic3));
    polynomial = fused(polynomial, x, everywhere(c.quartic2));
    polynomial = fused(polynomial, x, everywhere(c.quartic1));
    potential = select(outer, fused(polynomial, x, everywhere(c.quartic0)), potential);
  }
#endif
  force_over_r = select(inside, force, lanes{});
  energy = select(inside, potential, lanes{});
}
