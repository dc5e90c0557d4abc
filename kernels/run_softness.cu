// What the softness of a particle is made of: Gaussian shells of each species, and bond-orientational order Q_l of all
// neighbours between two radii.
//
// One block, which is a warp, or host thread per cell; the particles of the cell one after another.
#include "equal_shells.cuh"
#include "even_harmonics.cuh"
#include "images.cuh"

constexpr int SPARE = 32;  // numbers behind a list, read and overwritten with its last vectors

struct SoftnessArguments {
  Cells cells;
  EqualShells radial;
  int32 replicas;          // cells over all configurations
  int32 columns;           // of one row of `out`, of which the first are filled here
  int32 shells;            // of bonds; 0: none
  double split;            // where the second band begins, beyond all bonds
  double reach;            // where it ends
  const real* r_min;       // (shell)
  const real* r_max;       // (shell)
  const double* legendre;  // (m, l, 3) see even_harmonics.cuh
  int32 images;            // most near any cell, in whole vectors
  real* image;             // (slot, D, images)
  int32* where;            // (slot, BANDS, images + 1) see keep.cuh
  real* square;            // (slot, images) of the distance of each image
  real* inner;             // (slot, D + 1, capacity + SPARE) of the neighbours of the first band: bonds and distances
  real* outer;             // (slot, capacity + SPARE) distances of those of the second
  real* bond;              // (slot, BOND, capacity + SPARE) of the neighbours of one shell
  real* bell;              // (slot, BANDS, radial shells, PADDING) sums
  real* sum;               // (slot, HARMONICS + 1, shells + PADDING) of harmonics, and 1 / how many there are
  double* out;             // (configuration, particle, columns)
};

// The memory of one slot.
struct Work {
  int stride;
  int32* where;
  real *square, *inner, *outer, *bond, *bell, *sum;
};

GG_FUNCTION Work work_of(const SoftnessArguments& a, int slot) {
  const int stride = a.cells.capacity + SPARE, marks = BANDS * (a.images + 1);
  const int64 at = slot;
  return {stride, a.where + at * marks, a.square + at * a.images, a.inner + at * (D + 1) * stride, a.outer + at * stride,
          a.bond + at * BOND * stride, a.bell + at * BANDS * a.radial.count * PADDING, a.sum + at * (HARMONICS + 1) * (a.shells + PADDING)};
}

// Lists the neighbours of a particle at `from` among the images from `begin` to `end`, those of the first band behind the `some`
// that are there; squares of distances stand for distances.
GG_FUNCTION void list_neighbours(const SoftnessArguments& a, const Images& w, const Work& m, const real (&from)[D], int begin, int end, int some,
                                 int (&count)[BANDS]) {
  const real *x = w.x;
  real* square = m.square;
  real *inner = m.inner + some, *outer = m.outer;
  const int images = w.stride, stride = m.stride;
  auto bond = [=](int k, int d) { return load_lanes(x + d * images + k) - everywhere(from[d]); };
  const lanes split = everywhere(a.split * a.split), reach = everywhere(a.reach * a.reach);
  keep_some<BANDS>(
      begin, end, m.where, count,
      [=](int k, uint32* marks) {
        lanes sum = {};
        for (int d = 0; d < D; ++d) sum = fused(bond(k, d), bond(k, d), sum);
        store_lanes(square + k, sum);
        const uint32 inside = marks_below(sum, split);
        marks[0] = inside & marks_below(lanes{}, sum);  // at distance 0 is only the particle itself
        marks[1] = marks_below(sum, reach) & ~inside;
      },
      [=](int band, int k, uint32 marks, int at) {
        if (band == 0 && marks)
          for (int d = 0; d < D; ++d) keep_marked(marks, bond(k, d), inner + d * stride + at);
        keep_marked(marks, load_lanes(square + k), (band ? outer : inner + D * stride) + at);
      });
}

// Columns (l, shell) from the `count` neighbours of the first band.
GG_FUNCTION void order_columns(const SoftnessArguments& a, const Work& m, int count, double* row) {
  const int side = a.shells + PADDING;  // from one row of sums to the next
  real* inverse = m.sum + HARMONICS * side;
  const real* distance = m.inner + D * m.stride;
  for (int shell = 0; shell < a.shells; ++shell) {
    const lanes from = everywhere(a.r_min[shell]), to = everywhere(a.r_max[shell]);
    int some[1];
    keep_some<1>(
        0, count, m.where, some, [=](int k, uint32* marks) { marks[0] = marks_below(from, load_lanes(distance + k)) & marks_below(load_lanes(distance + k), to); },
        [&](int, int k, uint32 marks, int at) {
          for (int d = 0; d < D; ++d) keep_marked(marks, load_lanes(m.inner + d * m.stride + k), m.bond + d * m.stride + at);
        });
    const int vectors = (some[0] + LANES - 1) / LANES;
    phase(vectors * LANES, [&](int j) {
      m.bond[COSINE * m.stride + j] = j < some[0], m.bond[SINE * m.stride + j] = 0;
      if (j >= some[0])
        for (int d = 0; d < D; ++d) m.bond[d * m.stride + j] = 0;
    });
    phase(1, [&](int) { inverse[shell] = some[0] ? real(1) / some[0] : real(0); });
    add_orders<0>(vectors, m.bond, m.stride, a.legendre, m.sum + shell, side);
  }
  const int tiles = (a.shells + LANES - 1) / LANES;
  phase(EVEN * tiles, [&](int item) {
    const int l = item / tiles, first = item % tiles * LANES;
    real order[LANES];
    store_lanes(order, root(square_of(2 * l + 2, a.legendre, m.sum + first, side)) * load_lanes(inverse + first));
    for (int t = 0; t < least(LANES, a.shells - first); ++t) row[l * a.shells + first + t] = order[t];
  });
}

GG_FUNCTION void run_softness(const SoftnessArguments& a, int replica, int slot) {
  const Surroundings w = gather_surroundings(a.cells, replica, slot);
  const Work m = work_of(a, slot);
  const Images near = gather_images(a.cells, w, a.reach, a.image + int64(slot) * D * a.images, a.images, m.where);
  const auto end = [&](int s) { return near.end[s]; };
  real* distance = m.inner + D * m.stride;
  each_particle(w, [&](int k) {
    double* row = a.out + (int64(w.configuration) * w.n + w.order[k]) * a.columns;
    real from[D];
    for (int d = 0; d < D; ++d) from[d] = apart(w.sorted[d * w.n + k], near.middle[d], w.box, d);
    int inner = 0;
    for (int s = 0; s < w.species; ++s) {
      int count[BANDS];
      list_neighbours(a, near, m, from, s ? end(s - 1) : 0, end(s), inner, count);
      bell_columns(a.radial, {distance + inner, m.outer}, count, m.bell, row + s * a.radial.count);
      inner += count[0];
    }
    if (!a.shells) return;
    phase((inner + LANES - 1) / LANES, [&](int item) {
      const lanes one = everywhere(real(1)) / load_lanes(distance + item * LANES);
      for (int d = 0; d < D; ++d) {
        real* x = m.inner + d * m.stride + item * LANES;
        store_lanes(x, load_lanes(x) * one);
      }
    });
    order_columns(a, m, inner, row + w.species * a.radial.count);
  });
}

GG_ENTRY(run_softness, SoftnessArguments)
