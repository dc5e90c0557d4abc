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

// Uniform in (-1/2, 1/2), as likely to be x as -x: 2^24 values.
GG_FUNCTION real centred_uniform(uint32 word) {
  return (static_cast<real>(static_cast<int32>(word >> 8) - 8388608) + real(0.5)) * real(1.0 / 16777216);
}

// -ln u of a uniform u in (0, 1), to rounding: with x = 2^e m, ln m = 2 artanh((m - 1) / (m + 1)).
GG_FUNCTION real exponential_variate(uint32 word) {
  const bits_t one = bits_of(real(1)), bits = bits_of(static_cast<real>(word) + real(0.5));
  real m = number_of((bits & ((bits_t(1) << MANTISSA) - 1)) | one);
  const int upper = m > real(1.4142135623730951);
  m = upper ? real(0.5) * m : m;
  const int e = static_cast<int>((bits - one) >> MANTISSA) + upper;
  const real t = (m - 1) / (m + 1), t2 = t * t;
  real series = 0;
  for (int k = GG_DOUBLE ? 23 : 9; k >= 1; k -= 2) series = fused(series, t2, real(2.0 / k));
  return fused(static_cast<real>(32 - e), real(0.6931471805599453), -t * series);
}

// Cosine and sine of a turn of word / 2^32, to rounding: from the nearest quarter on by Taylor's series.
GG_FUNCTION void turn_by(uint32 word, real& cosine, real& sine) {
  const uint32 quarter = (word + 0x20000000u) >> 30;
  const real x = static_cast<real>(static_cast<int32>(word - (quarter << 30))) * real(6.283185307179586 / 4294967296.0), x2 = x * x;
  real s = 1, c = 1;
  for (int k = GG_DOUBLE ? 16 : 8; k >= 2; k -= 2) {
    s = fused(s, -x2 * real(1.0 / (k * (k + 1))), real(1));
    c = fused(c, -x2 * real(1.0 / (k * (k - 1))), real(1));
  }
  s *= x;
  const real across = quarter & 1 ? s : c, along = quarter & 1 ? c : s;
  cosine = (quarter + 1) & 2 ? -across : across;
  sine = quarter & 2 ? -along : along;
}

// Four independent normal numbers by Box and Muller, in the precision of the kernel.
GG_FUNCTION void four_reals(const Random& random, real (&out)[4]) {
  for (int pair = 0; pair < 2; ++pair) {
    const real radius = root(2 * exponential_variate(random.word[2 * pair]));
    real cosine, sine;
    turn_by(random.word[2 * pair + 1], cosine, sine);
    out[2 * pair] = radius * cosine;
    out[2 * pair + 1] = radius * sine;
  }
}

// The same in double precision whatever the kernel's.
GG_FUNCTION void four_normals(const Random& random, double out[4]) {
  for (int pair = 0; pair < 2; ++pair) {
    const double radius = sqrt(-2 * log(open_uniform(random.word[2 * pair])));
    double cosine, sine;
    turn(open_uniform(random.word[2 * pair + 1]), cosine, sine);
    out[2 * pair] = radius * cosine;
    out[2 * pair + 1] = radius * sine;
  }
}
