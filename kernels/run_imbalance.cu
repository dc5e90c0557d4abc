// Information imbalance between some columns, alone and with each of several candidates added, and some
// targets. Around each point i all others have an order: by their squared distance from i, and by their
// number where distances are equal. With j the first in the columns and t the first in the targets,
//   forward  += the points before j in the targets
//   backward += the points before t in the columns
// Nothing is sorted: a first point is a minimum, a rank a count. One block or host thread per BLOCK points i.
#include "portable.cuh"

constexpr int TILE = 32;    // points whose columns stand together in memory
constexpr int TEAM = 16;    // candidates whose values of a point do
constexpr int BLOCK = 4;    // points i in work together, which share what is read
#if GG_VECTORS
constexpr int PARTS = 1;    // of points j, each searched by itself
constexpr int VECTORS = TEAM / LANES;
#else
constexpr int PARTS = 16;
constexpr int VECTORS = 1;
#endif
constexpr int SHARE = VECTORS * LANES;  // of a team in one item
constexpr double FAR = 1.7976931348623157e308;  // farther than any point; Python checks that

struct ImbalanceArguments {
  int32 replicas;           // blocks of points i
  int32 first;              // of them
  int32 points;
  int32 chosen;             // columns
  int32 targets;            // columns
  int32 candidates;
  int32 teams;              // of candidates
  int32 both;               // 1: backward of the candidates too
  const double* column;     // (tile, chosen, TILE)
  const double* target;     // (tile, targets, TILE)
  const double* candidate;  // (team, tile, TILE, TEAM)
  int64* forward;           // (1 + candidates) sums over i: of the chosen columns alone, then with each candidate
  int64* backward;          // (1 + candidates)
  double* distance;         // (slot, 2, BLOCK, tile, TILE) squared: in the chosen columns, in the targets
  double* reach;            // (slot, BLOCK) how far points are listed
  double* farthest;         // (slot, BLOCK, PARTS) how far the nearest of some points of a part are, at most
  int32* list;              // (slot, BLOCK, PARTS, points of a part)
  int32* listed;            // (slot, BLOCK, PARTS)
  double* shortest;         // (slot, BLOCK, PARTS + 1, entry) distance in each part, and in all: see Around
  double* where;            // (slot, BLOCK, PARTS + 1, entry) its point
  int32* leader;            // (slot, BLOCK, entry) the first candidate with the same first point
  int32* before;            // (slot, BLOCK, PARTS, entry) counts of points
};

// What the phases around one point work on. Entry 0 belongs to the chosen columns alone, those after it to the
// candidates, the last to the targets.
struct Around {
  int i, stride, entries, last;
  const double *base, *target;  // squared distances
  double *reach, *farthest, *shortest, *where;
  int32 *list, *listed, *leader, *before;
};

GG_FUNCTION int whole_tiles(const ImbalanceArguments& a) { return (a.points + TILE - 1) / TILE * TILE; }

GG_FUNCTION Around around(const ImbalanceArguments& a, int replica, int slot, int p) {
  Around w;
  const int64 place = slot * BLOCK + p;
  w.i = (a.first + replica) * BLOCK + p;
  w.stride = whole_tiles(a), w.entries = a.teams * TEAM + 2, w.last = w.entries - 1;
  w.base = a.distance + (int64(slot) * 2 * BLOCK + p) * w.stride, w.target = w.base + BLOCK * w.stride;
  w.reach = a.reach + place, w.farthest = a.farthest + place * PARTS, w.list = a.list + place * w.stride, w.listed = a.listed + place * PARTS;
  w.shortest = a.shortest + place * (PARTS + 1) * w.entries, w.where = a.where + place * (PARTS + 1) * w.entries;
  w.leader = a.leader + place * w.entries, w.before = a.before + place * PARTS * w.entries;
  return w;
}

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

// The first point of a part. Returns how far the nearest in each lane are, at most.
GG_FUNCTION double find_first(const Around& w, const double* distance, int part, int entry) {
  lanes shortest = everywhere(FAR), where = lanes{};
  for (int j = part * LANES; j < w.stride; j += PARTS * LANES) {
    const lanes r = load_lanes(distance + j);
    const auto nearer = r < shortest;
    shortest = select(nearer, r, shortest);
    where = select(nearer, everywhere(real(j)), where);
  }
  real r[LANES], j[LANES];
  store_lanes(r, shortest), store_lanes(j, where);
  int best = 0;
  double farthest = 0;
  for (int l = 0; l < LANES; ++l) {
    if (r[l] < r[best] || (r[l] == r[best] && j[l] < j[best])) best = l;
    farthest = r[l] > farthest ? r[l] : farthest;
  }
  w.shortest[part * w.entries + entry] = r[best];
  w.where[part * w.entries + entry] = j[best] + best;
  return farthest;
}

// The first point of all parts.
GG_FUNCTION void find_first_of_all(const Around& w, int entry) {
  double shortest = FAR, where = 0;
  for (int part = 0; part < PARTS; ++part) {
    const double r = w.shortest[part * w.entries + entry], j = w.where[part * w.entries + entry];
    if (r < shortest || (r == shortest && j < where)) shortest = r, where = j;
  }
  w.shortest[PARTS * w.entries + entry] = shortest;
  w.where[PARTS * w.entries + entry] = where;
}

GG_FUNCTION int first_of_all(const Around& w, int entry) { return static_cast<int>(w.where[PARTS * w.entries + entry]); }
GG_FUNCTION double shortest_of_all(const Around& w, int entry) { return w.shortest[PARTS * w.entries + entry]; }

// How many points of a part come before point j.
GG_FUNCTION int32 count_before(const Around& w, const double* distance, int part, int j) {
  const lanes bound = everywhere(distance[j]), one = everywhere(real(1));
  constexpr int CHAINS = 4;
  const int own = j / LANES;
  lanes count[CHAINS] = {};
  int32 here = 0;
  auto count_run = [&](int from, int to, auto before) {
    int k = from;
    for (; k + (CHAINS - 1) * PARTS < to; k += CHAINS * PARTS)
      for (int s = 0; s < CHAINS; ++s)
        count[s] = select(before(load_lanes(distance + (k + s * PARTS) * LANES)), count[s] + one, count[s]);
    for (; k < to; k += PARTS) count[0] = select(before(load_lanes(distance + k * LANES)), count[0] + one, count[0]);
    return k;
  };
  int k = count_run(part, own, [&](lanes r) { return r <= bound; });
  if (k == own) {
    for (int l = k * LANES; l < (k + 1) * LANES; ++l) here += distance[l] < distance[j] || (distance[l] == distance[j] && l < j);
    k += PARTS;
  }
  count_run(k, w.stride / LANES, [&](lanes r) { return r < bound; });
  return here + static_cast<int32>(sum_of(count[0] + count[1] + count[2] + count[3]));
}

// Lists the points of a part within reach in the chosen columns, in their order.
GG_FUNCTION void list_near(const Around& w, int part) {
  const double reach = *w.reach;
  int32* list = w.list + part * (w.stride / PARTS);
  int32 found = 0;
  for (int k = part * LANES; k < w.stride; k += PARTS * LANES) {
    if (none_of(load_lanes(w.base + k) <= everywhere(reach))) continue;
    for (int j = k; j < k + LANES; ++j)
      if (w.base[j] <= reach) list[found++] = j;
  }
  w.listed[part] = found;
}

// Some candidates of a team, and a part of the points: one item of a phase.
struct Share {
  int part, entry;
  const double* x;  // the candidates' values of point 0
  GG_FUNCTION const double* of(int j) const { return x + int64(j) * TEAM; }
};

// Items go over the points i before they go to the next team, whose values then stay near.
template <class F>
GG_FUNCTION void over_shares(const ImbalanceArguments& a, int replica, int slot, int block, F f) {
  phase(a.teams * block * PARTS * (TEAM / SHARE), [&](int item) {
    const int share = item % (TEAM / SHARE), part = item / (TEAM / SHARE) % PARTS, point = item / (TEAM / SHARE) / PARTS;
    const int team = point / block, first = share * SHARE;
    const Around w = around(a, replica, slot, point % block);
    f(w, Share{part, 1 + team * TEAM + first, a.candidate + int64(team) * w.stride * TEAM + first});
  });
}

// Squared distances of the points listed in the chosen columns and each candidate, given to f(point, vector, distance).
template <class F>
GG_FUNCTION void over_listed(const Around& w, const Share& s, F f) {
  lanes own[VECTORS];
  for (int v = 0; v < VECTORS; ++v) own[v] = load_lanes(s.of(w.i) + v * LANES);
  const int32* list = w.list + s.part * (w.stride / PARTS);
  const int listed = w.listed[s.part];
  for (int k = 0; k < listed; ++k) {
    const int j = list[k];
    const lanes base = everywhere(w.base[j]);
    for (int v = 0; v < VECTORS; ++v) {
      const lanes apart = load_lanes(s.of(j) + v * LANES) - own[v];
      f(j, v, base + apart * apart);
    }
  }
}

// The first point for each candidate, of those listed.
GG_FUNCTION void find_first_listed(const Around& w, const Share& s) {
  lanes shortest[VECTORS], where[VECTORS];
  for (int v = 0; v < VECTORS; ++v) shortest[v] = everywhere(FAR), where[v] = lanes{};
  over_listed(w, s, [&](int j, int v, lanes r) {
    const auto nearer = r < shortest[v];
    shortest[v] = select(nearer, r, shortest[v]);
    where[v] = select(nearer, everywhere(real(j)), where[v]);
  });
  const int entry = s.part * w.entries + s.entry;
  for (int v = 0; v < VECTORS; ++v)
    store_lanes(w.shortest + entry + v * LANES, shortest[v]), store_lanes(w.where + entry + v * LANES, where[v]);
}

// How many points listed come before point t, for each candidate.
GG_FUNCTION void count_listed(const Around& w, const Share& s, int t) {
  const lanes one = everywhere(real(1));
  lanes bound[VECTORS], count[VECTORS] = {};
  for (int v = 0; v < VECTORS; ++v) {
    const lanes apart = load_lanes(s.of(t) + v * LANES) - load_lanes(s.of(w.i) + v * LANES);
    bound[v] = everywhere(w.base[t]) + apart * apart;
  }
  over_listed(w, s, [&](int j, int v, lanes r) {
    count[v] = j < t ? select(r <= bound[v], count[v] + one, count[v]) : select(r < bound[v], count[v] + one, count[v]);
  });
  for (int v = 0; v < VECTORS; ++v) {
    real counted[LANES];
    store_lanes(counted, count[v]);
    for (int l = 0; l < LANES; ++l) w.before[s.part * w.entries + s.entry + v * LANES + l] = static_cast<int32>(counted[l]);
  }
}

GG_FUNCTION int64 sum_of_parts(const Around& w, int entry) {
  int64 sum = 0;
  for (int part = 0; part < PARTS; ++part) sum += w.before[part * w.entries + entry];
  return sum;
}

GG_FUNCTION void run_imbalance(const ImbalanceArguments& a, int replica, int slot) {
  const int own = (a.first + replica) * BLOCK, block = least(BLOCK, a.points - own), stride = whole_tiles(a), vectors = stride / LANES;
  double* distance = a.distance + int64(slot) * 2 * BLOCK * stride;
  auto point = [&](int p) { return around(a, replica, slot, p); };
  phase(2 * vectors, [&](int item) {
    const int at = item / 2 * LANES;
    if (item % 2) find_distances(a.target, a.targets, a.points, own, at, distance + BLOCK * stride, stride);
    else find_distances(a.column, a.chosen, a.points, own, at, distance, stride);
  });
  phase(2 * block * PARTS, [&](int item) {
    const Around w = point(item / 2 / PARTS);
    const int part = item / 2 % PARTS;
    if (item % 2) find_first(w, w.target, part, w.last);
    else w.farthest[part] = find_first(w, w.base, part, 0);
  });
  phase(2 * block, [&](int item) {
    const Around w = point(item / 2);
    find_first_of_all(w, item % 2 ? w.last : 0);
    if (item % 2) return;
    double reach = a.chosen ? 0 : FAR;  // without chosen columns all points are as near
    for (int part = 0; part < PARTS; ++part) reach = w.farthest[part] > reach ? w.farthest[part] : reach;
    *w.reach = reach;
  });
  // Only points that are nearer in the chosen columns alone than a candidate's first can come before it, so few have to be
  // looked at: those as near as the nearest of each part and lane, and then those as near as the first found among them.
  auto find_listed = [&] {
    phase(block * PARTS, [&](int item) { list_near(point(item / PARTS), item % PARTS); });
    over_shares(a, replica, slot, block, [&](const Around& w, const Share& s) { find_first_listed(w, s); });
    phase(block * a.candidates, [&](int item) { find_first_of_all(point(item / a.candidates), 1 + item % a.candidates); });
  };
  if (a.candidates) find_listed();
  const bool again = block_any(block * a.candidates, [&](int item) {
    const Around w = point(item / a.candidates);
    return shortest_of_all(w, 1 + item % a.candidates) > *w.reach;
  });
  if (again) {
    phase(block, [&](int p) {
      const Around w = point(p);
      for (int c = 0; c < a.candidates; ++c) *w.reach = shortest_of_all(w, 1 + c) > *w.reach ? shortest_of_all(w, 1 + c) : *w.reach;
    });
    find_listed();
  }
  // Candidates that share a first point share its count.
  phase(block * (1 + a.candidates), [&](int item) {
    const Around w = point(item / (1 + a.candidates));
    const int c = item % (1 + a.candidates), mine = first_of_all(w, c);
    int leader = 0;
    while (first_of_all(w, leader) != mine) ++leader;
    w.leader[c] = leader;
  });
  phase(block * (2 + a.candidates) * PARTS, [&](int item) {
    const int part = item % PARTS, c = item / PARTS % (2 + a.candidates);
    const Around w = point(item / PARTS / (2 + a.candidates));
    if (c > a.candidates) w.before[part * w.entries + w.last] = count_before(w, w.base, part, first_of_all(w, w.last));
    else if (w.leader[c] == c) w.before[part * w.entries + c] = count_before(w, w.target, part, first_of_all(w, c));
  });
  phase(2 + a.candidates, [&](int c) {
    int64 sum = 0;
    for (int p = 0; p < block; ++p) {
      const Around w = point(p);
      sum += sum_of_parts(w, c > a.candidates ? w.last : w.leader[c]);
    }
    atomic_add(c > a.candidates ? a.backward : a.forward + c, sum);
  });
  if (!a.both) return;
  phase(block, [&](int p) {
    const Around w = point(p);
    const int t = first_of_all(w, w.last);
    double farthest = 0;
    for (int c = 0; c < a.candidates; ++c) {
      const double* x = a.candidate + int64(c / TEAM) * stride * TEAM + c % TEAM;
      const double apart = x[int64(t) * TEAM] - x[int64(w.i) * TEAM];
      farthest = apart * apart > farthest ? apart * apart : farthest;
    }
    *w.reach = w.base[t] + farthest;
  });
  phase(block * PARTS, [&](int item) { list_near(point(item / PARTS), item % PARTS); });
  over_shares(a, replica, slot, block, [&](const Around& w, const Share& s) { count_listed(w, s, first_of_all(w, w.last)); });
  phase(a.candidates, [&](int c) {
    int64 sum = 0;
    for (int p = 0; p < block; ++p) sum += sum_of_parts(point(p), 1 + c);
    atomic_add(a.backward + 1 + c, sum);
  });
}

GG_ENTRY(run_imbalance, ImbalanceArguments)
