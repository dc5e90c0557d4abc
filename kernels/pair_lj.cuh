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
  real over_sigma2;  // 1 / sigma^2
  real epsilon;
};

// The same constants, one set in each lane.
struct LaneConstants {
  lanes cut2, repulsion, attraction, shift, inner, quartic0, quartic1, quartic2, quartic3, quartic4, over_sigma2, epsilon;
};

// The energy of pairs inside the cut-off, from 1 / r^6 and r; Value is lanes or Two. Everything is a
// select, never a branch.
template <class Constants, class Value>
GG_FUNCTION Value energy_inside(const Constants& c, Value over6, [[maybe_unused]] Value r) {
  const Value zero(lanes{});
  Value potential = fused(over6, fused(Value(everywhere(c.repulsion)), over6, Value(everywhere(-c.attraction))), Value(everywhere(c.shift)));
#if GG_LAW == 1
  const Value x = r - Value(everywhere(c.inner));
  Value polynomial = fused(Value(everywhere(c.quartic4)), x, Value(everywhere(c.quartic3)));
  polynomial = fused(polynomial, x, Value(everywhere(c.quartic2)));
  polynomial = fused(polynomial, x, Value(everywhere(c.quartic1)));
  potential = select(x >= zero, fused(polynomial, x, Value(everywhere(c.quartic0))), potential);
#endif
  return potential;
}

// For pairs at squared distances r2, one in each lane: the force along the separation divided by
// r, and, when asked for, the energy. A particle paired with itself (r2 = 0, the padding of a
// list) gives nothing.
template <bool ENERGY, class Constants>
GG_FUNCTION void pair_lj(const Constants& c, lanes r2, lanes& force_over_r, lanes& energy) {
  const auto inside = (r2 < c.cut2) & (r2 > real(0));
  const lanes over = real(1) / r2;
  const lanes over6 = over * over * over;
  lanes force = over * over6 * fused(everywhere(real(12) * c.repulsion), over6, everywhere(real(-6) * c.attraction));
#if GG_LAW == 1
  const lanes r = root(r2);
  const lanes x = r - c.inner;
  lanes slope = fused(everywhere(real(4) * c.quartic4), x, everywhere(real(3) * c.quartic3));
  slope = fused(slope, x, everywhere(real(2) * c.quartic2));
  slope = fused(slope, x, everywhere(c.quartic1));
  force = select(x >= real(0), -slope / r, force);
#else
  const lanes r{};
#endif
  force_over_r = select(inside, force, lanes{});
  if (ENERGY) energy = select(inside, energy_inside(c, over6, r), lanes{});
}

// The energy alone, as Monte Carlo asks for it: r and 1 / r^6 from one inverse root.
template <class Constants, class Value>
GG_FUNCTION Value pair_energy(const Constants& c, Value r2, mask_t counted) {
  const Value over_r = inverse_root(r2);
  const Value over = over_r * over_r;
  return select((r2 < Value(everywhere(c.cut2))) & counted, energy_inside(c, over * over * over, r2 * over_r), Value(lanes{}));
}
