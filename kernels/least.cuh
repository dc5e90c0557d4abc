// Part of portable.cuh: the least of many numbers, and which of them it is; ties go to the lower index.
#pragma once

#if defined(__CUDACC__)
#define GG_NEVER __longlong_as_double(0x7ff0000000000000LL)
#else
#define GG_NEVER __builtin_inf()
#endif

struct Least {
  real value;
  int32 index;  // of no meaning where nothing is below infinity
};

GG_FUNCTION Least lesser(Least a, Least b) { return b.value < a.value || (b.value == a.value && b.index < a.index) ? b : a; }

// The least of x[l], which stands for the number first[l] + l.
GG_FUNCTION Least least_lane(lanes x, lanes first) {
#if GG_VECTORS && GG_WIDE && GG_DOUBLE
  const real value = _mm512_reduce_min_pd((__m512d)x);
  const __mmask8 equal = _mm512_cmp_pd_mask((__m512d)x, _mm512_set1_pd(value), _CMP_EQ_OQ);
  if ((equal & (equal - 1)) == 0)
    return {value, static_cast<int32>(_mm512_cvtsd_f64(_mm512_maskz_compress_pd(equal, (__m512d)first))) + __builtin_ctz(equal | 256)};
#endif
#if GG_VECTORS
  Least out{x[0], static_cast<int32>(first[0])};
  for (int l = 1; l < LANES; ++l) out = lesser(out, {x[l], static_cast<int32>(first[l]) + l});
  return out;
#else
  return {x, static_cast<int32>(first)};
#endif
}

// The least of what member t of a team looks at: f(k) gives the LANES numbers from the k-th on.
template <class F>
GG_FUNCTION Least least_of_share(int t, int n, F f) {
  lanes best = everywhere(real(GG_NEVER)), first{};
  for (int k = t * LANES; k < n; k += TEAM_WIDTH * LANES) {
    const lanes x = f(k);
    const auto less = x < best;
    best = select(less, x, best), first = select(less, everywhere(static_cast<real>(k)), first);
  }
  return least_lane(best, first);
}

// The least of n numbers, of which f(k) gives the LANES from the k-th on (beyond the last what it likes, if
// no less); for blocks of one warp. It begins without a barrier, after a phase that wrote what f reads.
template <class F>
GG_FUNCTION Least team_least(int n, F f) {
#if defined(__CUDACC__)
  Least mine = least_of_share(static_cast<int>(threadIdx.x), n, f);
  for (int half = TEAM_WIDTH / 2; half > 0; half /= 2)
    mine = lesser(mine, {__shfl_xor_sync(0xffffffffu, mine.value, half), __shfl_xor_sync(0xffffffffu, mine.index, half)});
  __syncwarp();
  return mine;
#else
#if defined(GG_READER_THREADS)
  static Least partial[TEAM_WIDTH];  // of all threads
#else
  Least partial[TEAM_WIDTH];
#endif
  phase(TEAM_WIDTH, [&](int t) { partial[t] = least_of_share(t, n, f); });
  return block_value([&] {
    Least out = partial[0];
    for (int t = 1; t < TEAM_WIDTH; ++t) out = lesser(out, partial[t]);
    return out;
  });
#endif
}
