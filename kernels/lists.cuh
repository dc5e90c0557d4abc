// Neighbour lists by cells: a pure function of the reference positions.
//
// Particles are binned by species (unless lists mix them) and cell; within a bin the atomics leave them in any order,
// so each bin is sorted by index before anyone reads it. A list holds the neighbours of one
// species after another, so that the pair constants are fixed within a run of entries.
// Along a direction with fewer than three cells (grid = 1) every particle is a candidate.
// Along x the cells are narrower than the list radius: they cost nothing there, because the
// cells of a row stand one after another in memory.
#pragma once
#include "workspace.cuh"

GG_FUNCTION int bin_of(const Workspace& w, const packed_t* x, int i) {
  int bin = RUNS > 1 ? w.types[i] : 0;
  real fraction;
  for (int d = D - 1; d >= 0; --d) bin = bin * w.grid[d] + slice(x[d * w.n + i], w.box, d, w.grid[d], fraction);
  return bin;
}

GG_FUNCTION void sort_bin(const Workspace& w, const packed_t* x, int bin) {
  const int first = w.bin_begin[bin], last = w.bin_begin[bin + 1];
  for (int k = first + 1; k < last; ++k) {
    const int32 mine = w.order[k];
    int at = k;
    for (; at > first && w.order[at - 1] > mine; --at) w.order[at] = w.order[at - 1];
    w.order[at] = mine;
  }
  for (int k = first; k < last; ++k) {
    for (int d = 0; d < D; ++d) w.sorted[d * (w.n + SCAN) + k] = x[d * w.n + w.order[k]];
    if (LISTS == 1) w.sorted[D * (w.n + SCAN) + k] = static_cast<packed_t>(w.types[w.order[k]]);
  }
}

// The squared list radii of a particle: of its pairs with the species of a bin, or in mixed lists
// with each species.
struct Reach2 {
  real of[LISTS == 1 ? SPECIES : 1];
};

GG_FUNCTION Reach2 reach_of(const Workspace& w, int species, int bin_species, real& longest) {
  Reach2 reach;
  longest = 0;
  for (int s = 0; s < static_cast<int>(sizeof(reach.of) / sizeof(real)); ++s) {
    reach.of[s] = w.pairs[LISTS == 2 ? 0 : species * SPECIES + bin_species + s].list_cut2;
    longest = reach.of[s] > longest ? reach.of[s] : longest;
  }
  return reach;
}

// Adds the particles among order[first .. last-1] within the list radius of sorted particle k;
// false when the list is full. SCAN candidates are tested at a time, one bit each.
GG_FUNCTION bool add_neighbours(const Workspace& w, int k, const Reach2& reach, int first, int last, int& count) {
  const int row = w.n + SCAN, stride = list_stride(w), capacity = w.capacity;
  const packed_t *X = w.sorted, *Y = w.sorted + row, *Z = w.sorted + (D - 1) * row;
  [[maybe_unused]] const packed_t* K = w.sorted + D * row;
  const packed_lanes xi = everywhere_packed(X[k]), yi = everywhere_packed(Y[k]), zi = everywhere_packed(Z[k]);
  const Box box = w.box;
  const int32* order = w.order;
  index_t* entry = list_entry(w, order[k], 0);
  int end = count;
  for (int base = first; base < last; base += SCAN) {
    uint32 near = 0;
    for (int part = 0; part < SCAN; part += LANES) {  // past `last` it reads other particles, masked below
      const int at = base + part;
      const lanes dx = apart(load_packed(X + at), xi, box, 0), dy = apart(load_packed(Y + at), yi, box, 1);
      lanes r2 = fused(dy, dy, dx * dx);
      if (D == 3) {
        const lanes dz = apart(load_packed(Z + at), zi, box, D - 1);
        r2 = fused(dz, dz, r2);
      }
      lanes cut2 = everywhere(reach.of[0]);
      if (LISTS == 1)
        for (int s = 1; s < SPECIES; ++s)
          cut2 = select(load_packed(K + at) == everywhere_packed(static_cast<packed_t>(s)), everywhere(reach.of[LISTS == 1 ? s : 0]), cut2);
      near |= marks_below(r2, cut2) << part;
    }
    const int width = least(SCAN, last - base);
    if (width < SCAN) near &= (uint32(1) << width) - 1;
    if (k >= base && k < base + SCAN) near &= ~(uint32(1) << (k - base));
    if (end + SCAN > capacity) return false;
    end += keep_marked(near, order + base, offset_of(1), entry + int64(end) * stride);
  }
  count = end;
  return true;
}

// The rows of cells around a particle: where each begins and how far away it is.
struct Rows {
  int count;
  int first[D == 3 ? 9 : 3];   // bin of the row's first cell, for species 0
  real gap2[D == 3 ? 9 : 3];   // squared distance from the particle, a little below the true one
};

GG_FUNCTION real gap(real fraction, int offset, real width) {
  return (offset < 0 ? fraction : offset > 0 ? real(1) - fraction : real(0)) * width;
}

GG_FUNCTION Rows rows_around(const Workspace& w, int k) {
  const int row = w.n + SCAN, ny = w.grid[1], nz = D == 3 ? w.grid[D - 1] : 1;
  const int reach_y = ny > 1, reach_z = nz > 1;
  real fy, fz = 0;
  const int cy = slice(w.sorted[row + k], w.box, 1, ny, fy);
  const int cz = D == 3 ? slice(w.sorted[(D - 1) * row + k], w.box, D - 1, nz, fz) : 0;
  const real wide_y = static_cast<real>(w.box.side[1] * 0.99999) / ny;
  const real wide_z = static_cast<real>(w.box.side[D - 1] * 0.99999) / nz;
  Rows rows;
  rows.count = 0;
  for (int dz = -reach_z; dz <= reach_z; ++dz) {
    const real z = gap(fz, dz, wide_z);
    for (int dy = -reach_y; dy <= reach_y; ++dy) {
      const real y = gap(fy, dy, wide_y);
      rows.first[rows.count] = (around(cz + dz, nz) * ny + around(cy + dy, ny)) * w.grid[0];
      rows.gap2[rows.count++] = z * z + y * y;
    }
  }
  return rows;
}

// The list of sorted particle k; false when it does not fit. Rows run along x, where the cells
// are narrow: of each row only what can be near enough is scanned.
GG_FUNCTION bool find_neighbours(const Workspace& w, int k) {
  const int i = w.order[k], nx = w.grid[0];
  const Rows rows = rows_around(w, k);
  real fraction;
  const int cx = slice(w.sorted[k], w.box, 0, nx, fraction);
  const real per_cell = nx / static_cast<real>(w.box.side[0] * 0.99999);
  const int row_cells = D == 3 ? w.grid[1] * w.grid[D - 1] : w.grid[1];
  int count = 0;
  for (int s = 0; s < RUNS; ++s) {
    real longest;
    const Reach2 reach2 = reach_of(w, w.types[i], s, longest);
    const int32* bins = w.bin_begin + s * row_cells * nx;
    for (int r = 0; r < rows.count; ++r) {
      const real left = longest - rows.gap2[r];
      if (left <= real(0)) continue;
      const int32* begin = bins + rows.first[r];
      const int reach = static_cast<int>(root(left) * per_cell) + 1;
      const bool all = 2 * reach + 1 >= nx;
      const int low = all ? 0 : cx - reach, high = all ? nx - 1 : cx + reach;
      const int from = low < 0 ? 0 : low, to = least(high, nx - 1);
      if (!add_neighbours(w, k, reach2, begin[from], begin[to + 1], count)) return false;
      if (low < 0 && !add_neighbours(w, k, reach2, begin[low + nx], begin[nx], count)) return false;
      if (high >= nx && !add_neighbours(w, k, reach2, begin[0], begin[high - nx + 1], count)) return false;
    }
    if (count + LANES > w.capacity) return false;
    for (; count % LANES; ++count) *list_entry(w, i, count) = offset_of(i);
    w.list_end[s * w.n + i] = count;
  }
  return true;
}

// Builds every list from reference positions x, (D, n); false when one overflows.
GG_FUNCTION bool build_lists(const Workspace& w, const packed_t* x) {
  int bins = RUNS;
  for (int d = 0; d < D; ++d) bins *= w.grid[d];
  phase(bins, [&](int b) { w.bin_begin[b] = 0; });
  phase(w.n, [&](int i) { atomic_add(&w.bin_begin[bin_of(w, x, i)], 1); });
  block_scan(w.bin_begin, bins);
  phase(bins, [&](int b) { w.cursor[b] = w.bin_begin[b]; });
  phase(w.n, [&](int i) { w.order[atomic_next(&w.cursor[bin_of(w, x, i)])] = i; });
  phase(bins, [&](int b) { sort_bin(w, x, b); });
  return !block_any(w.n, [&](int k) { return !find_neighbours(w, k); });
}
