// What a kernel is given and what it works on.
//
// Problem and Scratch are filled by Python (glassgpu/launch.py reads these declarations, so the
// fields stand here and nowhere else). Workspace is one block's view of both.
#pragma once
#include "box.cuh"
#include "pair_lj.cuh"
#include "status.cuh"

constexpr int SPECIES = GG_SPECIES;

// What a neighbour list looks like.
//   0  one run of entries for each species, padded to whole lanes: pair constants are fixed in a run
//   1  entries of all species without padding between them, each with the cut-off of its pair
//   2  the same for species that change: all pairs have one cut-off, and no order knows a species
#ifdef GG_LISTS
constexpr int LISTS = GG_LISTS;
#else
constexpr int LISTS = 0;
#endif
constexpr int RUNS = LISTS == 0 ? SPECIES : 1;  // of one list, and of the bins that particles are sorted into

struct Problem {
  int32 particles;
  const double* box;           // (configuration, D) sides
  const int32* types;          // (configuration, particle)
  const int32* grid;           // (configuration, D) cells along each direction, 1 = no cells there
  const PairConstants* pairs;  // (species * species), then one for sigma = epsilon = 1
  const double* mass;          // (species)
};

// One slot per resident block or CPU worker; never saved.
struct Scratch {
  int32 capacity;      // entries of one particle's list
  int32 bins;          // largest species * cells over the configurations
  index_t* list;       // (slot, particle * capacity) offset_of each neighbour
  int32* list_end;     // (slot, species, particle) one past the last entry of a run
  int32* bin_begin;    // (slot, bins + 1)
  int32* cursor;       // (slot, bins)
  int32* order;        // (slot, particle + SCAN) particles sorted by bin, then by index
  packed_t* sorted;    // (slot, D + 1, particle + SCAN) reference positions in that order, and the species in mixed lists
  packed_t* packed;    // (slot, particle * 4) positions now: (D, particle) with one lane, (particle, 4) with several,
                       // whose fourth is the species where lists mix them
  real* force;         // (slot, D, particle)
  real* energy;        // (slot, particle)
  real* virial;        // (slot, particle)
  double* moved;       // (slot, 2, D, particle) displacements since time 0, and relative to the first neighbours
};

struct Workspace {
  int n, capacity;
  int grid[D];
  Box box;
  const int32* types;        // now
  const int32* first_types;  // at time 0: they differ only where species are exchanged
  const PairConstants* pairs;
  const double* mass;
  index_t* list;
  int32 *list_end, *bin_begin, *cursor, *order;
  packed_t *sorted, *packed;
  real *force, *energy, *virial;
  double* moved;
};

GG_FUNCTION Workspace make_workspace(const Problem& p, const Scratch& s, int configuration, int slot) {
  Workspace w;
  const int64 n = p.particles;
  w.n = p.particles;
  w.capacity = s.capacity;
  for (int d = 0; d < D; ++d) w.grid[d] = p.grid[configuration * D + d];
  w.box = make_box(p.box + configuration * D);
  w.types = w.first_types = p.types + configuration * n;
  w.pairs = p.pairs;
  w.mass = p.mass;
  w.list = s.list + slot * n * s.capacity;
  w.list_end = s.list_end + slot * n * SPECIES;
  w.bin_begin = s.bin_begin + slot * (s.bins + int64(1));
  w.cursor = s.cursor + slot * int64(s.bins);
  w.order = s.order + slot * (n + SCAN);
  w.sorted = s.sorted + slot * (n + SCAN) * (D + 1);
  w.packed = static_cast<packed_t*>(fast_memory(s.packed + slot * n * 4));
  w.force = s.force + slot * n * D;
  w.energy = s.energy + slot * n;
  w.virial = s.virial + slot * n;
  w.moved = s.moved + slot * n * 2 * D;
  return w;
}

// The species of a particle at time 0.
GG_FUNCTION int first_type(const Workspace& w, int i) { return LISTS == 2 ? w.first_types[i] : w.types[i]; }

// Where a particle's position now begins, and its coordinate d.
GG_FUNCTION index_t offset_of(int i) { return static_cast<index_t>(LANES == 1 ? i : 4 * i); }
GG_FUNCTION int packed_at(const Workspace& w, int i, int d) { return offset_of(i) + (LANES == 1 ? d * w.n : d); }

// Where entry k of particle i's list stands, and how far the next one is: a list is one row where
// lanes or a warp read it together.
constexpr bool LIST_IN_ROW = LANES > 1 || LISTS > 0;
GG_FUNCTION index_t* list_entry(const Workspace& w, int i, int k) {
  return LIST_IN_ROW ? w.list + int64(i) * w.capacity + k : w.list + int64(k) * w.n + i;
}

GG_FUNCTION int list_stride(const Workspace& w) { return LIST_IN_ROW ? 1 : w.n; }

// Notes the species of particle i where pair loops over mixed lists read it.
GG_FUNCTION void note_species(const Workspace& w, int i) {
  if (LISTS > 0 && LANES > 1) w.packed[offset_of(i) + 3] = static_cast<packed_t>(w.types[i]);
}
