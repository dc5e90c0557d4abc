// Part of portable.cuh: vectors of numbers, and loads into them.
//
// The pair loop treats LANES neighbours at a time: one on the GPU, where a warp already runs in
// lanes, and a vector on the CPU (the vector extension of GCC and Clang): of 32 bytes, or of 64 where
// the processor has them and a list mixes the species, so that little of them is padding. A strict
// build has one lane on both, so that both sum in list order.
// Lists: with one lane neighbour k of particle i stands at list[k * n + i], so that a warp of particles
// reads one line; with several, or where a warp reads one list, at list[i * capacity + k], a run of
// entries padded to whole vectors with i itself, which every pair law ignores.
// GG_LONG_VECTORS: a kernel other than those with such lists asks for 64 bytes.
#pragma once

#if defined(__CUDACC__)
#if GG_WIDE_INDEX
typedef uint32 index_t;
#else
typedef unsigned short index_t;
#endif
#else
typedef uint32 index_t;
#endif

#if GG_DOUBLE
typedef double packed_t;  // what the pair loop reads of a coordinate: see box.cuh
#else
typedef int32 packed_t;
#endif

#if defined(__CUDACC__) || GG_STRICT
#define GG_VECTORS 0
constexpr int LANES = 1;
typedef real lanes;
typedef packed_t packed_lanes;
GG_FUNCTION real sum_of(real x) { return x; }
GG_FUNCTION real select(bool which, real a, real b) { return which ? a : b; }
#else
#define GG_VECTORS 1
#if defined(__AVX512F__) && defined(__AVX512DQ__) && (GG_LISTS || GG_LONG_VECTORS)
#define GG_WIDE 1
constexpr int VECTOR = 64;
#else
#define GG_WIDE 0
constexpr int VECTOR = 32;
#endif
constexpr int LANES = VECTOR / sizeof(real);
typedef real lanes __attribute__((vector_size(VECTOR)));
typedef packed_t packed_lanes __attribute__((vector_size(VECTOR)));
// Loops of LANES rounds over the elements of vectors become one instruction each.
#define GG_LANEWISE(expression)                        \
  lanes out;                                           \
  for (int l = 0; l < LANES; ++l) out[l] = expression; \
  return out
// By intrinsics where there are any: GCC takes the loop to pieces when an operand is one number in every lane.
#if GG_WIDE && GG_DOUBLE
GG_FUNCTION lanes fused(lanes a, lanes b, lanes c) { return (lanes)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c); }
#elif GG_WIDE
GG_FUNCTION lanes fused(lanes a, lanes b, lanes c) { return (lanes)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
#elif defined(__AVX__) && defined(__FMA__) && GG_DOUBLE
GG_FUNCTION lanes fused(lanes a, lanes b, lanes c) { return (lanes)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c); }
#elif defined(__AVX__) && defined(__FMA__)
GG_FUNCTION lanes fused(lanes a, lanes b, lanes c) { return (lanes)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
#else
GG_FUNCTION lanes fused(lanes a, lanes b, lanes c) { GG_LANEWISE(fused(a[l], b[l], c[l])); }
#endif
#if GG_WIDE && GG_DOUBLE
GG_FUNCTION lanes nearest(lanes x) { return (lanes)_mm512_roundscale_pd((__m512d)x, 0); }
#else
GG_FUNCTION lanes nearest(lanes x) { GG_LANEWISE(nearest(x[l])); }
#endif
#if GG_WIDE && GG_DOUBLE
GG_FUNCTION lanes root(lanes x) { return (lanes)_mm512_sqrt_pd((__m512d)x); }
#else
GG_FUNCTION lanes root(lanes x) { GG_LANEWISE(root(x[l])); }
#endif
template <class Mask>
GG_FUNCTION lanes select(Mask which, lanes a, lanes b) {
  return which ? a : b;
}
#if GG_DOUBLE
// e^x for x < 709, to 2 units in the last place; 0 below e^-708. x = k ln 2 + f with k found by
// adding 1.5 * 2^52, which leaves k in the low bits; then Taylor's series for |f| < 0.35.
// Of MANY vectors in step: the chain of one alone would wait for itself.
template <int MANY>
GG_FUNCTION void exponentials(lanes* x) {
  typedef uint64 bits __attribute__((vector_size(VECTOR)));
  constexpr double SERIES[] = {1 / 479001600.0, 1 / 39916800.0, 1 / 3628800.0, 1 / 362880.0, 1 / 40320.0, 1 / 5040.0,
                               1 / 720.0,       1 / 120.0,      1 / 24.0,      1 / 6.0,      0.5,         1.0, 1.0};
  lanes shifted[MANY], f[MANY], e[MANY];
  for (int v = 0; v < MANY; ++v) {
    const lanes y = select(x[v] < -708.0, lanes{}, x[v]);
    shifted[v] = fused(y, lanes{} + 1.4426950408889634, lanes{} + 6755399441055744.0);
    const lanes k = shifted[v] - 6755399441055744.0;
    f[v] = fused(k, lanes{} - 1.9082149292705877e-10, fused(k, lanes{} - 6.93147180369123816490e-01, y));
    e[v] = lanes{} + 1 / 6227020800.0;
  }
  for (double term : SERIES)
    for (int v = 0; v < MANY; ++v) e[v] = fused(e[v], f[v], lanes{} + term);
  for (int v = 0; v < MANY; ++v) x[v] = select(x[v] < -708.0, lanes{}, (lanes)((bits)e[v] + ((bits)shifted[v] << 52)));
}
GG_FUNCTION lanes exponential(lanes x) {
  exponentials<1>(&x);
  return x;
}
#else
GG_FUNCTION lanes exponential(lanes x) { GG_LANEWISE(expf(x[l])); }
#endif
GG_FUNCTION real sum_of(lanes x) {  // a fixed tree
  constexpr int NARROW = 32 / sizeof(real);
  typedef real narrow __attribute__((vector_size(32)));
#if GG_WIDE && GG_DOUBLE
  const narrow folded = (narrow)(_mm512_castpd512_pd256((__m512d)x) + _mm512_extractf64x4_pd((__m512d)x, 1));
#elif GG_WIDE
  const narrow folded = (narrow)(_mm512_castps512_ps256((__m512)x) + _mm512_extractf32x8_ps((__m512)x, 1));
#else
  const narrow folded = x;
#endif
  real part[NARROW];
  for (int l = 0; l < NARROW; ++l) part[l] = folded[l];
  for (int half = NARROW / 2; half > 0; half /= 2)
    for (int l = 0; l < half; ++l) part[l] += part[l + half];
  return part[0];
}
#endif
// The sums of LANES vectors, each by the same tree as that of sum_of.
#if GG_VECTORS && GG_WIDE && GG_DOUBLE
GG_FUNCTION lanes sums_of(const lanes* x) {
  auto halves = [](lanes a, lanes b) {
    return _mm512_add_pd(_mm512_shuffle_f64x2((__m512d)a, (__m512d)b, 0x44), _mm512_shuffle_f64x2((__m512d)a, (__m512d)b, 0xee));
  };
  auto quarters = [](__m512d a, __m512d b) { return _mm512_add_pd(_mm512_shuffle_f64x2(a, b, 0x88), _mm512_shuffle_f64x2(a, b, 0xdd)); };
  const __m512d even = quarters(halves(x[0], x[2]), halves(x[4], x[6])), odd = quarters(halves(x[1], x[3]), halves(x[5], x[7]));
  return (lanes)_mm512_add_pd(_mm512_unpacklo_pd(even, odd), _mm512_unpackhi_pd(even, odd));
}
#elif GG_VECTORS
GG_FUNCTION lanes sums_of(const lanes* x) { GG_LANEWISE(sum_of(x[l])); }
#else
GG_FUNCTION lanes sums_of(const lanes* x) { return *x; }
#endif

constexpr int SCAN = LANES == 1 ? 1 : 32;  // candidates that a list build tests at a time

// Writes `scale` times the marked of SCAN values one after another and returns how many. As many
// as SCAN entries may be overwritten.
GG_FUNCTION int keep_marked(uint32 marks, const int32* values, int scale, index_t* out) {
#if GG_VECTORS && defined(__AVX512F__)
  int kept = 0;
  for (int half = 0; half < 2; ++half) {
    const __mmask16 mask = static_cast<__mmask16>(marks >> (16 * half));
    const __m512i scaled = _mm512_mullo_epi32(_mm512_loadu_si512(values + 16 * half), _mm512_set1_epi32(scale));
    _mm512_storeu_si512(out + kept, _mm512_maskz_compress_epi32(mask, scaled));
    kept += __builtin_popcount(mask);
  }
  return kept;
#elif GG_VECTORS
  int kept = 0;
  for (; marks; marks &= marks - 1) out[kept++] = static_cast<index_t>(scale * values[__builtin_ctz(marks)]);
  return kept;
#else
  if (marks) *out = static_cast<index_t>(scale * *values);  // SCAN is 1
  return static_cast<int>(marks);
#endif
}

// LANES numbers one after another in memory, aligned as single numbers are.
#if GG_VECTORS
typedef real loose_lanes __attribute__((vector_size(VECTOR), aligned(sizeof(real)), may_alias));
GG_FUNCTION lanes load_lanes(const real* at) { return *reinterpret_cast<const loose_lanes*>(at); }
GG_FUNCTION void store_lanes(real* at, lanes x) { *reinterpret_cast<loose_lanes*>(at) = x; }
typedef packed_t loose_packed __attribute__((vector_size(VECTOR), aligned(sizeof(packed_t)), may_alias));
GG_FUNCTION packed_lanes load_packed(const packed_t* at) { return *reinterpret_cast<const loose_packed*>(at); }
#else
GG_FUNCTION packed_lanes load_packed(const packed_t* at) { return *at; }
GG_FUNCTION lanes load_lanes(const real* at) { return *at; }
GG_FUNCTION void store_lanes(real* at, lanes x) { *at = x; }
#endif
GG_FUNCTION lanes everywhere(real x) { return x - lanes{}; }  // x in every lane
#if GG_VECTORS
GG_FUNCTION lanes everywhere(lanes x) { return x; }
#endif
GG_FUNCTION packed_lanes everywhere_packed(packed_t x) { return x - packed_lanes{}; }

// 1 / sqrt(x), to a few units in the last place: an estimate, and steps of Newton's that double its digits.
GG_FUNCTION lanes nearer_inverse_root(lanes x, lanes y) {
  return y * fused(everywhere(real(-0.5)) * x * y, y, everywhere(real(1.5)));
}
#if GG_WIDE && GG_DOUBLE
GG_FUNCTION lanes inverse_root(lanes x) {
  return nearer_inverse_root(x, nearer_inverse_root(x, (lanes)_mm512_rsqrt14_pd((__m512d)x)));
}
#elif GG_WIDE
GG_FUNCTION lanes inverse_root(lanes x) { return nearer_inverse_root(x, (lanes)_mm512_rsqrt14_ps((__m512)x)); }
#elif GG_VECTORS && !GG_DOUBLE && defined(__AVX__)
GG_FUNCTION lanes inverse_root(lanes x) { return nearer_inverse_root(x, (lanes)_mm256_rsqrt_ps((__m256)x)); }
#elif defined(__CUDACC__) && !GG_STRICT && !GG_DOUBLE
GG_FUNCTION lanes inverse_root(lanes x) { return rsqrtf(x); }
#else
GG_FUNCTION lanes inverse_root(lanes x) { return real(1) / root(x); }
#endif

// Two lanes whose arithmetic runs in step: of two long chains one after another, a processor that
// looks a hundred instructions ahead would wait for each.
struct Two {
  lanes a, b;
  GG_FUNCTION Two(lanes both) : a(both), b(both) {}
  GG_FUNCTION Two(lanes first, lanes second) : a(first), b(second) {}
};
typedef decltype(lanes{} < lanes{}) mask_t;
#if GG_VECTORS && GG_WIDE && GG_DOUBLE
GG_FUNCTION bool none_of(mask_t x) { return !_mm512_movepi64_mask((__m512i)x); }
#elif GG_VECTORS
GG_FUNCTION bool none_of(mask_t x) {
  auto all = x[0];
  for (int l = 1; l < LANES; ++l) all |= x[l];
  return !all;
}
#else
GG_FUNCTION bool none_of(mask_t x) { return !x; }
#endif
// Bit l says whether a < b in lane l.
#if GG_VECTORS && GG_WIDE && GG_DOUBLE
GG_FUNCTION uint32 marks_below(lanes a, lanes b) { return _mm512_cmp_pd_mask((__m512d)a, (__m512d)b, _CMP_LT_OQ); }
#elif GG_VECTORS && GG_WIDE
GG_FUNCTION uint32 marks_below(lanes a, lanes b) { return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_LT_OQ); }
#elif GG_VECTORS && GG_DOUBLE && defined(__AVX__)
GG_FUNCTION uint32 marks_below(lanes a, lanes b) { return static_cast<uint32>(_mm256_movemask_pd((__m256d)(a < b))); }
#elif GG_VECTORS && defined(__AVX__)
GG_FUNCTION uint32 marks_below(lanes a, lanes b) { return static_cast<uint32>(_mm256_movemask_ps((__m256)(a < b))); }
#elif GG_VECTORS
GG_FUNCTION uint32 marks_below(lanes a, lanes b) {
  uint32 marks = 0;
  for (int l = 0; l < LANES; ++l) marks |= static_cast<uint32>(a[l] < b[l]) << l;
  return marks;
}
#else
GG_FUNCTION uint32 marks_below(lanes a, lanes b) { return a < b; }
#endif
GG_FUNCTION int ones_in(uint32 marks) {
#if defined(__CUDACC__)
  return __popc(marks);
#else
  return __builtin_popcount(marks);
#endif
}
// Writes the marked of LANES numbers one after another, and nothing beyond them.
GG_FUNCTION void keep_marked(uint32 marks, lanes values, real* out) {
#if GG_VECTORS && GG_WIDE && GG_DOUBLE
  const __mmask8 some = static_cast<__mmask8>((1u << ones_in(marks)) - 1);
  _mm512_mask_storeu_pd(out, some, _mm512_maskz_compress_pd(static_cast<__mmask8>(marks), (__m512d)values));
#else
  real given[LANES];
  store_lanes(given, values);
  for (int l = 0; l < LANES; ++l)
    if (marks >> l & 1) *out++ = given[l];
#endif
}
struct TwoMasks {
  mask_t a, b;
};
GG_FUNCTION Two operator*(Two x, Two y) { return {x.a * y.a, x.b * y.b}; }
GG_FUNCTION Two operator-(Two x, Two y) { return {x.a - y.a, x.b - y.b}; }
GG_FUNCTION TwoMasks operator<(Two x, Two y) { return {x.a < y.a, x.b < y.b}; }
GG_FUNCTION TwoMasks operator>=(Two x, Two y) { return {x.a >= y.a, x.b >= y.b}; }
GG_FUNCTION TwoMasks operator&(TwoMasks x, mask_t y) { return {x.a & y, x.b & y}; }
GG_FUNCTION Two fused(Two x, Two y, Two z) { return {fused(x.a, y.a, z.a), fused(x.b, y.b, z.b)}; }
GG_FUNCTION Two select(TwoMasks which, Two x, Two y) { return {select(which.a, x.a, y.a), select(which.b, x.b, y.b)}; }
GG_FUNCTION Two inverse_root(Two x) {
#if GG_WIDE && !GG_DOUBLE
  const Two y((lanes)_mm512_rsqrt14_ps((__m512)x.a), (lanes)_mm512_rsqrt14_ps((__m512)x.b));
  return y * fused(Two(everywhere(real(-0.5))) * x * y, y, everywhere(real(1.5)));
#else
  return {inverse_root(x.a), inverse_root(x.b)};
#endif
}

// What is read of a particle: its coordinates and, in lists that mix species, its species.
struct Positions {
  packed_lanes x, y, z, species;
};

// The records of four coordinates that begin at offset[0 .. LANES-1], turned to lanes.
#if GG_VECTORS
#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define GG_SHUFFLE 1
#endif
#endif
#if GG_WIDE && GG_DOUBLE
GG_FUNCTION Positions read_records(const packed_t* records, const index_t* offset) {
  __m512d r[4];  // records k and k + 4
  for (int k = 0; k < 4; ++k)
    r[k] = _mm512_insertf64x4(_mm512_castpd256_pd512(_mm256_loadu_pd(records + offset[k])), _mm256_loadu_pd(records + offset[k + 4]), 1);
  const __m512d xz01 = _mm512_unpacklo_pd(r[0], r[1]), xz23 = _mm512_unpacklo_pd(r[2], r[3]);
  const __m512d ys01 = _mm512_unpackhi_pd(r[0], r[1]), ys23 = _mm512_unpackhi_pd(r[2], r[3]);
  const __m512i first = _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13), second = _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15);
  return {(packed_lanes)_mm512_permutex2var_pd(xz01, first, xz23), (packed_lanes)_mm512_permutex2var_pd(ys01, first, ys23),
          (packed_lanes)_mm512_permutex2var_pd(xz01, second, xz23), (packed_lanes)_mm512_permutex2var_pd(ys01, second, ys23)};
}
#elif GG_WIDE
GG_FUNCTION Positions read_records(const packed_t* records, const index_t* offset) {
  auto record = [&](int k) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(records + offset[k])); };
  __m512i r[4];  // records k, k + 4, k + 8 and k + 12
  for (int k = 0; k < 4; ++k) {
    r[k] = _mm512_inserti32x4(_mm512_castsi128_si512(record(k)), record(k + 4), 1);
    r[k] = _mm512_inserti32x4(_mm512_inserti32x4(r[k], record(k + 8), 2), record(k + 12), 3);
  }
  const __m512i xy01 = _mm512_unpacklo_epi32(r[0], r[1]), xy23 = _mm512_unpacklo_epi32(r[2], r[3]);
  const __m512i zs01 = _mm512_unpackhi_epi32(r[0], r[1]), zs23 = _mm512_unpackhi_epi32(r[2], r[3]);
  return {(packed_lanes)_mm512_unpacklo_epi64(xy01, xy23), (packed_lanes)_mm512_unpackhi_epi64(xy01, xy23),
          (packed_lanes)_mm512_unpacklo_epi64(zs01, zs23), (packed_lanes)_mm512_unpackhi_epi64(zs01, zs23)};
}
#else
GG_FUNCTION Positions read_records(const packed_t* records, const index_t* offset) {
  Positions out;
#if GG_SHUFFLE && !GG_DOUBLE
  typedef packed_t four __attribute__((vector_size(16), aligned(4)));
  packed_lanes r[4];
  for (int k = 0; k < 4; ++k) {
    const four a = *reinterpret_cast<const four*>(records + offset[k]);
    const four b = *reinterpret_cast<const four*>(records + offset[k + 4]);
    r[k] = __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7);
  }
  const packed_lanes xy0 = __builtin_shufflevector(r[0], r[1], 0, 8, 1, 9, 4, 12, 5, 13);
  const packed_lanes xy1 = __builtin_shufflevector(r[2], r[3], 0, 8, 1, 9, 4, 12, 5, 13);
  const packed_lanes zs0 = __builtin_shufflevector(r[0], r[1], 2, 10, 3, 11, 6, 14, 7, 15);
  const packed_lanes zs1 = __builtin_shufflevector(r[2], r[3], 2, 10, 3, 11, 6, 14, 7, 15);
  out.x = __builtin_shufflevector(xy0, xy1, 0, 1, 8, 9, 4, 5, 12, 13);
  out.y = __builtin_shufflevector(xy0, xy1, 2, 3, 10, 11, 6, 7, 14, 15);
  out.z = __builtin_shufflevector(zs0, zs1, 0, 1, 8, 9, 4, 5, 12, 13);
  out.species = __builtin_shufflevector(zs0, zs1, 2, 3, 10, 11, 6, 7, 14, 15);
#elif GG_SHUFFLE
  typedef packed_t four __attribute__((vector_size(32), aligned(8)));
  four r[4];
  for (int k = 0; k < 4; ++k) r[k] = *reinterpret_cast<const four*>(records + offset[k]);
  const four xz0 = __builtin_shufflevector(r[0], r[1], 0, 4, 2, 6), xz1 = __builtin_shufflevector(r[2], r[3], 0, 4, 2, 6);
  const four ys0 = __builtin_shufflevector(r[0], r[1], 1, 5, 3, 7), ys1 = __builtin_shufflevector(r[2], r[3], 1, 5, 3, 7);
  out.x = __builtin_shufflevector(xz0, xz1, 0, 1, 4, 5);
  out.y = __builtin_shufflevector(ys0, ys1, 0, 1, 4, 5);
  out.z = __builtin_shufflevector(xz0, xz1, 2, 3, 6, 7);
  out.species = __builtin_shufflevector(ys0, ys1, 2, 3, 6, 7);
#else
  for (int l = 0; l < LANES; ++l) {
    const packed_t* record = records + offset[l];
    out.x[l] = record[0], out.y[l] = record[1], out.z[l] = record[2], out.species[l] = record[3];
  }
#endif
  return out;
}
#endif
#endif
