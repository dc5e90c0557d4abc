// Neighbour lists by cells: a pure function of the reference positions.
//
// Particles are binned by species and cell; within a bin the atomics leave them in any order,
// so each bin is sorted by index before anyone reads it. A list holds the neighbours of one
// species after another, so that the pair constants are fixed within a run of entries.
// Along a direction with fewer than three cells (grid = 1) every particle is a candidate.
#pragma once
#include "workspace.cuh"

GG_FUNCTION int bin_of(const Workspace& w, const packed_t* x, int i) {
  int bin = w.types[i];
  for (int d = D - 1; d >= 0; --d) bin = bin * w.grid[d] + slice(x[d * w.n + i], w.box, d, w.grid[d]);
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
  for (int k = first; k < last; ++k)
    for (int d = 0; d < D; ++d) w.sorted[d * (w.n + SCAN) + k] = x[d * w.n + w.order[k]];
}

// Adds the particles among order[first .. last-1] within the list radius of sorted particle k;
// false when the list is full.
GG_FUNCTION bool add_neighbours(const Workspace& w, int k, real cut2, int first, int last, int& count) {
  const int i = w.order[k];
  const packed_t* x = w.sorted;
  const int row = w.n + SCAN;
  for (int base = first; base < last; base += SCAN) {
    const int width = least(SCAN, last - base);
    if (count + width > w.capacity) return false;
    real r2[SCAN];
    for (int l = 0; l < SCAN; ++l) {  // past `last` it reads other particles, which are not used
      r2[l] = 0;
      for (int d = 0; d < D; ++d) {
        const real difference = apart(x[d * row + base + l], x[d * row + k], w.box, d);
        r2[l] = fused(difference, difference, r2[l]);
      }
    }
    for (int l = 0; l < width; ++l) {
      const int32 j = w.order[base + l];
      *list_entry(w, i, count) = static_cast<index_t>(j);  // overwritten by the next unless counted
      count += static_cast<int>(r2[l] < cut2) & static_cast<int>(j != i);
    }
  }
  return true;
}

GG_FUNCTION int around(int cell, int cells) { return cell < 0 ? cell + cells : cell >= cells ? cell - cells : cell; }

// The list of sorted particle k; false when it does not fit.
GG_FUNCTION bool find_neighbours(const Workspace& w, int k) {
  const int i = w.order[k];
  int cell[D], reach[D];
  for (int d = 0; d < D; ++d) {
    cell[d] = slice(w.sorted[d * (w.n + SCAN) + k], w.box, d, w.grid[d]);
    reach[d] = w.grid[d] == 1 ? 0 : 1;
  }
  const int planes = D == 3 ? w.grid[D - 1] : 1, plane = D == 3 ? cell[D - 1] : 0;
  const int plane_reach = D == 3 ? reach[D - 1] : 0;
  const int low = cell[0] - reach[0], high = cell[0] + reach[0], along = w.grid[0];
  int count = 0;
  for (int s = 0; s < SPECIES; ++s) {
    const real cut2 = w.pairs[w.types[i] * SPECIES + s].list_cut2;
    for (int dz = -plane_reach; dz <= plane_reach; ++dz)
      for (int dy = -reach[1]; dy <= reach[1]; ++dy) {
        const int row = ((s * planes + around(plane + dz, planes)) * w.grid[1] + around(cell[1] + dy, w.grid[1])) * along;
        const int32* begin = w.bin_begin + row;
        const int from = low < 0 ? 0 : low, to = least(high, along - 1);
        if (!add_neighbours(w, k, cut2, begin[from], begin[to + 1], count)) return false;
        if (low < 0 && !add_neighbours(w, k, cut2, begin[low + along], begin[along], count)) return false;
        if (high >= along && !add_neighbours(w, k, cut2, begin[0], begin[high - along + 1], count)) return false;
      }
    if (count + LANES > w.capacity) return false;
    for (; count % LANES; ++count) *list_entry(w, i, count) = static_cast<index_t>(i);
    w.list_end[s * w.n + i] = count;
  }
  return true;
}

// Builds every list from reference positions x, (D, n); false when one overflows.
GG_FUNCTION bool build_lists(const Workspace& w, const packed_t* x) {
  int bins = SPECIES;
  for (int d = 0; d < D; ++d) bins *= w.grid[d];
  phase(bins, [&](int b) { w.bin_begin[b] = 0; });
  phase(w.n, [&](int i) { atomic_add(&w.bin_begin[bin_of(w, x, i)], 1); });
  block_scan(w.bin_begin, bins);
  phase(bins, [&](int b) { w.cursor[b] = w.bin_begin[b]; });
  phase(w.n, [&](int i) { w.order[atomic_next(&w.cursor[bin_of(w, x, i)])] = i; });
  phase(bins, [&](int b) { sort_bin(w, x, b); });
  return !block_any(w.n, [&](int k) { return !find_neighbours(w, k); });
}
