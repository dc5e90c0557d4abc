// Gaussian shells around a particle: how many neighbours of each species stand in each.
#pragma once
#include "cells.cuh"

// Centres that one item of a phase treats: one on the GPU; on the host four vectors of doubles,
// whose sums stay in registers. Centres are padded to whole tiles of the host.
#if defined(__CUDACC__)
constexpr int TILE = 1;
#else
constexpr int TILE = 16;
#endif
constexpr int VECTORS = TILE / LANES;

// A Gaussian per slot: exp(-(r - centre)^2 * narrow) where r < edge. Padding has edge = -1.
struct Shells {
  int32 slots;
  int32 count;          // columns: slots without padding
  double reach;         // largest edge
  const real* centre;   // (slot)
  const real* edge;     // (slot)
  const real* narrow;   // (slot) 1 / (2 delta^2)
  const int32* column;  // (slot) from 0, -1 for padding
};

// Adds `share` times the weights of distance r in the shells from slot `first` on to sum[0 .. VECTORS-1].
GG_FUNCTION void add_weights(const Shells& s, int first, real r, real share, lanes* sum) {
  const lanes distance = everywhere(r);
  for (int v = 0; v < VECTORS; ++v) {
    const int slot = first + v * LANES;
    const lanes x = distance - load_lanes(s.centre + slot);
    const lanes bell = exponential(-(x * x) * load_lanes(s.narrow + slot));
    sum[v] += everywhere(share) * select(distance < load_lanes(s.edge + slot), bell, lanes{});
  }
}

// Columns (species, centre): sums of the weights of the neighbours, each times share(neighbour).
template <class Share>
GG_FUNCTION void radial_columns(const Shells& s, const Surroundings& w, const real* distance, Share share, double* row) {
  const int tiles = s.slots / TILE;
  phase(w.species * tiles, [&](int item) {
    const int kind = item / tiles, first = item % tiles * TILE;
    real edge = 0;
    for (int t = 0; t < TILE; ++t) edge = s.edge[first + t] > edge ? s.edge[first + t] : edge;
    lanes sum[VECTORS] = {};
    const int end = w.mark[w.species_end[kind]];
    for (int j = kind ? w.mark[w.species_end[kind - 1]] : 0; j < end; ++j)
      if (distance[j] < edge) add_weights(s, first, distance[j], share(j), sum);
    for (int v = 0; v < VECTORS; ++v) {
      real values[LANES];
      store_lanes(values, sum[v]);
      for (int l = 0; l < LANES; ++l) {
        const int column = s.column[first + v * LANES + l];
        if (column >= 0) row[kind * s.count + column] = values[l];
      }
    }
  });
}
