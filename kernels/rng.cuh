// Philox-4x32-10 (Salmon et al., SC11): a counter turned into four random words by a key.
// Key: 64 bits per replica. Counter: (step low, step high, particle, draw), so that no number
// depends on thread layout, batch size or restart.
#pragma once
#include "portable.cuh"

struct Random {
  uint32 word[4];
};

GG_FUNCTION Random philox(uint64 key, uint32 c0, uint32 c1, uint32 c2, uint32 c3) {
  uint32 k0 = static_cast<uint32>(key), k1 = static_cast<uint32>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64 p0 = static_cast<uint64>(0xD2511F53u) * c0, p1 = static_cast<uint64>(0xCD9E8D57u) * c2;
    c0 = static_cast<uint32>(p1 >> 32) ^ c1 ^ k0;
    c1 = static_cast<uint32>(p1);
    c2 = static_cast<uint32>(p0 >> 32) ^ c3 ^ k1;
    c3 = static_cast<uint32>(p0);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return Random{{c0, c1, c2, c3}};
}

// Uniform in (0, 1): never 0, so that its logarithm is finite.
GG_FUNCTION double open_uniform(uint32 word) { return (word + 0.5) * (1.0 / 4294967296.0); }

// Four independent normal numbers by Box and Muller.
GG_FUNCTION void four_normals(const Random& random, double out[4]) {
  for (int pair = 0; pair < 2; ++pair) {
    const double radius = sqrt(-2 * log(open_uniform(random.word[2 * pair])));
    double cosine, sine;
    turn(open_uniform(random.word[2 * pair + 1]), cosine, sine);
    out[2 * pair] = radius * cosine;
    out[2 * pair + 1] = radius * sine;
  }
}
