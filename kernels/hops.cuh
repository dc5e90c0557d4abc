// Who hops out of its cage: the last frames of every particle, and what they say (p_hop, cumulative squared displacement).
//
// A frame is kept every so many steps, as displacements since time 0. A ring of 2 half + 1 of them is part of
// the state, so that memory does not grow with the length of a run. Frame f lets frame f - half be judged by
// p_hop, whose two windows end and begin there, and frame f by what was moved in the whole ring.
#pragma once
#include "record.cuh"

constexpr int HOP_LABELS = 3;  // p_hop above its threshold then; at any frame since `first`; displacements above theirs
constexpr int SEEN = 3 + D;    // of a particle in a frame: p_hop of frame f - half, squared displacements, unbroken bonds, place

struct Hops {
  int32 every;          // steps between frames; 0: nobody is watched
  int32 half;           // frames in half a window
  int32 frames;         // kept in this chunk
  int32 samples;        // times at which replicas are counted
  int64 first;          // frame from which on any hop counts
  double threshold;     // of p_hop
  double moved;         // of the mean squared displacement from frame to frame
  const int32* sample;  // (frame, 2) where frame f - half and frame f are labelled, -1 where they are not
  double* ring;         // (replica, 2 half + 1, D, particle) state: displacements in the last frames
  int32* hopped;        // (replica, particle) state: 1 after a hop at frame `first` or later
  int64* count;         // (configuration, sample, HOP_LABELS, particle) replicas; may be null
  double* seen;         // (replica, frame, SEEN, particle); may be null
};

// How far positions in frames [a, a + half] stray from their mean in frames [b, b + half], squared, on average.
GG_FUNCTION double stray(const Hops& h, const double* ring, int n, int i, int64 a, int64 b) {
  const int slots = 2 * h.half + 1;
  double mean[D] = {}, sum = 0;
  GG_NO_UNROLL
  for (int64 f = b; f <= b + h.half; ++f)
    for (int d = 0; d < D; ++d) mean[d] += ring[(f % slots * D + d) * n + i];
  GG_NO_UNROLL
  for (int64 f = a; f <= a + h.half; ++f)
    for (int d = 0; d < D; ++d) {
      const double apart = ring[(f % slots * D + d) * n + i] - mean[d] / (h.half + 1);
      sum += apart * apart;
    }
  return sum / (h.half + 1);
}

// The mean squared displacement from frame to frame over the ring that ends with frame f.
GG_FUNCTION double stepped_squares(const Hops& h, const double* ring, int n, int i, int64 f) {
  const int slots = 2 * h.half + 1;
  double sum = 0;
  GG_NO_UNROLL
  for (int64 k = f - 2 * h.half + 1; k <= f; ++k)
    for (int d = 0; d < D; ++d) {
      const double step = ring[(k % slots * D + d) * n + i] - ring[((k - 1) % slots * D + d) * n + i];
      sum += step * step;
    }
  return sum / (2 * h.half);
}

// Keeps frame f, the `kept`-th of this chunk, and labels what can be judged now.
GG_FUNCTION void watch(const Workspace& w, const Record& r, const Hops& h, int replica, int configuration, int64 f, int kept,
                       const place_t* place) {
  const int n = w.n, slots = 2 * h.half + 1;
  double* ring = h.ring + static_cast<int64>(replica) * slots * D * n;
  measure_displacements(w, r, configuration, place);
  phase(n, [&](int i) {
    for (int d = 0; d < D; ++d) ring[(f % slots * D + d) * n + i] = w.moved[(r.cage_relative * D + d) * n + i];
  });
  const int64 judged = f - h.half;
  const bool full = judged >= h.half;
  const int centre = h.sample[2 * kept], end = h.sample[2 * kept + 1];
  phase(n, [&](int i) {
    const double hop = full ? sqrt(stray(h, ring, n, i, judged - h.half, judged) * stray(h, ring, n, i, judged, judged - h.half)) : 0.0;
    const double moved = full ? stepped_squares(h, ring, n, i, f) : 0.0;
    if (hop > h.threshold && judged >= h.first) h.hopped[static_cast<int64>(replica) * n + i] = 1;
    auto counted = [&](int sample, int which, bool yes) {
      if (h.count && sample >= 0 && yes)
        atomic_add(&h.count[((static_cast<int64>(configuration) * h.samples + sample) * HOP_LABELS + which) * n + i], int64(1));
    };
    counted(centre, 0, hop > h.threshold);
    counted(centre, 1, h.hopped[static_cast<int64>(replica) * n + i]);
    counted(end, 2, moved > h.moved);
    if (!h.seen) return;
    double* out = h.seen + (static_cast<int64>(replica) * h.frames + kept) * SEEN * n + i;
    out[0] = hop, out[n] = moved;
    out[2 * n] = r.cage ? unbroken(w, r, first_neighbours(r, n, configuration), place, i) : -1;
    for (int d = 0; d < D; ++d) out[(3 + d) * n] = unwrapped(place[d * n + i], w.box, d);
  });
}
