// Symmetry functions of Behler and Parrinello around every particle: radial ones per species, and
// angular ones per two species a <= b,
//   2^(1 - zeta) sum_jk e^(-(r_ij^2 + r_ik^2 + r_jk^2) / xi^2) (1 + lambda cos)^zeta fade(r_ij) fade(r_ik) fade(r_jk)
// over ordered pairs j of a, k of b, so that like pairs count twice. One block, which is a warp, or host
// thread per cell; the particles of the cell one after another.
//
// Which widths xi, and which powers of 1 + lambda cos, each function has is compiled in: on a GPU
// the sums then stand in registers.
#include "shells.cuh"

constexpr int SETS = GG_SETS;      // angular functions of two species
constexpr int WIDTHS = GG_WIDTHS;  // different xi
constexpr int POWERS = GG_POWERS;  // different (lambda, zeta)
constexpr int WIDTH_OF[SETS] = GG_WIDTH_OF;
constexpr int POWER_OF[SETS] = GG_POWER_OF;
constexpr int LAMBDA[POWERS] = GG_LAMBDA;  // 1 or -1
constexpr int ZETA[POWERS] = GG_ZETA;      // at least 1

struct SymmetryArguments {
  Cells cells;
  Shells radial;
  int32 replicas;      // cells over all configurations
  int32 columns;       // of one row of `out`
  double cutoff;       // where all functions end
  const real* narrow;  // (width) 1 / xi^2
  real* near;          // (slot, NEAR, capacity) of the neighbours: see below
  double* out;         // (configuration, particle, columns)
};

enum { X, Y, Z, DISTANCE, SQUARE, INVERSE, FADE, NEAR };  // rows of `near`: bond, r, r^2, 1 / r, fade(r)

// (cos(pi sqrt(x)) + 1) / 2 = cos^2(pi sqrt(x) / 2) for x = r^2 / cutoff^2 < 1, by Taylor's series in x.
GG_FUNCTION lanes fade(lanes x) {
  constexpr double SQUARE_OF_ANGLE = 2.4674011002723395;  // (pi / 2)^2
  const lanes one = everywhere(real(1));
  lanes sum = one;
  for (int n = 11; n > 0; --n) sum = fused(x * everywhere(-SQUARE_OF_ANGLE / ((2 * n - 1) * (2 * n))), sum, one);
  return sum * sum;
}

template <int EXPONENT>
GG_FUNCTION lanes power(lanes x) {
  if constexpr (EXPONENT == 1) return x;
  else if constexpr (EXPONENT % 2) return x * power<EXPONENT - 1>(x);
  else return power<EXPONENT / 2>(x * x);
}

// 0 .. N-1 as template arguments.
template <int... I>
struct Indices {};
template <int N, int... I>
struct Count : Count<N - 1, N - 1, I...> {};
template <int... I>
struct Count<0, I...> {
  typedef Indices<I...> type;
};

// ((1 + lambda cos) / 2)^zeta of each power.
template <int... P>
GG_FUNCTION void powers(lanes cosine, lanes* out, Indices<P...>) {
  const lanes half = everywhere(real(0.5));
  const lanes plus = fused(half, cosine, half), minus = half - half * cosine;
  ((out[P] = power<ZETA[P]>(LAMBDA[P] > 0 ? plus : minus)), ...);
}

template <int... S>
GG_FUNCTION void add_terms(const lanes* bell, const lanes* angle, lanes* sum, Indices<S...>) {
  ((sum[S] = fused(bell[WIDTH_OF[S]], angle[POWER_OF[S]], sum[S])), ...);
}

// Adds the triples of neighbour j with LANES neighbours from k on, of those before `end`, to the sums.
GG_FUNCTION void add_triples(const SymmetryArguments& a, const real* near, int stride, int j, int k, int end, bool like, lanes* sum) {
  auto of_j = [&](int row) { return everywhere(near[row * stride + j]); };
  auto of_k = [&](int row) { return load_lanes(near + row * stride + k); };
  lanes dot = of_j(X) * of_k(X);
  for (int d = 1; d < D; ++d) dot = fused(of_j(d), of_k(d), dot);
  const lanes two = of_j(SQUARE) + of_k(SQUARE), across = fused(everywhere(real(-2)), dot, two), x = across * everywhere(1 / (a.cutoff * a.cutoff));
  real step[LANES];
  for (int l = 0; l < LANES; ++l) step[l] = l;
  const lanes place = everywhere(real(k)) + load_lanes(step), before = everywhere(real(like ? j : -1));
  const auto counted = (place < everywhere(real(end))) & (before < place) & (x < everywhere(real(1)));
  if (none_of(counted)) return;
  const lanes factor = select(counted, of_j(FADE) * of_k(FADE) * fade(x), lanes{});
  lanes bell[WIDTHS], angle[POWERS];
  for (int w = 0; w < WIDTHS; ++w) bell[w] = factor * exponential(-(two + across) * everywhere(a.narrow[w]));
  powers(dot * of_j(INVERSE) * of_k(INVERSE), angle, Count<POWERS>::type());
  add_terms(bell, angle, sum, Count<SETS>::type());
}

GG_FUNCTION void angular_columns(const SymmetryArguments& a, const Surroundings& w, const real* near, int stride, double* row) {
  // Marks and ends were written by phases before, and nobody writes them until the sums are done.
  auto begin = [&](int s) { return s ? w.mark[w.species_end[s - 1]] : 0; };
  auto end = [&](int s) { return w.mark[w.species_end[s]]; };
  for (int s = 0; s < w.species; ++s)
    for (int t = s; t < w.species; ++t) {
      const int first = begin(s), other = begin(t), last = end(t);
      const real scale = s == t ? 4 : 2;  // like pairs twice, and 2^(1 - zeta) = 2 / 2^zeta
      team_sums<SETS>(
          end(s) - first, (last - other + LANES - 1) / LANES,
          [&](int j, int item, lanes* sum) {
            const int k = other + item * LANES;
            if (s != t || first + j < k + LANES - 1) add_triples(a, near, stride, first + j, k, last, s == t, sum);
          },
          [&](int set, lanes sums, int some) { keep_marked(0xffffffffu >> (32 - some), everywhere(scale) * sums, row + set); });
      row += SETS;
    }
}

GG_FUNCTION void run_symmetry(const SymmetryArguments& a, int replica, int slot) {
  const Surroundings w = gather_surroundings(a.cells, replica, slot);
  const int stride = w.capacity + PADDING;
  real* near = a.near + int64(slot) * NEAR * stride;
  each_particle(w, [&](int k) {
    double* row = a.out + (int64(w.configuration) * w.n + w.order[k]) * a.columns;
    const int count = mark_near(w, k, static_cast<real>(a.cutoff));
    phase(w.count, [&](int c) {
      const int j = w.mark[c];
      if (w.mark[c + 1] == j) return;
      const Bond b = bond_to(w, k, c);
      const real values[] = {b.x, b.y, b.z, b.r, b.r * b.r, 1 / b.r};
      for (int v = 0; v < FADE; ++v) near[v * stride + j] = values[v];
    });
    // Beyond the last neighbour stand numbers that spoil no vector.
    phase(PADDING * FADE, [&](int item) { near[item / PADDING * stride + count + item % PADDING] = 0; });
    phase((count + LANES - 1) / LANES, [&](int item) {
      const int j = item * LANES;
      store_lanes(near + FADE * stride + j, fade(load_lanes(near + SQUARE * stride + j) * everywhere(1 / (a.cutoff * a.cutoff))));
    });
    radial_columns(a.radial, w, near + DISTANCE * stride, [&](int j) { return near[FADE * stride + j]; }, row);
    angular_columns(a, w, near, stride, row + w.species * a.radial.count);
  });
}

GG_ENTRY(run_symmetry, SymmetryArguments)
