// What stands around a cell: the particles within REACH cells of it, copied together.
//
// Python sorts particles into bins, one per species and cell, x fastest, and by index within a
// bin (glassgpu/structure/cells.py). A replica is one cell of one configuration, so that the
// threads of a host share a configuration and the particles of a cell share their candidates.
// Along a direction of fewer than 2 REACH + 1 cells every particle is a candidate, once.
#pragma once
#include "box.cuh"

constexpr int REACH = 2;  // a cell is at least half the cut-off wide
constexpr int PADDING = 8;  // capacities are whole vectors of at most so many

struct Cells {
  int32 particles;
  int32 species;
  int32 bins;              // largest species * cells over the configurations
  int32 capacity;          // most candidates of any cell, in whole vectors
  const double* box;       // (configuration, D) sides
  const int32* grid;       // (configuration, D) cells along each direction
  const int32* begin;      // (configuration, bins + 1) where each bin's particles begin
  const int32* order;      // (configuration, particle) which particle stands there
  const packed_t* sorted;  // (configuration, D, particle) where it is
  const int32* cell;       // (replica, 2) configuration and cell
  packed_t* candidate;     // (slot, D, capacity)
  int32* number;           // (slot, capacity) place of each candidate in `order`
  int32* species_end;      // (slot, species) one past the last candidate of a species
  int32* mark;             // (slot, capacity + 1)
};

// One cell and what stands around it, species after species.
struct Surroundings {
  int n, configuration, cell, cells, species, capacity, count;
  Box box;
  const int32 *begin, *order;
  const packed_t* sorted;
  packed_t* candidate;
  int32 *number, *species_end, *mark;
};

// Copies the particles of `bins` bins from `bin` on.
GG_FUNCTION void copy_bins(Surroundings& w, int bin, int bins) {
  const int first = w.begin[bin], more = w.begin[bin + bins] - first, count = w.count;
  phase(more, [&](int k) {
    w.number[count + k] = first + k;
    for (int d = 0; d < D; ++d) w.candidate[d * w.capacity + count + k] = w.sorted[d * w.n + first + k];
  });
  w.count += more;
}

GG_FUNCTION Surroundings gather_surroundings(const Cells& c, int replica, int slot) {
  Surroundings w;
  const int64 n = c.particles;
  w.n = c.particles, w.species = c.species, w.capacity = c.capacity, w.count = 0;
  w.configuration = c.cell[2 * replica], w.cell = c.cell[2 * replica + 1];
  w.box = make_box(c.box + w.configuration * D);
  w.begin = c.begin + w.configuration * (c.bins + int64(1));
  w.order = c.order + w.configuration * n;
  w.sorted = c.sorted + w.configuration * n * D;
  w.candidate = c.candidate + int64(slot) * c.capacity * D;
  w.number = c.number + int64(slot) * c.capacity;
  w.species_end = c.species_end + slot * c.species;
  w.mark = c.mark + slot * (c.capacity + int64(1));
  int grid[3] = {1, 1, 1}, low[3], width[3], rest = w.cell;
  w.cells = 1;
  for (int d = 0; d < D; ++d) {
    grid[d] = c.grid[w.configuration * D + d];
    w.cells *= grid[d];
  }
  for (int d = 0; d < 3; ++d) {
    width[d] = least(2 * REACH + 1, grid[d]);
    low[d] = width[d] < 2 * REACH + 1 ? 0 : rest % grid[d] - REACH;
    rest /= grid[d];
  }
  const int from = greatest(low[0], 0), to = least(low[0] + width[0], grid[0]);  // of a row, then what is over the boundary
  const int over = width[0] - (to - from), over_from = low[0] < 0 ? grid[0] - over : 0;
  for (int s = 0; s < w.species; ++s) {
    for (int z = low[2]; z < low[2] + width[2]; ++z)
      for (int y = low[1]; y < low[1] + width[1]; ++y) {
        const int row = s * w.cells + (around(z, grid[2]) * grid[1] + around(y, grid[1])) * grid[0];
        copy_bins(w, row + from, to - from);
        copy_bins(w, row + over_from, over);
      }
    phase(1, [&](int) { w.species_end[s] = w.count; });
  }
  return w;
}

// From the k-th sorted particle to a candidate.
struct Bond {
  real x, y, z, r;
};

GG_FUNCTION Bond bond_to(const Surroundings& w, int k, int candidate) {
  const packed_t *from = w.sorted + k, *to = w.candidate + candidate;
  Bond bond;
  bond.x = apart(to[0], from[0], w.box, 0);
  bond.y = apart(to[w.capacity], from[w.n], w.box, 1);
  bond.z = D == 3 ? apart(to[(D - 1) * w.capacity], from[(D - 1) * w.n], w.box, D - 1) : real(0);
  bond.r = root(fused(bond.z, bond.z, fused(bond.y, bond.y, bond.x * bond.x)));
  return bond;
}

// The distances to LANES candidates from c on; what lies beyond the last is anything.
GG_FUNCTION lanes distances_to(const Surroundings& w, int k, int c) {
  lanes square = {};
  for (int d = 0; d < D; ++d) {
    const lanes difference = load_lanes(w.candidate + d * w.capacity + c) - everywhere(w.sorted[d * w.n + k]);
    const lanes apart = difference - everywhere(w.box.unit[d]) * nearest(difference * everywhere(w.box.inverse[d]));
    square = fused(apart, apart, square);
  }
  return root(square);
}

// How many particles the cell itself holds.
GG_FUNCTION int own_particles(const Surroundings& w) {
  int count = 0;
  for (int s = 0; s < w.species; ++s) count += w.begin[s * w.cells + w.cell + 1] - w.begin[s * w.cells + w.cell];
  return count;
}

// The place in `order` of the m-th of them.
GG_FUNCTION int own_particle(const Surroundings& w, int m) {
  int bin = w.cell;
  for (; w.begin[bin + 1] - w.begin[bin] <= m; bin += w.cells) m -= w.begin[bin + 1] - w.begin[bin];
  return w.begin[bin] + m;
}

// Calls f(k) for the places in `order` of the cell's own particles, alike in every thread.
template <class F>
GG_FUNCTION void each_particle(const Surroundings& w, F f) {
  for (int s = 0; s < w.species; ++s) {
    const int bin = s * w.cells + w.cell;
    for (int k = w.begin[bin]; k < w.begin[bin + 1]; ++k) f(k);
  }
}

// Marks the candidates nearer than `reach` to the k-th sorted particle, itself left out; then
// candidate c is one of them where mark[c + 1] > mark[c], and mark[c] says which. How many are.
GG_FUNCTION int mark_near(const Surroundings& w, int k, real reach) {
  phase(w.count, [&](int c) { w.mark[c] = (bond_to(w, k, c).r < reach) & (w.number[c] != k); });
  return block_scan(w.mark, w.count);
}
