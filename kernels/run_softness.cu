// What the softness of a particle is made of: Gaussian shells of each species, and bond-orientational order Q_l of all
// neighbours between two radii.
//
// One block, which is a warp, or host thread per cell; the particles of the cell one after another.
#include "equal_shells.cuh"
#include "even_harmonics.cuh"
#include "images.cuh"

static_assert(D == 3, "bonds have spherical harmonics");

constexpr int SPARE = 32;  // numbers behind a list, read and overwritten with its last vectors

struct SoftnessArguments {
  Cells cells;
  EqualShells radial;
  Legendre legendre;
  int32 replicas;          // cells over all configurations
  int32 columns;           // of one row of `out`, of which the first are filled here
  int32 shells;            // of bonds; 0: none
  int32 images;            // most near any cell, in whole vectors
  double split;            // where the second band begins, beyond all bonds
  double reach;            // where it ends
  const int32* wanted;     // (configuration, particle) 0: its row is not computed; may be null
  const real* r_min;       // (shell)
  const real* r_max;       // (shell)
  real* image;             // (slot, D, images)
  int32* where;            // (slot, BANDS, images + 1) see keep.cuh
  real* square;            // (slot, images) of the distance of each image
  real* which;             // (slot, capacity + SPARE) which images are in the first band
  real* inner;             // (slot, D + 1, capacity + SPARE) of the neighbours of the first band: bonds and distances
  real* outer;             // (slot, capacity + SPARE) distances of those of the second
  real* bond;              // (slot, BOND, capacity + SPARE) of the neighbours of one shell
  real* bell;              // (slot, BANDS, radial shells, PADDING) sums
  real* sum;               // (slot, shells, SUMS + PADDING) of harmonics
  double* out;             // (configuration, particle, columns)
};

// The memory of one slot.
struct Work {
  int stride;
  int32* where;
  real *square, *which, *inner, *outer, *bond, *bell, *sum;
};

GG_FUNCTION Work work_of(const SoftnessArguments& a, int slot) {
  const int64 at = slot;
  const int stride = a.cells.capacity + SPARE;
  return {stride, a.where + at * BANDS * (a.images + 1), a.square + at * a.images, a.which + at * stride, a.inner + at * (D + 1) * stride,
          a.outer + at * stride, a.bond + at * BOND * stride, a.bell + at * BANDS * a.radial.count * PADDING, a.sum + at * a.shells * (SUMS + PADDING)};
}

// Lists the neighbours of a particle at `from` among the images from `begin` to `end`, those of the first band behind the `some`
// that are there; squares of distances stand for distances. The few of the first band are written down by number first: to pack
// their bonds where they are found would cost a wrongly guessed branch for each.
GG_FUNCTION void list_neighbours(const SoftnessArguments& a, const Images& w, const Work& m, const real (&from)[D], int begin, int end, int some,
                                 int (&count)[BANDS]) {
  const real* x = w.x;
  real *square = m.square, *which = m.which, *outer = m.outer, *inner = m.inner + some;
  const int images = w.stride, stride = m.stride;
  real lane[LANES];
  for (int l = 0; l < LANES; ++l) lane[l] = l;
  const lanes split = everywhere(a.split * a.split), reach = everywhere(a.reach * a.reach), lanes_in_order = load_lanes(lane);
  keep_some<BANDS>(
      begin, end, m.where, count,
      [=](int k, uint32* marks) {
        lanes sum = {};
        for (int d = 0; d < D; ++d) {
          const lanes bond = load_lanes(x + d * images + k) - everywhere(from[d]);
          sum = fused(bond, bond, sum);
        }
        store_lanes(square + k, sum);
        const uint32 inside = marks_below(sum, split);
        marks[0] = inside & marks_below(lanes{}, sum);  // at distance 0 is only the particle itself
        marks[1] = marks_below(sum, reach) & ~inside;
      },
      [=](int band, int k, uint32 marks, int at) {
        keep_marked(marks, band ? load_lanes(square + k) : everywhere(real(k)) + lanes_in_order, (band ? outer : which) + at);
      });
  phase(count[0], [=](int j) {
    const int k = static_cast<int>(which[j]);
    for (int d = 0; d < D; ++d) inner[d * stride + j] = x[d * images + k] - from[d];
    inner[D * stride + j] = square[k];
  });
}

// Columns (l, shell) from the `count` neighbours of the first band.
GG_FUNCTION void order_columns(const SoftnessArguments& a, const Work& m, int count, double* row) {
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
    real* sum = m.sum + shell * (SUMS + PADDING);
    add_orders<0>(vectors, m.bond, m.stride, a.legendre, sum);
    phase(1, [&](int) {
      real order[EVEN];
      orders_of(a.legendre, sum, some[0] ? real(1) / some[0] : real(0), order);
      for (int l = 0; l < EVEN; ++l) row[l * a.shells + shell] = order[l];
    });
  }
}

GG_FUNCTION void run_softness(const SoftnessArguments& a, int replica, int slot) {
  const Surroundings w = gather_surroundings(a.cells, replica, slot);
  const Work m = work_of(a, slot);
  const Images near = gather_images(a.cells, w, a.reach, a.image + int64(slot) * D * a.images, a.images, m.where);
  const auto end = [&](int s) { return near.end[s]; };
  real* distance = m.inner + D * m.stride;
  each_particle(w, [&](int k) {
    const int64 particle = int64(w.configuration) * w.n + w.order[k];
    if (a.wanted && !a.wanted[particle]) return;
    double* row = a.out + particle * a.columns;
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
