// Three ways to hold a particle's position, on one force loop and one NVE run.
//
// Written to decide how the single-precision kernels store positions, before the first
// kernel was written, and kept so that the decision can be repeated:
//   DOUBLE  double positions and forces                    (the reference)
//   FIXED   32-bit integers in units of L / 2^32           (minimum image by wrap-around)
//   FLOAT   float plus a float remainder (compensated sum) (minimum image by rounding)
// The system is the Kob-Andersen liquid, cut at 2.5 sigma_ab and shifted, m = eps = sigma = 1.
// Input: a file of doubles "L, then x y z of every particle", species A first.
// Output: one line "steps_per_second drift_per_particle fluctuation".
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#define DOUBLE 0
#define FIXED 1
#define FLOAT 2
#if FORMAT == DOUBLE
using real = double;
using packed = double;
#elif FORMAT == FIXED
using real = float;
using packed = int32_t;
#else
using real = float;
using packed = float;
#endif

static const int PAD = 8;

struct Run {
  int n, n_a;
  double box;
  real unit, length, inverse;  // FIXED: L / 2^32; otherwise L and 1 / L
  std::vector<packed> x[3], reference[3];
  std::vector<real> rest[3], v[3], f[3];
  std::vector<int> list, begin;  // per particle: A neighbours, then B, each padded with itself
  real sigma2[3], epsilon[3], cut2[3], shift[3];

  inline real apart(packed a, packed b) const {
#if FORMAT == FIXED
    return static_cast<real>(static_cast<int32_t>(static_cast<uint32_t>(a) - static_cast<uint32_t>(b))) * unit;
#else
    real d = a - b;
    return d - length * std::rint(d * inverse);
#endif
  }

  void build(double skin) {
    for (int d = 0; d < 3; ++d) reference[d] = x[d];
    list.clear();
    begin.assign(2 * n + 1, 0);
    for (int i = 0; i < n; ++i)
      for (int s = 0; s < 2; ++s) {
        double reach = std::sqrt(static_cast<double>(cut2[(i >= n_a) + s])) + skin;
        for (int j = s ? n_a : 0; j < (s ? n : n_a); ++j) {
          real dx = apart(x[0][i], x[0][j]), dy = apart(x[1][i], x[1][j]), dz = apart(x[2][i], x[2][j]);
          if (j != i && dx * dx + dy * dy + dz * dz < reach * reach) list.push_back(j);
        }
        while (list.size() % PAD) list.push_back(i);
        begin[2 * i + s + 1] = static_cast<int>(list.size());
      }
  }

  template <bool ENERGY>
  double forces() {
    double total = 0;
    const packed *X = x[0].data(), *Y = x[1].data(), *Z = x[2].data();
    for (int i = 0; i < n; ++i) {
      packed xi = X[i], yi = Y[i], zi = Z[i];
      real fx = 0, fy = 0, fz = 0, e = 0;
      for (int s = 0; s < 2; ++s) {
        int pair = (i >= n_a) + s;
        real s2 = sigma2[pair], eps = epsilon[pair], c2 = cut2[pair], u0 = shift[pair];
        const int* entry = list.data() + begin[2 * i + s];
        int count = (begin[2 * i + s + 1] - begin[2 * i + s]) & ~(PAD - 1);
#pragma omp simd reduction(+ : fx, fy, fz, e)
        for (int k = 0; k < count; ++k) {
          int j = entry[k];
          real dx = apart(xi, X[j]), dy = apart(yi, Y[j]), dz = apart(zi, Z[j]);
          real r2 = std::fma(dz, dz, std::fma(dy, dy, dx * dx));
          bool in = r2 < c2 && r2 > real(0);
          real over = real(1) / r2;
          real s6 = s2 * over;
          s6 = s6 * s6 * s6;
          real g = in ? 24 * eps * s6 * over * std::fma(real(2), s6, real(-1)) : real(0);
          fx = std::fma(g, dx, fx);
          fy = std::fma(g, dy, fy);
          fz = std::fma(g, dz, fz);
          if (ENERGY) e += in ? 4 * eps * (s6 * s6 - s6) - u0 : real(0);
        }
      }
      f[0][i] = fx;
      f[1][i] = fy;
      f[2][i] = fz;
      total += 0.5 * e;
    }
    return total;
  }

  void move(int d, int i, real step) {
#if FORMAT == FIXED
    x[d][i] = static_cast<int32_t>(static_cast<uint32_t>(x[d][i]) +
                                   static_cast<uint32_t>(static_cast<int32_t>(std::rint(step / unit))));
#elif FORMAT == FLOAT
    real y = step + rest[d][i], t = x[d][i] + y;
    rest[d][i] = y - (t - x[d][i]);
    x[d][i] = t - length * std::rint(t * inverse);
#else
    x[d][i] += step;
#endif
  }

  bool moved(double skin) {
    real limit = static_cast<real>(0.25 * skin * skin);
    bool any = false;
    for (int i = 0; i < n; ++i) {
      real dx = apart(x[0][i], reference[0][i]), dy = apart(x[1][i], reference[1][i]),
           dz = apart(x[2][i], reference[2][i]);
      any |= dx * dx + dy * dy + dz * dz > limit;
    }
    return any;
  }
};

int main(int argc, char** argv) {
  if (argc < 6) return std::fprintf(stderr, "FILE N N_A STEPS SEED\n"), 2;
  Run r;
  r.n = std::atoi(argv[2]);
  r.n_a = std::atoi(argv[3]);
  int steps = std::atoi(argv[4]), seed = std::atoi(argv[5]);
  const double skin = 0.3, dt = 0.002;
  FILE* file = std::fopen(argv[1], "rb");
  std::vector<double> in(1 + 3 * r.n);
  if (!file || std::fread(in.data(), 8, in.size(), file) != in.size()) return 2;
  r.box = in[0];
  r.length = static_cast<real>(r.box);
  r.inverse = static_cast<real>(1 / r.box);
  r.unit = static_cast<real>(r.box / 4294967296.0);
  double sig[3] = {1, 0.8, 0.88}, eps[3] = {1, 1.5, 0.5};
  for (int p = 0; p < 3; ++p) {
    double c = 2.5 * sig[p], s6 = std::pow(sig[p] / c, 6);
    r.sigma2[p] = static_cast<real>(sig[p] * sig[p]);
    r.epsilon[p] = static_cast<real>(eps[p]);
    r.cut2[p] = static_cast<real>(c * c);
    r.shift[p] = static_cast<real>(4 * eps[p] * (s6 * s6 - s6));
  }
  uint64_t state = 88172645463325252ull + seed;
  auto uniform = [&] {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (state >> 11) * 0x1p-53;
  };
  for (int d = 0; d < 3; ++d) {
    r.x[d].resize(r.n), r.rest[d].assign(r.n, 0), r.v[d].resize(r.n), r.f[d].resize(r.n);
    double mean = 0;
    for (int i = 0; i < r.n; ++i) {
      double u = in[1 + 3 * i + d] / r.box;
      u -= std::rint(u);
#if FORMAT == FIXED
      r.x[d][i] = static_cast<int32_t>(static_cast<int64_t>(std::rint(u * 4294967296.0)));
#else
      r.x[d][i] = static_cast<packed>(u * r.box);
#endif
      double v = std::sqrt(-2 * 0.5 * std::log(1 - uniform())) * std::cos(6.283185307179586 * uniform());
      r.v[d][i] = static_cast<real>(v), mean += v / r.n;
    }
    for (int i = 0; i < r.n; ++i) r.v[d][i] -= static_cast<real>(mean);
  }
  r.build(skin);
  r.forces<false>();
  auto start = std::chrono::steady_clock::now();
  const int repeats = 300;
  for (int k = 0; k < repeats; ++k) r.forces<false>();
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  double st = 0, se = 0, stt = 0, ste = 0, see = 0;
  int m = 0;
  for (int step = 0; step <= steps; ++step) {
    if (step) {
      for (int d = 0; d < 3; ++d)
        for (int i = 0; i < r.n; ++i) {
          r.v[d][i] += r.f[d][i] * static_cast<real>(dt / 2);
          r.move(d, i, r.v[d][i] * static_cast<real>(dt));
        }
      if (r.moved(skin)) r.build(skin);
    }
    double energy = step % 50 ? (r.forces<false>(), 0) : r.forces<true>();
    if (step)
      for (int d = 0; d < 3; ++d)
        for (int i = 0; i < r.n; ++i) r.v[d][i] += r.f[d][i] * static_cast<real>(dt / 2);
    if (step % 50 == 0) {
      for (int d = 0; d < 3; ++d)
        for (int i = 0; i < r.n; ++i) energy += 0.5 * static_cast<double>(r.v[d][i]) * r.v[d][i];
      double t = step, e = energy / r.n;
      st += t, se += e, stt += t * t, ste += t * e, see += e * e, ++m;
    }
  }
  double slope = steps ? (m * ste - st * se) / (m * stt - st * st) : 0;
  double spread = m ? std::sqrt(std::fmax(0, see / m - se / m * se / m)) : 0;
  std::printf("%.1f %.3e %.3e\n", repeats / seconds, slope * steps, spread);
}
