// Positions in a periodic box.
//
// place_t   the unwrapped coordinate, kept in the state of a run
// packed_t  what the pair loops read
//
// single: place_t is a 64-bit integer in units of L / 2^32 and packed_t its low word, so that
// wrapping is integer overflow, every difference is a minimum image, and the resolution is
// L / 2^32 everywhere (measured faster than float and rounding: ARCHITECTURE.md).
// double: both are the unwrapped double, and the minimum image is taken by rounding.
#pragma once
#include "portable.cuh"

constexpr int D = GG_DIMENSION;

#if GG_DOUBLE
typedef double place_t;
#else
typedef int64 place_t;
#endif

struct Box {
  double side[D];
  real unit[D];     // single: L / 2^32
  real inverse[D];  // single: 2^32 / L, double: 1 / L
};

GG_FUNCTION Box make_box(const double* sides) {
  Box box;
  for (int d = 0; d < D; ++d) {
    box.side[d] = sides[d];
#if GG_DOUBLE
    box.unit[d] = sides[d];
    box.inverse[d] = 1 / sides[d];
#else
    box.unit[d] = static_cast<real>(sides[d] / 4294967296.0);
    box.inverse[d] = static_cast<real>(4294967296.0 / sides[d]);
#endif
  }
  return box;
}

// a - b, minimum image, in one lane or in several.
#if GG_DOUBLE
template <class T>
GG_FUNCTION T apart(T a, T b, const Box& box, int d) {
  const T difference = a - b;
  return difference - box.unit[d] * nearest(difference * box.inverse[d]);
}
#else
GG_FUNCTION real apart(packed_t a, packed_t b, const Box& box, int d) {
  return static_cast<real>(static_cast<int32>(static_cast<uint32>(a) - static_cast<uint32>(b))) * box.unit[d];
}
#if GG_VECTORS
typedef uint32 unsigned_lanes __attribute__((vector_size(VECTOR)));
GG_FUNCTION lanes apart(packed_lanes a, packed_lanes b, const Box& box, int d) {
  const unsigned_lanes difference = (unsigned_lanes)a - (unsigned_lanes)b;
  return __builtin_convertvector((packed_lanes)difference, lanes) * box.unit[d];
}
#endif
#endif

GG_FUNCTION packed_t pack(place_t place) {
#if GG_DOUBLE
  return place;
#else
  return static_cast<int32>(static_cast<uint32>(static_cast<uint64>(place)));
#endif
}

// The place after a step of less than half a box.
GG_FUNCTION place_t stepped(place_t place, real step, [[maybe_unused]] const Box& box, [[maybe_unused]] int d) {
#if GG_DOUBLE
  return place + step;
#else
  return place + static_cast<int32>(nearest(step * box.inverse[d]));
#endif
}

// A length in the units of places, such a number as a step between places, and its length.
GG_FUNCTION double places_in(double length, [[maybe_unused]] const Box& box, [[maybe_unused]] int d) {
#if GG_DOUBLE
  return length;
#else
  return length * (4294967296.0 / box.side[d]);
#endif
}

GG_FUNCTION packed_t as_step(real places) {
#if GG_DOUBLE
  return places;
#else
  return static_cast<int32>(nearest(places));
#endif
}

GG_FUNCTION real length_of(packed_t step, [[maybe_unused]] const Box& box, [[maybe_unused]] int d) {
#if GG_DOUBLE
  return step;
#else
  return static_cast<real>(step) * box.unit[d];
#endif
}

GG_FUNCTION double unwrapped(place_t place, [[maybe_unused]] const Box& box, [[maybe_unused]] int d) {
#if GG_DOUBLE
  return place;
#else
  return static_cast<double>(place) * (box.side[d] / 4294967296.0);
#endif
}

// Which of `cells` equal slices of the box holds a coordinate, and how far inside (0 .. 1).
GG_FUNCTION int slice(packed_t x, [[maybe_unused]] const Box& box, [[maybe_unused]] int d, int cells, real& fraction) {
#if GG_DOUBLE
  const double turns = x * box.inverse[d];
  const double at = (turns - floor(turns)) * cells;
  const int cell = least(static_cast<int>(at), cells - 1);
  fraction = at - cell;
#else
  const uint64 at = static_cast<uint64>(static_cast<uint32>(x)) * static_cast<uint32>(cells);
  const int cell = static_cast<int>(at >> 32);
  fraction = static_cast<real>(static_cast<uint32>(at)) * static_cast<real>(1.0 / 4294967296.0);
#endif
  return cell;
}

// A cell's number after stepping over a periodic boundary.
GG_FUNCTION int around(int cell, int cells) { return cell < 0 ? cell + cells : cell >= cells ? cell - cells : cell; }
