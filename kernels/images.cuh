// Every image of a particle that can be near a particle of a cell, once for the whole cell: distances then need no minimum image,
// and a third of the candidates is never looked at again.
//
// Places are told from the middle of the cell. In a direction of at least 2 REACH + 1 cells only the image nearest the middle
// can be near; in one of fewer, whose candidates are all particles, also the next but one.
#pragma once
#include "cells.cuh"
#include "keep.cuh"

struct Images {
  int stride;      // numbers of one direction
  real* x;         // (D, stride), species after species
  int32* end;      // (species) one past the last of a species
  real middle[D];  // of the cell
};

// `where` is the memory of keep_some.
GG_FUNCTION Images gather_images(const Cells& c, const Surroundings& w, real reach, real* x, int stride, int32* where) {
  Images m;
  m.stride = stride, m.x = x, m.end = w.species_end;
  real half[D];
  int few = 0;  // bit d: few cells in that direction
  for (int d = 0, rest = w.cell; d < D; ++d) {
    const int grid = c.grid[w.configuration * D + d];
    half[d] = (real(0.5) + real(1e-6)) * w.box.unit[d] / grid;  // with room for roundings
    m.middle[d] = ((rest % grid + real(0.5)) / grid - real(0.5)) * w.box.unit[d];
    few |= (grid < 2 * REACH + 1) << d;
    rest /= grid;
  }
  int total = 0, begin = 0;
  for (int s = 0; s < w.species; ++s) {
    const int end = w.species_end[s];
    GG_NO_UNROLL
    for (int which = 0; which < 1 << D; ++which) {
      if (which & ~few) continue;
      auto place = [&](int k, int d) {
        const lanes at = apart(load_lanes(w.candidate + d * w.capacity + k), everywhere(m.middle[d]), w.box, d);
        const lanes next = everywhere(w.box.unit[d]);
        return which >> d & 1 ? select(at > lanes{}, at - next, at + next) : at;
      };
      int count[1];
      keep_some<1>(
          begin, end, where, count,
          [&](int k, uint32* marks) {
            lanes square = {};
            for (int d = 0; d < D; ++d) {
              const lanes at = place(k, d), far = select(at < lanes{}, -at, at) - everywhere(half[d]);  // from the cell
              const lanes beyond = select(far > lanes{}, far, lanes{});
              square = fused(beyond, beyond, square);
            }
            marks[0] = marks_below(square, everywhere(reach * reach));
          },
          [&](int, int k, uint32 marks, int at) {
            for (int d = 0; d < D; ++d) keep_marked(marks, place(k, d), x + d * stride + total + at);
          });
      total += count[0];
    }
    phase(1, [&](int) { m.end[s] = total; });
    begin = end;
  }
  return m;
}
