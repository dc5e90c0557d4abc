// Hard spheres in free flight: where they are, when two of them meet, what a collision does.
//
// A sphere is two records of four numbers: its position at its own time and that time, its velocity and its
// radius. It is touched only when it collides. Diameters may grow at a constant rate (Lubachevsky and
// Stillinger, J. Stat. Phys. 60, 561 (1990)): radii are those at scale 1.
#pragma once
#include "lists.cuh"

static_assert(GG_DOUBLE, "times of collisions need double precision");

constexpr int LEAVES = -1;  // in place of a partner: the sphere leaves what its list covers

struct Spheres {
  real *where, *heading;  // (particle, 4)
  real* event;            // (particle, padded) when its next event comes
  int32* partner;         // (particle) with whom
  int32* known;           // (particle) how many collisions the partner had had when this was foreseen
  int32* collisions;      // (particle) so far
  const packed_t* reference;
  real reach2;            // how far a sphere may be from its reference, squared
  real scale, growth;     // of all diameters at time 0, and by how much it grows in a unit of time
};

GG_FUNCTION real& position(const Spheres& s, int d, int i) { return s.where[4 * i + d]; }
GG_FUNCTION real& clock_of(const Spheres& s, int i) { return s.where[4 * i + 3]; }
GG_FUNCTION real& velocity(const Spheres& s, int d, int i) { return s.heading[4 * i + d]; }
GG_FUNCTION real& radius(const Spheres& s, int i) { return s.heading[4 * i + 3]; }
GG_FUNCTION real position_at(const Spheres& s, int d, int i, real now) {
  return fused(velocity(s, d, i), now - clock_of(s, i), position(s, d, i));
}

// The records of the LANES neighbours whose entries begin at `entry`.
GG_FUNCTION Positions read_spheres(const real* records, const index_t* entry) {
#if GG_VECTORS
  return read_records(records, entry);
#else
  const real* at = records + 4 * static_cast<int>(*entry);
  return {at[0], at[1], at[2], at[3]};
#endif
}

// How long until spheres meet, from their separation and relative velocity, the sum of their radii and its
// growth: the least root of |x + v t| = reach + growth t; never, where there is none. Spheres that already
// touch and approach meet now.
GG_FUNCTION lanes time_to_meet(lanes r2, lanes xv, lanes v2, lanes reach, lanes growth) {
  const lanes a = v2 - growth * growth, b = xv - reach * growth, c = r2 - reach * reach;
  const lanes inside = b * b - a * c, zero{};
  const auto meet = (inside >= zero) & ((b < zero) | (a < zero)) & (r2 > zero);  // r2 = 0: the padding of a list
  const lanes time = c / (root(select(meet, inside, everywhere(real(1)))) - b);
  return select(meet, select(time > zero, time, zero), everywhere(real(GG_NEVER)));
}

// How long until sphere i is as far from its reference as its list allows.
GG_FUNCTION real time_to_leave(const Workspace& w, const Spheres& s, int i, real now) {
  real r2 = 0, xv = 0, v2 = 0;
  for (int d = 0; d < D; ++d) {
    const real x = position_at(s, d, i, now) - s.reference[d * w.n + i], v = velocity(s, d, i);
    r2 = fused(x, x, r2), xv = fused(x, v, xv), v2 = fused(v, v, v2);
  }
  const real time = (root(fused(v2, s.reach2 - r2, xv * xv)) - xv) / v2;
  return v2 > 0 ? (time > 0 ? time : real(0)) : real(GG_NEVER);
}

// Finds the next event of sphere i as things stand now, and notes it.
GG_FUNCTION void foresee(const Workspace& w, const Spheres& s, int i, real now) {
  const index_t* list = list_entry(w, i, 0);
  const Box box = w.box;
  const lanes time = everywhere(now), scale = everywhere(s.scale + s.growth * now), growth = everywhere(s.growth);
  lanes x[D], v[D];
  for (int d = 0; d < D; ++d) x[d] = everywhere(position_at(s, d, i, now)), v[d] = everywhere(velocity(s, d, i));
  const lanes mine = everywhere(radius(s, i));
  const Least meeting = team_least(w.list_end[i], [&](int k) {
    const Positions at = read_spheres(s.where, list + k), go = read_spheres(s.heading, list + k);
    const lanes since = time - at.species;
    const lanes place[3] = {at.x, at.y, at.z}, speed[3] = {go.x, go.y, go.z};
    lanes r2{}, xv{}, v2{};
    for (int d = 0; d < D; ++d) {
      const lanes dx = apart(fused(speed[d], since, place[d]), x[d], box, d), dv = speed[d] - v[d];
      r2 = fused(dx, dx, r2), xv = fused(dx, dv, xv), v2 = fused(dv, dv, v2);
    }
    const lanes diameter = go.species + mine;
    return time_to_meet(r2, xv, v2, diameter * scale, diameter * growth);
  });
  const real leaving = time_to_leave(w, s, i, now);
  phase(1, [&](int) {
    const bool meets = meeting.value <= leaving;
    const int j = meets ? static_cast<int>(list[meeting.index]) / static_cast<int>(offset_of(1)) : LEAVES;
    s.event[i] = now + (meets ? meeting.value : leaving);
    s.partner[i] = j;
    s.known[i] = meets ? s.collisions[j] : 0;
  });
}

// Spheres i and j, which touch now, exchange momentum along the line between them; returns what they add to the
// sum of r . dp over collisions.
GG_FUNCTION double collide(const Workspace& w, const Spheres& s, int i, int j, real now) {
  real dx[D], r2 = 0, xv = 0;
  for (int d = 0; d < D; ++d) {
    position(s, d, i) = position_at(s, d, i, now), position(s, d, j) = position_at(s, d, j, now);
    dx[d] = apart(position(s, d, j), position(s, d, i), w.box, d);
    r2 = fused(dx[d], dx[d], r2), xv = fused(dx[d], velocity(s, d, j) - velocity(s, d, i), xv);
  }
  clock_of(s, i) = clock_of(s, j) = now;
  const real mi = static_cast<real>(w.mass[w.types[i]]), mj = static_cast<real>(w.mass[w.types[j]]);
  const real outward = s.growth == 0 ? real(0) : root(r2) * s.growth * (radius(s, i) + radius(s, j));
  const real push = 2 * mi * mj / (mi + mj) * (outward - xv) / r2;
  for (int d = 0; d < D; ++d) {
    velocity(s, d, i) -= push / mi * dx[d];
    velocity(s, d, j) += push / mj * dx[d];
  }
  ++s.collisions[i], ++s.collisions[j];
  return push * r2;
}
