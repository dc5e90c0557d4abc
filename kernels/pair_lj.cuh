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
  real sigma2;     // sigma^2
  real epsilon4;   // 4 epsilon
  real epsilon24;  // 24 epsilon
  real shift;      // the constant of the inner branch
  real inner;      // smooth: where the quartic begins
  real quartic0;   // smooth: coefficients of x^0 .. x^4
  real quartic1;
  real quartic2;
  real quartic3;
  real quartic4;
};

// For a pair at squared distance r2: the force along the separation divided by r, and, when
// asked for, the energy. A particle paired with itself (r2 = 0, the padding of a list) gives
// nothing. Everything is a select, never a branch: the CPU runs it in vector lanes.
template <bool ENERGY>
GG_FUNCTION void pair_lj(const PairConstants& c, real r2, real& force_over_r, real& energy) {
  const bool inside = r2 < c.cut2 && r2 > real(0);
  const real over = real(1) / r2;
  const real ratio = c.sigma2 * over;
  const real six = ratio * ratio * ratio;
  real force = c.epsilon24 * six * over * fused(real(2), six, real(-1));
  real potential = ENERGY ? fused(c.epsilon4 * six, six - real(1), c.shift) : real(0);
#if GG_LAW == 1
  const real r = root(r2);
  const real x = r - c.inner;
  const bool outer = x >= real(0);
  const real slope = fused(
      fused(fused(real(4) * c.quartic4, x, real(3) * c.quartic3), x, real(2) * c.quartic2), x, c.quartic1);
  force = outer ? -slope / r : force;
  if (ENERGY) {
    const real polynomial =
        fused(fused(fused(fused(c.quartic4, x, c.quartic3), x, c.quartic2), x, c.quartic1), x, c.quartic0);
    potential = outer ? polynomial : potential;
  }
#endif
  force_over_r = inside ? force : real(0);
  energy = inside ? potential : real(0);
}
