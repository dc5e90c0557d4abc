// How soft particles are while a run goes: S_i = constant + sum over neighbours j of f(species of j, r_ij), which every linear
// model of radial columns comes down to; f stands in a table. At every sampled time S and S^2 are summed over groups of
// particles, so that no trajectory is kept.
//
// Neighbours reach further than lists do, so they are looked up in the bins of the last list build, from which nobody has
// moved further than half a skin.
#pragma once
#include "lists.cuh"

struct Scores {
  int32 groups;        // 0: nobody is scored
  int32 entries;       // steps of the table
  double reach;        // where it ends
  double constant;
  const real* table;   // (species, entries + 2): f at r^2 = k reach^2 / entries; 0 from there on, and near 0, where a particle meets itself
  const int32* group;  // (configuration, particle) -1: not scored
  double* sum;         // (replica, sample, groups, 2) of S and S^2
};

// How many rows or cells to either side may be near, and from where to where they are gone through: all of them once if they are few.
struct Span {
  int cells, low, high;
  real wide;
};

GG_FUNCTION Span span_of(const Workspace& w, int d, real reach) {
  Span s;
  s.cells = w.grid[d];
  s.wide = static_cast<real>(w.box.side[d] * 0.99999) / s.cells;
  const int steps = static_cast<int>(reach / s.wide) + 1;
  const bool all = 2 * steps + 1 >= s.cells;
  s.low = all ? -((s.cells - 1) / 2) : -steps, s.high = all ? s.cells / 2 : steps;
  return s;
}

// How far a row is away, from a place a fraction inside its own: the shorter way round.
GG_FUNCTION real gap_to(const Span& s, int offset, real fraction) {
  auto along = [&](int o) { return (o > 0 ? o - fraction : o < 0 ? fraction - (o + 1) : real(0)) * s.wide; };
  const real there = along(offset), round = along(offset > 0 ? offset - s.cells : offset + s.cells);
  return offset && round < there ? round : there;
}

// The sum of f over the sorted particles first .. last - 1, added lane by lane.
GG_FUNCTION void add_scores(const Workspace& w, const Scores& s, const packed_t (&from)[D], const real* table, int first, int last, lanes& sum) {
  const int row = w.n + SCAN;
  const real per_square = static_cast<real>(s.entries / (s.reach * s.reach)), end = static_cast<real>(s.entries);
  real entry[LANES], low[LANES], high[LANES], lane[LANES];
  for (int l = 0; l < LANES; ++l) lane[l] = static_cast<real>(l);
  for (int at = first; at < last; at += LANES) {
    lanes square = {};
    for (int d = 0; d < D; ++d) {
      const lanes away = apart(load_packed(w.sorted + d * row + at), everywhere_packed(from[d]), w.box, d);
      square = fused(away, away, square);
    }
    const lanes far = square * everywhere(per_square), all = everywhere(end);
    const lanes inside = select(far < all, far, all);
    const lanes place = select(load_lanes(lane) < everywhere(static_cast<real>(last - at)), inside, all);
    const lanes below = nearest(place - everywhere(real(0.5)));
    store_lanes(entry, below);
    for (int l = 0; l < LANES; ++l) {
      const int species = RUNS > 1 ? 0 : static_cast<int>(w.sorted[D * row + at + l]);
      const real* f = table + species * (s.entries + 2) + static_cast<int>(entry[l]);
      low[l] = f[0], high[l] = f[1];
    }
    sum = sum + fused(place - below, load_lanes(high) - load_lanes(low), load_lanes(low));
  }
}

// S of particle i.
GG_FUNCTION double score_of(const Workspace& w, const Scores& s, const Span (&span)[3], real reach, int i) {
  packed_t from[D];
  int cell[3] = {0, 0, 0};
  real fraction[3] = {0, 0, 0};
  for (int d = 0; d < D; ++d) {
    from[d] = w.packed[packed_at(w, i, d)];
    cell[d] = slice(from[d], w.box, d, w.grid[d], fraction[d]);
  }
  const int nx = w.grid[0], rows = D == 3 ? w.grid[1] * w.grid[D - 1] : w.grid[1];
  lanes sum = {};
  for (int run = 0; run < RUNS; ++run)
    for (int dz = span[2].low; dz <= span[2].high; ++dz) {
      const real z = gap_to(span[2], dz, fraction[2]);
      for (int dy = span[1].low; dy <= span[1].high; ++dy) {
        const real y = gap_to(span[1], dy, fraction[1]), left = reach * reach - y * y - z * z;
        if (left <= real(0)) continue;
        const int row = around(cell[2] + dz, span[2].cells) * span[1].cells + around(cell[1] + dy, span[1].cells);
        const int32* begin = w.bin_begin + (run * rows + row) * nx;
        const int steps = static_cast<int>(root(left) / span[0].wide) + 1;
        const bool all = 2 * steps + 1 >= nx;
        const int low = all ? 0 : cell[0] - steps, high = all ? nx - 1 : cell[0] + steps;
        const real* table = s.table + run * (s.entries + 2);
        add_scores(w, s, from, table, begin[greatest(low, 0)], begin[least(high, nx - 1) + 1], sum);
        if (low < 0) add_scores(w, s, from, table, begin[low + nx], begin[nx], sum);
        if (high >= nx) add_scores(w, s, from, table, begin[0], begin[high - nx + 1], sum);
      }
    }
  return s.constant + static_cast<double>(sum_of(sum));
}

// Sums of sample `sample` of `samples` in this chunk; `skin` is that of the lists.
GG_FUNCTION void record_scores(const Workspace& w, const Scores& s, int replica, int configuration, int sample, int samples, double skin) {
  if (!s.groups) return;
  const int n = w.n;
  const int32* group = s.group + static_cast<int64>(configuration) * n;
  const real reach = static_cast<real>(s.reach + 0.5 * skin);
  const Span span[3] = {span_of(w, 0, reach), span_of(w, 1, reach), D == 3 ? span_of(w, D - 1, reach) : Span{1, 0, 0, real(1)}};
  double* score = w.moved;
  phase(n, [&](int k) {
    for (int d = 0; d < D; ++d) w.sorted[d * (n + SCAN) + k] = w.packed[packed_at(w, w.order[k], d)];
    if (RUNS == 1) w.sorted[D * (n + SCAN) + k] = static_cast<packed_t>(w.types[w.order[k]]);
  });
  phase(n, [&](int i) { score[i] = group[i] < 0 ? 0.0 : score_of(w, s, span, reach, i); });
  double* out = s.sum + (static_cast<int64>(replica) * samples + sample) * s.groups * 2;
  for (int k = 0; k < s.groups * 2; ++k) {
    const double sum = block_sum(n, [&](int i) { return group[i] != k / 2 ? 0.0 : k % 2 ? score[i] * score[i] : score[i]; });
    phase(1, [&](int) { out[k] = sum; });
  }
}
