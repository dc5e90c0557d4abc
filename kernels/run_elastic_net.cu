// Elastic nets from sums of products alone: for each penalty (l1, l2) of a path the w that minimises
//   w' G w / 2 - b' w + l1 |w|_1 + l2 |w|^2 / 2,
// each begun at the last. An active-set method (feature-sign search; Lee, Battle, Raina, Ng 2006): the members,
// weights that are not zero, go straight to the minimum that they would have with the signs they have; one
// that reaches zero on the way leaves; at the end the column that pulls hardest joins. The inverse of the
// members' matrix changes by one outer product each time. Unlike coordinate descent it does not mind
// columns that are nearly parallel. One block or host thread per path.
#include "portable.cuh"

constexpr double JITTER = 1e-11;      // on the diagonal of what is inverted, of the largest curvature
constexpr double MOST_JITTER = 1e5;   // times that

struct ElasticNetArguments {
  int32 replicas;         // paths
  int32 columns;
  int32 row;              // columns, and zeros up to whole vectors
  int32 steps;            // penalties of a path
  int32 most_rounds;      // for each
  double tolerance;       // of the duality gap over y'y / 2n
  const double* gram;     // (matrix, columns, row) X'X / n
  const int32* matrix;    // (path) which of them
  const double* product;  // (path, row) b = X'y / n
  const double* square;   // (path) y'y / n
  const double* l1;       // (path, step)
  const double* l2;       // (path, step)
  double* weight;         // (path, step, columns)
  double* gap;            // (path, step) duality gap over y'y / 2n; 0 for a target of zeros
  int32* rounds;          // (path, step)
  double* w;              // (slot, row)
  double* sign;           // (slot, row) of the members, 0 of the others
  double* slope;          // (slot, row) G w - b
  double* move;           // (slot, row) of members
  double* inverse;        // (slot, columns, row) of the members' G + l2 + jitter, in their order
  int32* member;          // (slot, columns) which columns
};

struct Path {
  int columns, row;
  const double *gram, *product;
  double square, jitter, l1, l2;
  double *w, *sign, *slope, *move, *inverse;
  int32* member;
  int members;

  GG_FUNCTION const double* gram_row(int k) const { return gram + int64(k) * row; }
  GG_FUNCTION double* inverse_row(int i) const { return inverse + int64(i) * row; }  // 0 behind the last member
  GG_FUNCTION int vectors() const { return (members + LANES - 1) / LANES; }
};

// What a state of the weights is worth, and what could mend it.
struct Worth {
  double objective, gap;
  double residual;  // largest slope of a member: 0 at their minimum
  double pull;      // largest slope of another, less l1
  int column;       // whose it is
};

// Duality gap: Friedman, Hastie, Tibshirani (2010), with l2 as further rows of X; where there is no l1, the
// bound by strong convexity.
GG_FUNCTION Worth worth_of(const Path& p) {
  return block_value([&] {
    double fitted = 0, along = 0, one = 0, two = 0, largest = 0, steep = 0;
    Worth out = {0, 0, 0, 0, -1};
    for (int k = 0; k < p.columns; ++k) {
      const double w = p.w[k], g = p.slope[k] + p.l2 * w, size = magnitude(g);
      fitted += p.product[k] * w, along += p.slope[k] * w, one += magnitude(w), two += w * w, steep += g * g;
      largest = size > largest ? size : largest;
      const double left = magnitude(g + p.l1 * p.sign[k]);
      if (p.sign[k] != 0) out.residual = left > out.residual ? left : out.residual;
      else if (size - p.l1 > out.pull) out.pull = size - p.l1, out.column = k;
    }
    const double rest = p.square - fitted + along + p.l2 * two;  // squares of residuals, those of l2 too
    const double share = largest > p.l1 ? p.l1 / largest : 1.0;
    out.objective = 0.5 * rest + p.l1 * one;
    out.gap = p.l1 > 0 ? 0.5 * rest * (1 + share * share) + p.l1 * one - share * (p.square - fitted) : steep / (2 * p.l2);
    return out;
  });
}

// to = from + the sum over members i of share(i) times row(i), in whole vectors.
template <class Row, class Share>
GG_FUNCTION void add_rows(const Path& p, int vectors, Row row, Share share, const double* from, double* to) {
  phase(vectors, [&](int v) {
    lanes sum = from ? load_lanes(from + v * LANES) : lanes{};
    for (int i = 0; i < p.members; ++i) sum = fused(everywhere(share(i)), load_lanes(row(i) + v * LANES), sum);
    store_lanes(to + v * LANES, sum);
  });
}

// move = the inverse times share(i).
template <class Share>
GG_FUNCTION void invert(const Path& p, Share share) {
  add_rows(p, p.vectors(), [&](int i) { return p.inverse_row(i); }, share, nullptr, p.move);
}

// The slope changes as the weight of member i does by share(i).
template <class Share>
GG_FUNCTION void tilt(const Path& p, Share share) {
  add_rows(p, p.row / LANES, [&](int i) { return p.gram_row(p.member[i]); }, share, p.slope, p.slope);
}

// Adds factor(i) times `along` to row i of the inverse, for every member i.
template <class Factor>
GG_FUNCTION void add_outer(const Path& p, const double* along, Factor factor) {
  phase(p.members, p.vectors(), [&](int i, int v) {
    double* to = p.inverse_row(i) + v * LANES;
    store_lanes(to, fused(everywhere(factor(i)), load_lanes(along + v * LANES), load_lanes(to)));
  });
}

// Column k becomes a member; false where it is a combination of those there are.
GG_FUNCTION bool admit(Path& p, int k) {
  const double* row = p.gram_row(k);
  invert(p, [&](int i) { return row[p.member[i]]; });
  const double rest = block_value([&] {
    double sum = row[k] + p.l2 + p.jitter;
    for (int i = 0; i < p.members; ++i) sum -= row[p.member[i]] * p.move[i];
    return sum;
  });
  if (!(rest > 0.5 * p.jitter)) return false;
  const int place = p.members;
  add_outer(p, p.move, [&](int i) { return p.move[i] / rest; });
  phase(p.row, [&](int i) {
    if (i < place) p.inverse_row(i)[place] = -p.move[i] / rest;
    p.inverse_row(place)[i] = i < place ? -p.move[i] / rest : i == place ? 1 / rest : 0.0;
    if (i == place) p.member[place] = k, p.sign[k] = p.w[k] > 0 || (p.w[k] == 0 && p.slope[k] < 0) ? 1 : -1;
  });
  ++p.members;
  return true;
}

// Column k, whose weight has reached zero, is no longer a member: it changes places with the last, who leaves.
GG_FUNCTION void dismiss(Path& p, int k) {
  const int last = p.members - 1;
  const int place = block_value([&] {
    int i = 0;
    while (p.member[i] != k) ++i;
    return i;
  });
  double *own = p.inverse_row(last), *other = p.inverse_row(place);
  if (place != last) {
    phase(p.members, [&](int i) {
      const double value = own[i];
      own[i] = other[i], other[i] = value;
    });
    phase(p.members, [&](int i) {
      double* row = p.inverse_row(i);
      const double value = row[last];
      row[last] = row[place], row[place] = value;
    });
  }
  const double scale = block_value([&] { return 1 / own[last]; });
  phase(1, [&](int) {
    p.member[place] = p.member[last];
    p.sign[k] = 0;
  });
  --p.members;
  add_outer(p, own, [&](int i) { return -own[i] * scale; });
  phase(p.members, [&](int i) { p.inverse_row(i)[last] = 0; });
}

// The inverse and the slope afresh: many small changes leave their roundings in them.
GG_FUNCTION void renew(Path& p) {
  const int before = p.members;
  p.members = 0;
  for (int i = 0; i < before; ++i) {
    const int k = block_value([&] { return p.member[i]; });  // admit writes behind the reader
    if (!admit(p, k)) phase(1, [&](int) { p.w[k] = p.sign[k] = 0; });
  }
  phase(p.row, [&](int k) { p.slope[k] = -p.product[k]; });
  tilt(p, [&](int i) { return p.w[p.member[i]]; });
}

// The members go to their minimum, or until the weight of one of them reaches zero; -1, or which.
GG_FUNCTION int move_members(Path& p) {
  invert(p, [&](int i) {
    const int k = p.member[i];
    return -(p.slope[k] + p.l2 * p.w[k] + p.l1 * p.sign[k]);
  });
  struct Stop {
    double far;
    int column;
  };
  const Stop stop = block_value([&] {
    Stop first = {1, -1};
    for (int i = 0; i < p.members; ++i) {
      const int k = p.member[i];
      if (p.move[i] * p.sign[k] >= 0 || p.l1 == 0) continue;
      const double far = -p.w[k] / p.move[i];
      if (far < first.far) first = {far, k};
    }
    return first;
  });
  phase(p.members, [&](int i) {
    const int k = p.member[i];
    p.w[k] = k == stop.column ? 0.0 : fused(stop.far, p.move[i], p.w[k]);
  });
  tilt(p, [&](int i) { return stop.far * p.move[i]; });
  return stop.column;
}

// The minimum for the penalty at hand; returns the rounds taken. Where a round does not get on, the inverse is to
// blame: it is made afresh, and then with more and more jitter, which makes it exact and the way a little longer.
GG_FUNCTION int minimise(Path& p, int most_rounds, double enough, Worth& worth) {
  int round = 0, joined = -1;
  double last = 1e300, smallest = 1e300, jitter = p.jitter;  // objective and gap, of nothing yet
  bool fresh = true;
  while (round < most_rounds) {
    const int left = move_members(p);
    bool stuck = left >= 0 && left == joined;  // it joined and left at once
    if (left >= 0) dismiss(p, left);
    if (left < 0) {
      worth = worth_of(p);
      if (worth.gap <= enough) break;
      const bool better = worth.objective < last || worth.gap < 0.9 * smallest;
      stuck = !better && worth.residual >= worth.pull;
      fresh = fresh && !better;
      last = worth.objective, smallest = smallest < worth.gap ? smallest : worth.gap;
      joined = worth.pull > worth.residual ? worth.column : -1;
      stuck = stuck || (joined >= 0 && !admit(p, joined));
    }
    if (stuck && fresh) p.jitter *= 10;
    if (p.jitter > MOST_JITTER * jitter) break;
    if (stuck) renew(p), fresh = true, joined = -1;
    ++round;
  }
  p.jitter = jitter;
  worth = worth_of(p);
  return round + 1;
}

GG_FUNCTION void run_elastic_net(const ElasticNetArguments& a, int path, int slot) {
  const int64 begin = int64(path) * a.row, own = int64(slot) * a.row;
  Path p = {a.columns, a.row, a.gram + int64(a.matrix[path]) * a.columns * a.row, a.product + begin, a.square[path], 0, 0, 0,
            a.w + own, a.sign + own, a.slope + own, a.move + own, a.inverse + own * a.columns, a.member + int64(slot) * a.columns, 0};
  for (int k = 0; k < a.columns; ++k) {
    const double curvature = p.gram_row(k)[k];
    p.jitter = curvature > p.jitter ? curvature : p.jitter;
  }
  p.jitter *= JITTER;
  phase(a.row, [&](int k) { p.w[k] = p.sign[k] = 0; });
  for (int s = 0; s < a.steps; ++s) {
    const int64 at = int64(path) * a.steps + s;
    p.l1 = a.l1[at], p.l2 = a.l2[at];
    renew(p);
    Worth worth;
    const int rounds = minimise(p, a.most_rounds, 0.5 * a.tolerance * p.square, worth);
    phase(a.columns, [&](int k) {
      a.weight[at * a.columns + k] = p.w[k];
      if (k == 0) a.gap[at] = p.square > 0 ? 2 * worth.gap / p.square : 0.0, a.rounds[at] = rounds;
    });
  }
}

GG_ENTRY(run_elastic_net, ElasticNetArguments)
