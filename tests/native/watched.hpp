// Who hops, for the programs that run the kernels of the dynamics under the sanitizers.
#pragma once
#include "small_mixture.hpp"

// Who is watched in a run: frames of windows of two, of which two are labelled.
struct Watched {
  int frames;
  std::vector<int32> sample, hopped;
  std::vector<double> ring, seen;
  std::vector<int64> count;

  Watched(int n, int replicas, int frames)
      : frames(frames), sample(2 * frames, -1), hopped(replicas * n), ring(replicas * 5 * D * n),
        seen(int64(replicas) * frames * SEEN * n), count(2 * HOP_LABELS * n) {
    sample[2 * (frames - 2)] = 0, sample[2 * (frames - 1)] = 1;       // p_hop of frames frames - 3 and frames - 2 ...
    sample[2 * (frames - 4) + 1] = 0, sample[2 * (frames - 3) + 1] = 1;  // ... and squared displacements up to them
  }

  Hops hops(int every) {
    return {every, 2, frames, 2, 2, 1e-4, 1e-4, sample.data(), ring.data(), hopped.data(), count.data(), seen.data()};
  }

  uint64 sum(uint64 start) { return checksum(checksum(checksum(start, count, 1), hopped, 1), seen, 1e9); }
};
