// Information imbalance between some columns, alone and with each of several candidates added, and some
// targets. Around each point i all others have an order: by their squared distance from i, and by their
// number where distances are equal. With j the first in the columns and t the first in the targets,
//   forward  += the points before j in the targets
//   backward += the points before t in the columns
// Nothing is sorted: the first point is a minimum, a rank a count. One block or host thread per BLOCK points i.
#include "portable.cuh"

constexpr int TILE = 64;    // points whose columns stand together in memory
constexpr int BLOCK = 4;    // points i in work together, which share what is read of the columns
constexpr int GROUPS = 64;  // of points j: the nearest of each are tried first
#if GG_VECTORS
constexpr int PARTS = 1;    // of all points, each searched by itself
constexpr int VECTORS = 2;  // of candidates in work together
#else
constexpr int PARTS = 64;
constexpr int VECTORS = 1;
#endif
constexpr int TEAM = VECTORS * LANES;  // candidates
constexpr double FAR = 1e999;

struct ImbalanceArguments {
  int32 replicas;           // blocks of points i
  int32 first;              // of them
  int32 points;
  int32 chosen;             // columns
  int32 targets;            // columns
  int32 candidates;
  int32 row;                // candidates, and zeros up to whole teams
  int32 both;               // 1: backward of the candidates too
  const double* column;     // (tile, chosen, TILE)
  const double* target;     // (tile, targets, TILE)
  const double* candidate;  // (tile, TILE, row)
  int64* forward;           // (1 + candidates) sums over i: of the chosen columns alone, then with each candidate
  int64* backward;          // (1 + candidates)
  double* distance;         // (slot, 2, BLOCK, tile, TILE) squared: in the chosen columns, in the targets
  double* reach;            // (slot) how far points are listed
  double* group;            // (slot, GROUPS) smallest distance in the chosen columns
  int32* list;              // (slot, PARTS, points of a part)
  int32* listed;            // (slot, PARTS)
  double* shortest;         // (slot, PARTS + 1, row + 2) smallest distance in each part, and in all: see Around
  double* where;            // (slot, PARTS + 1, row + 2) its point
  int32* leader;            // (slot, 1 + candidates) the first to have the same point
  int32* before;            // (slot, PARTS, row + 2) counts of points
};

// What the phases around one point share. Entry 0 of `shortest`, `where` and `before` belongs to the chosen columns
// alone, those after it to the candidates, the last to the targets.
struct Around {
  int i, vectors, width, last, segment;
  const double *base, *target;  // squared distances
  double *group, *reach, *shortest, *where;
  int32 *list, *listed, *leader, *before;
};

// Squared distances of LANES points, from `at` on, to BLOCK points, from `own` on: multiplied, then added, column after
// column, not fused, so that any program that does the same gets the same bits. No point is its own neighbour.
GG_FUNCTION void find_distances(const double* columns, int many, int points, int own, int at, double* out, int stride) {
  const double* of = columns + int64(at / TILE) * many * TILE + at % TILE;
  const double* from = columns + int64(own / TILE) * many * TILE + own % TILE;
  lanes sum[BLOCK] = {};
  for (int c = 0; c < many; ++c) {
    const lanes x = load_lanes(of + c * TILE);
    for (int p = 0; p < BLOCK; ++p) {
      const lanes apart = x - everywhere(from[c * TILE + p]);
      sum[p] = sum[p] + apart * apart;
    }
  }
  for (int p = 0; p < BLOCK; ++p) {
    double* to = out + p * stride + at;
    store_lanes(to, sum[p]);
    for (int l = 0; l < LANES; ++l)
      if (at + l == own + p || at + l >= points) to[l] = FAR;
  }
}

// The first point of a part.
GG_FUNCTION void find_first(const Around& w, const double* distance, int part, int entry) {
  lanes shortest = everywhere(FAR), where = lanes{};
  for (int k = part; k < w.vectors; k += PARTS) {
    const lanes r = load_lanes(distance + k * LANES);
    const auto nearer = r < shortest;
    shortest = select(nearer, r, shortest);
    where = select(nearer, everywhere(real(k)), where);
  }
  real r[LANES], k[LANES];
  store_lanes(r, shortest), store_lanes(k, where);
  int best = 0;
  for (int l = 1; l < LANES; ++l)
    if (r[l] < r[best] || (r[l] == r[best] && k[l] < k[best])) best = l;
  w.shortest[part * w.width + entry] = r[best];
  w.where[part * w.width + entry] = k[best] * LANES + best;
}

// The first point of all parts.
GG_FUNCTION void find_first_of_all(const Around& w, int entry) {
  double shortest = FAR, where = 0;
  for (int part = 0; part < PARTS; ++part) {
    const double r = w.shortest[part * w.width + entry], j = w.where[part * w.width + entry];
    if (r < shortest || (r == shortest && j < where)) shortest = r, where = j;
  }
  w.shortest[PARTS * w.width + entry] = shortest;
  w.where[PARTS * w.width + entry] = where;
}

GG_FUNCTION int first_of_all(const Around& w, int entry) { return static_cast<int>(w.where[PARTS * w.width + entry]); }

// How many points of a part come before point j.
GG_FUNCTION int32 count_before(const Around& w, const double* distance, int part, int j) {
  const lanes bound = everywhere(distance[j]), one = everywhere(real(1));
  const int own = j / LANES;
  lanes count = lanes{};
  int32 here = 0;
  int k = part;
  for (; k < own; k += PARTS) count = select(load_lanes(distance + k * LANES) <= bound, count + one, count);
  if (k == own) {
    for (int l = k * LANES; l < (k + 1) * LANES; ++l) here += distance[l] < distance[j] || (distance[l] == distance[j] && l < j);
    k += PARTS;
  }
  for (; k < w.vectors; k += PARTS) count = select(load_lanes(distance + k * LANES) < bound, count + one, count);
  return here + static_cast<int32>(sum_of(count));
}

// Lists the points of a part within reach in the chosen columns, in their order.
GG_FUNCTION void list_near(const Around& w, int part, double reach) {
  const lanes bound = everywhere(reach);
  int32* list = w.list + part * w.segment;
  int32 found = 0;
  for (int k = part; k < w.vectors; k += PARTS) {
    if (none_of(load_lanes(w.base + k * LANES) <= bound)) continue;
    for (int j = k * LANES; j < (k + 1) * LANES; ++j)
      if (w.base[j] <= reach) list[found++] = j;
  }
  w.listed[part] = found;
}

// Squared distances of the points listed of a part in the chosen columns and each of a team of candidates, given to
// f(point, vector, distance).
template <class F>
GG_FUNCTION void over_listed(const Around& w, const ImbalanceArguments& a, int team, int part, F f) {
  const double* x = a.candidate + team * TEAM;
  lanes own[VECTORS];
  for (int v = 0; v < VECTORS; ++v) own[v] = load_lanes(x + int64(w.i) * a.row + v * LANES);
  const int32* list = w.list + part * w.segment;
  const int listed = w.listed[part];
  for (int k = 0; k < listed; ++k) {
    const int j = list[k];
    const lanes base = everywhere(w.base[j]);
    for (int v = 0; v < VECTORS; ++v) {
      const lanes apart = load_lanes(x + int64(j) * a.row + v * LANES) - own[v];
      f(j, v, base + apart * apart);
    }
  }
}

// The first point for each candidate of a team, of the points listed of a part.
GG_FUNCTION void find_first_listed(const Around& w, const ImbalanceArguments& a, int team, int part) {
  lanes shortest[VECTORS], where[VECTORS];
  for (int v = 0; v < VECTORS; ++v) shortest[v] = everywhere(FAR), where[v] = lanes{};
  over_listed(w, a, team, part, [&](int j, int v, lanes r) {
    const auto nearer = r < shortest[v];
    shortest[v] = select(nearer, r, shortest[v]);
    where[v] = select(nearer, everywhere(real(j)), where[v]);
  });
  const int entry = part * w.width + 1 + team * TEAM;
  for (int v = 0; v < VECTORS; ++v) store_lanes(w.shortest + entry + v * LANES, shortest[v]), store_lanes(w.where + entry + v * LANES, where[v]);
}

// How many points listed of a part come before point t, for each candidate of a team.
GG_FUNCTION void count_listed(const Around& w, const ImbalanceArguments& a, int team, int part, int t) {
  const double* x = a.candidate + team * TEAM;
  lanes bound[VECTORS], count[VECTORS] = {};
  for (int v = 0; v < VECTORS; ++v) {
    const lanes apart = load_lanes(x + int64(t) * a.row + v * LANES) - load_lanes(x + int64(w.i) * a.row + v * LANES);
    bound[v] = everywhere(w.base[t]) + apart * apart;
  }
  const lanes one = everywhere(real(1));
  over_listed(w, a, team, part, [&](int j, int v, lanes r) {
    count[v] = j < t ? select(r <= bound[v], count[v] + one, count[v]) : select(r < bound[v], count[v] + one, count[v]);
  });
  for (int v = 0; v < VECTORS; ++v) {
    real counted[LANES];
    store_lanes(counted, count[v]);
    for (int l = 0; l < LANES; ++l) w.before[part * w.width + 1 + team * TEAM + v * LANES + l] = static_cast<int32>(counted[l]);
  }
}

GG_FUNCTION int64 sum_of_parts(const Around& w, int entry) {
  int64 sum = 0;
  for (int part = 0; part < PARTS; ++part) sum += w.before[part * w.width + entry];
  return sum;
}

// The first point for every candidate. Only points that are nearer in the chosen columns alone than the best found
// can still win, so few have to be looked at: the nearest of each group, and what else is as near. Where
// a candidate's first is farther, all are.
GG_FUNCTION void find_first_with_candidates(const Around& w, const ImbalanceArguments& a) {
  const int teams = a.row / TEAM, groups = GROUPS / LANES;
  phase(groups, [&](int group) {
    lanes nearest = everywhere(FAR);
    for (int k = group; k < w.vectors; k += groups) {
      const lanes r = load_lanes(w.base + k * LANES);
      nearest = select(r < nearest, r, nearest);
    }
    store_lanes(w.group + group * LANES, nearest);
  });
  phase(1, [&](int) {
    double farthest = a.chosen ? 0 : FAR;  // without chosen columns all points are as near
    for (int g = 0; g < GROUPS; ++g) farthest = w.group[g] > farthest ? w.group[g] : farthest;
    *w.reach = farthest;
  });
  auto beyond = [&](int c) { return w.shortest[PARTS * w.width + 1 + c] > *w.reach; };
  phase(PARTS, [&](int part) { list_near(w, part, *w.reach); });
  phase(teams * PARTS, [&](int item) { find_first_listed(w, a, item % teams, item / teams); });
  phase(a.candidates, [&](int c) { find_first_of_all(w, 1 + c); });
  if (!block_any(a.candidates, beyond)) return;
  phase(PARTS, [&](int part) { list_near(w, part, FAR); });
  phase(teams * PARTS, [&](int item) {
    bool any = false;
    for (int c = item % teams * TEAM; c < least(a.candidates, (item % teams + 1) * TEAM); ++c) any |= beyond(c);
    if (any) find_first_listed(w, a, item % teams, item / teams);
  });
  phase(a.candidates, [&](int c) { find_first_of_all(w, 1 + c); });
}

// The arrays of a slot.
GG_FUNCTION Around around_none(const ImbalanceArguments& a, int slot, int stride) {
  Around w;
  w.vectors = stride / LANES, w.width = a.row + 2, w.last = a.row + 1, w.segment = stride / PARTS;
  w.group = a.group + int64(slot) * GROUPS, w.reach = a.reach + slot;
  w.shortest = a.shortest + int64(slot) * (PARTS + 1) * w.width, w.where = a.where + int64(slot) * (PARTS + 1) * w.width;
  w.list = a.list + int64(slot) * stride, w.listed = a.listed + slot * PARTS;
  w.leader = a.leader + int64(slot) * (1 + a.candidates), w.before = a.before + int64(slot) * PARTS * w.width;
  return w;
}

GG_FUNCTION void run_imbalance(const ImbalanceArguments& a, int replica, int slot) {
  const int own = (a.first + replica) * BLOCK, stride = (a.points + TILE - 1) / TILE * TILE;
  const int vectors = stride / LANES, teams = a.row / TEAM;
  Around w = around_none(a, slot, stride);
  double* distance = a.distance + int64(slot) * 2 * BLOCK * stride;
  phase(2 * vectors, [&](int item) {
    const bool second = item >= vectors;
    find_distances(second ? a.target : a.column, second ? a.targets : a.chosen, a.points, own, (second ? item - vectors : item) * LANES,
                   distance + second * BLOCK * stride, stride);
  });
  for (int p = 0; p < least(BLOCK, a.points - own); ++p) {
    w.i = own + p, w.base = distance + p * stride, w.target = w.base + BLOCK * stride;
    phase(2 * PARTS, [&](int item) { find_first(w, item % 2 ? w.target : w.base, item / 2, item % 2 ? w.last : 0); });
    phase(2, [&](int item) { find_first_of_all(w, item ? w.last : 0); });
    if (a.candidates) find_first_with_candidates(w, a);
    // Candidates that share a first point share its count.
    phase(1 + a.candidates, [&](int c) {
      int leader = 0;
      while (first_of_all(w, leader) != first_of_all(w, c)) ++leader;
      w.leader[c] = leader;
    });
    phase((2 + a.candidates) * PARTS, [&](int item) {
      const int c = item / PARTS, part = item % PARTS;
      if (c > a.candidates) w.before[part * w.width + w.last] = count_before(w, w.base, part, first_of_all(w, w.last));
      else if (w.leader[c] == c) w.before[part * w.width + c] = count_before(w, w.target, part, first_of_all(w, c));
    });
    phase(2 + a.candidates, [&](int c) {
      if (c > a.candidates) atomic_add(a.backward, sum_of_parts(w, w.last));
      else atomic_add(a.forward + c, sum_of_parts(w, w.leader[c]));
    });
    if (!a.both) continue;
    phase(1, [&](int) {
      const int t = first_of_all(w, w.last);
      const double *x = a.candidate + int64(t) * a.row, *of = a.candidate + int64(w.i) * a.row;
      double farthest = 0;
      for (int c = 0; c < a.candidates; ++c) farthest = (x[c] - of[c]) * (x[c] - of[c]) > farthest ? (x[c] - of[c]) * (x[c] - of[c]) : farthest;
      *w.reach = w.base[t] + farthest;
    });
    phase(PARTS, [&](int part) { list_near(w, part, *w.reach); });
    phase(teams * PARTS, [&](int item) { count_listed(w, a, item % teams, item / teams, first_of_all(w, w.last)); });
    phase(a.candidates, [&](int c) { atomic_add(a.backward + 1 + c, sum_of_parts(w, 1 + c)); });
  }
}

GG_ENTRY(run_imbalance, ImbalanceArguments)
