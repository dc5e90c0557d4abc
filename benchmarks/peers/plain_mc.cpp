// Metropolis Monte Carlo of the two-dimensional ternary mixture with Verlet lists, one thread:
// what a physicist writes and compiles with -Ofast -march=native. Shares no code with the package.
//
// All pairs have cut-offs of 2.5 sigma_ab and the quartic begins at 2 sigma_ab, so every pair law
// is epsilon_ab times one function of r^2 / sigma_ab^2. PRECISION is float or double.
// Reads doubles from the standard input, writes doubles to the standard output (see main).
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <numeric>
#include <vector>

typedef PRECISION real;
constexpr int PAD = 32 / sizeof(real);  // lists are filled up to whole vectors
constexpr int NOBODY = 3;               // the species of what fills them
constexpr int AHEAD = 512;              // trials whose random numbers are drawn at once

struct Random {  // xoshiro256+ (Blackman and Vigna), seeded by splitmix64
  uint64_t s[4];
  explicit Random(uint64_t seed) {
    for (uint64_t& word : s) {
      uint64_t z = seed += 0x9E3779B97F4A7C15ull;
      z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
      z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
      word = z ^ (z >> 31);
    }
  }
  uint64_t operator()() {
    const uint64_t result = s[0] + s[3], t = s[1] << 17;
    s[2] ^= s[0], s[3] ^= s[1], s[1] ^= s[2], s[0] ^= s[3], s[2] ^= t;
    s[3] = s[3] << 45 | s[3] >> 19;
    return result;
  }
};

// LJ of sigma = epsilon = 1 up to r = 2, then y^3 (c3 + c4 y) with y = 2.5 - r, of equal value, slope and curvature at 2.
template <class T>
struct Law {
  T shift, c3, c4;
  Law() {
    const double w = 0.5, six = std::pow(2.0, -6);
    const double slope = 4 * (6 * six - 12 * six * six) / 2, curvature = 4 * (156 * six * six - 42 * six) / 4;
    const double b4 = (curvature + 2 * slope / w) / (4 * w * w), b3 = -(slope + 4 * b4 * w * w * w) / (3 * w * w);
    shift = static_cast<T>(w * w * w * (b3 + b4 * w) - 4 * (six * six - six));
    c3 = static_cast<T>(b3), c4 = static_cast<T>(b4);
  }
  T operator()(T r2) const {
    const T over = 1 / r2, over6 = over * over * over, y = T(2.5) - std::sqrt(r2);
    const T inner = 4 * (over6 * over6 - over6) + shift, outer = y * y * y * (c3 + c4 * y);
    const T value = r2 < 4 ? inner : outer;
    return r2 < T(6.25) ? value : T(0);
  }
};

struct Point {
  real x, y;
};
struct Pair {
  real inverse_sigma2, epsilon;
};

struct Liquid {
  int n, species;
  double box[2], skin;
  std::vector<double> sigma, epsilon;
  std::vector<Point> place, reference;
  std::vector<int> type, image;      // image: how many boxes were subtracted, two per particle
  Pair pair[4][4] = {};
  std::vector<int> begin, end;       // of each particle's list
  std::vector<uint32_t> list;        // 4 x neighbour + its species
  Law<real> law;

  void build() {
    double reach = 0;
    real reach2[3][4] = {};
    for (int a = 0; a < species; ++a)
      for (int b = 0; b < species; ++b) {
        const double r = 2.5 * sigma[a * species + b] + skin;
        reach = std::max(reach, r), reach2[a][b] = r * r;
      }
    int cells[2];
    for (int k = 0; k < 2; ++k) {
      cells[k] = static_cast<int>(box[k] / (reach / 2));
      if (cells[k] < 5) cells[k] = 1;
    }
    std::vector<int> cell(n), first(cells[0] * cells[1] + 1, 0), order(n);
    for (int i = 0; i < n; ++i) {
      real* x = &place[i].x;
      int at[2];
      for (int k = 0; k < 2; ++k) {
        const double turns = std::floor(x[k] / box[k] + 0.5);
        x[k] -= turns * box[k];
        image[2 * i + k] += static_cast<int>(turns);
        at[k] = std::min(std::max(static_cast<int>((x[k] / box[k] + 0.5) * cells[k]), 0), cells[k] - 1);
      }
      ++first[(cell[i] = at[0] + cells[0] * at[1]) + 1];
    }
    reference = place;
    std::partial_sum(first.begin(), first.end(), first.begin());
    std::vector<int> next(first.begin(), first.end() - 1);
    for (int i = 0; i < n; ++i) order[next[cell[i]]++] = i;

    const real length[2] = {static_cast<real>(box[0]), static_cast<real>(box[1])};
    const real inverse[2] = {1 / length[0], 1 / length[1]};
    const int wide = cells[0] > 1 ? 2 : 0, high = cells[1] > 1 ? 2 : 0;
    std::vector<real> x(n), y(n), beyond(n);
    std::vector<uint32_t> who(n);
    size_t used = 0;
    for (int row = 0; row < cells[1]; ++row)
      for (int column = 0; column < cells[0]; ++column) {
        int candidates = 0;  // of all particles of this cell
        for (int dy = -high; dy <= high; ++dy)
          for (int dx = -wide; dx <= wide; ++dx) {
            const int c = (column + dx + cells[0]) % cells[0] + cells[0] * ((row + dy + cells[1]) % cells[1]);
            for (int k = first[c]; k < first[c + 1]; ++k, ++candidates) {
              const int j = order[k];
              x[candidates] = place[j].x, y[candidates] = place[j].y, who[candidates] = 4u * j + type[j];
            }
          }
        const int here = column + cells[0] * row;
        for (int k = first[here]; k < first[here + 1]; ++k) {
          const int i = order[k];
          const Point p = place[i];
          const real r0 = reach2[type[i]][0], r1 = reach2[type[i]][1], r2 = reach2[type[i]][2];
          for (int c = 0; c < candidates; ++c) {
            real dx = x[c] - p.x, dy = y[c] - p.y;
            dx -= length[0] * std::rint(dx * inverse[0]), dy -= length[1] * std::rint(dy * inverse[1]);
            const int b = who[c] & 3;
            beyond[c] = dx * dx + dy * dy - (b == 0 ? r0 : b == 1 ? r1 : r2);
          }
          if (list.size() < used + candidates + PAD) list.resize(2 * (used + candidates + PAD));
          begin[i] = static_cast<int>(used);
          const uint32_t self = 4u * i + type[i];
          for (int c = 0; c < candidates; ++c) {
            list[used] = who[c];
            used += (beyond[c] < 0) & (who[c] != self);
          }
          while ((used - begin[i]) % PAD) list[used++] = NOBODY;
          end[i] = static_cast<int>(used);
        }
      }
  }

  // What a step (ux, uy) of particle i costs by a list of neighbours. Their places and constants are first
  // copied side by side, so that the arithmetic runs in vectors without gathers. The image is chosen before
  // the step: a neighbour of which the step brings another image nearer is out of reach before and after.
  real change(int i, real ux, real uy, const uint32_t* first, const uint32_t* last) const {
    constexpr int MOST = 512;
    alignas(64) Point near[MOST];
    alignas(64) Pair with[MOST];
    const Pair* row = pair[type[i]];
    const Point p = place[i];
    const real lx = box[0], ly = box[1], over_x = 1 / lx, over_y = 1 / ly;
    real total = 0;
    for (const uint32_t* entry = first; entry < last; entry += MOST) {
      const int count = static_cast<int>(std::min<int64_t>(last - entry, MOST));
      for (int k = 0; k < count; ++k) {
        near[k] = place[entry[k] >> 2], with[k] = row[entry[k] & 3];
        asm volatile("");  // keeps the compiler from turning plain copies into gathers and scatters, which are slower
      }
      for (int k = 0; k < count; ++k) {
        real dx = p.x - near[k].x, dy = p.y - near[k].y;
        dx -= lx * std::rint(dx * over_x), dy -= ly * std::rint(dy * over_y);
        const real nx = dx + ux, ny = dy + uy, epsilon = with[k].epsilon;
        const real aside = epsilon == 0 ? real(10) : real(0);  // nobody stands out of reach
        total += epsilon * (law((nx * nx + ny * ny) * with[k].inverse_sigma2 + aside) -
                            law((dx * dx + dy * dy) * with[k].inverse_sigma2 + aside));
      }
    }
    return total;
  }

  double energy() const {  // per particle, every pair in double precision
    const Law<double> exact;
    double total = 0;
    for (int i = 0; i < n; ++i)
      for (int j = 0; j < i; ++j) {
        const double dx = std::remainder(static_cast<double>(place[i].x) - place[j].x, box[0]);
        const double dy = std::remainder(static_cast<double>(place[i].y) - place[j].y, box[1]);
        const int ab = type[i] * species + type[j];
        const double r2 = (dx * dx + dy * dy) / (sigma[ab] * sigma[ab]);
        if (r2 < 6.25) total += epsilon[ab] * exact(r2);
      }
    return total / n;
  }
};

static double wall() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

static std::vector<double> read(size_t count) {
  std::vector<double> out(count);
  if (std::fread(out.data(), sizeof(double), count, stdin) != count) std::exit(2);
  return out;
}

// In: n, species, box (2), temperature, step, skin, seed, sweeps, every; sigma, epsilon (species^2 each),
// places (n, 2), types (n). Out: wall seconds, of them in list builds, processor seconds, builds,
// accepted trials; energies per particle every so many sweeps, (sweeps / every); unwrapped places (n, 2).
// The clocks stand still while energies are summed.
int main() {
  const std::vector<double> head = read(10);
  Liquid liquid;
  const int n = liquid.n = static_cast<int>(head[0]), species = liquid.species = static_cast<int>(head[1]);
  liquid.box[0] = head[2], liquid.box[1] = head[3], liquid.skin = head[6];
  const double temperature = head[4], step = head[5];
  const int64_t sweeps = static_cast<int64_t>(head[8]), every = static_cast<int64_t>(head[9]);
  liquid.sigma = read(species * species), liquid.epsilon = read(species * species);
  for (int a = 0; a < species; ++a)
    for (int b = 0; b < species; ++b) {
      const double sigma = liquid.sigma[a * species + b];
      liquid.pair[a][b] = {static_cast<real>(1 / (sigma * sigma)), static_cast<real>(liquid.epsilon[a * species + b])};
    }
  const std::vector<double> x = read(2 * n);
  for (int i = 0; i < n; ++i) liquid.place.push_back({static_cast<real>(x[2 * i]), static_cast<real>(x[2 * i + 1])});
  liquid.image.assign(2 * n, 0);
  for (double t : read(n)) liquid.type.push_back(static_cast<int>(t));
  liquid.begin.resize(n), liquid.end.resize(n);

  std::vector<uint32_t> everybody;
  for (int i = 0; i < n; ++i) everybody.push_back(4u * i + liquid.type[i]);
  while (everybody.size() % PAD) everybody.push_back(NOBODY);

  Random random(static_cast<uint64_t>(head[7]));
  std::vector<int> who(AHEAD);
  std::vector<real> ux(AHEAD), uy(AHEAD), bound(AHEAD);
  const real unit = static_cast<real>(step * 0x1p-32), half = static_cast<real>(step / 2), kt = static_cast<real>(temperature);
  const real furthest2 = static_cast<real>(liquid.skin * liquid.skin / 4);
  int64_t builds = 1, accepted = 0;
  double building = 0, pause = 0, pause_processor = 0;
  std::vector<double> energies;
  const double began = wall(), began_processor = static_cast<double>(std::clock());
  liquid.build();
  building += wall() - began;
  const int64_t trials = sweeps * n;
  for (int64_t done = 0, sample = every * n; done < trials;) {
    const int count = static_cast<int>(std::min<int64_t>(AHEAD, std::min(trials, sample) - done));
    for (int k = 0; k < count; ++k) {
      const uint64_t a = random(), b = random();
      who[k] = static_cast<int>(((a >> 32) * n) >> 32);
      bound[k] = (static_cast<real>(static_cast<uint32_t>(a)) + real(0.5)) * real(0x1p-32);
      ux[k] = static_cast<real>(static_cast<uint32_t>(b)) * unit - half;
      uy[k] = static_cast<real>(static_cast<uint32_t>(b >> 32)) * unit - half;
    }
    for (int k = 0; k < count; ++k) bound[k] = -kt * std::log(bound[k]);
    for (int k = 0; k < count; ++k) {
      const int i = who[k];
      Point& p = liquid.place[i];
      const real rx = p.x + ux[k] - liquid.reference[i].x, ry = p.y + uy[k] - liquid.reference[i].y;
      if (rx * rx + ry * ry <= furthest2) {
        const uint32_t* list = liquid.list.data();
        if (liquid.change(i, ux[k], uy[k], list + liquid.begin[i], list + liquid.end[i]) <= bound[k])
          p.x += ux[k], p.y += uy[k], ++accepted;
      } else {  // the list might lack what the step meets, and most such steps are refused
        const uint32_t self = everybody[i];
        everybody[i] = NOBODY;
        if (liquid.change(i, ux[k], uy[k], everybody.data(), everybody.data() + everybody.size()) <= bound[k]) {
          p.x += ux[k], p.y += uy[k], ++accepted;
          const double start = wall();
          liquid.build(), ++builds;
          building += wall() - start;
        }
        everybody[i] = self;
      }
    }
    done += count;
    if (done == sample) {
      const double start = wall(), start_processor = static_cast<double>(std::clock());
      energies.push_back(liquid.energy());
      pause += wall() - start, pause_processor += static_cast<double>(std::clock()) - start_processor;
      sample += every * n;
    }
  }
  const double processor = (static_cast<double>(std::clock()) - began_processor - pause_processor) / CLOCKS_PER_SEC;
  std::vector<double> out = {wall() - began - pause, building, processor, static_cast<double>(builds), static_cast<double>(accepted)};
  out.insert(out.end(), energies.begin(), energies.end());
  for (int i = 0; i < n; ++i) {
    out.push_back(liquid.place[i].x + liquid.image[2 * i] * liquid.box[0]);
    out.push_back(liquid.place[i].y + liquid.image[2 * i + 1] * liquid.box[1]);
  }
  return std::fwrite(out.data(), sizeof(double), out.size(), stdout) != out.size();
}
