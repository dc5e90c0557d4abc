// The only file that knows which compiler reads it.
//
// A kernel is written once as a sequence of *phases*. A phase runs f(i) for i = 0 .. n-1 in any
// order and ends with a barrier. Code between phases is executed alike by every thread of the
// block, so it may use kernel arguments and values returned by a block_* function, and never a
// location that a phase writes.
//
// Four readers:
//   cuda      one thread block; a phase is a strided loop and __syncthreads()
//   host      one CPU thread; a phase is a plain loop                        (default)
//   shuffled  one CPU thread; a phase visits i in random order      -DGG_READER_SHUFFLED
//   threads   several CPU threads with real barriers and atomics    -DGG_READER_THREADS
// host and shuffled must agree bit for bit; threads runs under the sanitizers.
#pragma once

typedef int int32;
typedef unsigned int uint32;
typedef long long int64;
typedef unsigned long long uint64;

#if GG_DOUBLE
typedef double real;
#else
typedef float real;
#endif

#if defined(__CUDACC__)
#define GG_FUNCTION __device__ __forceinline__
#else
#include <math.h>
#if defined(__AVX512F__)
#include <immintrin.h>
#endif
#define GG_FUNCTION inline __attribute__((always_inline))
#endif

// ---------------------------------------------------------------- numbers

#if GG_STRICT || !(defined(__CUDACC__) || defined(__FMA__) || defined(__aarch64__))
// The strict build fuses nowhere, so that CPU and GPU round alike.
GG_FUNCTION float fused(float a, float b, float c) { return a * b + c; }
GG_FUNCTION double fused(double a, double b, double c) { return a * b + c; }
#else
GG_FUNCTION float fused(float a, float b, float c) { return fmaf(a, b, c); }
GG_FUNCTION double fused(double a, double b, double c) { return fma(a, b, c); }
#endif

GG_FUNCTION float nearest(float x) { return rintf(x); }
GG_FUNCTION double nearest(double x) { return rint(x); }
GG_FUNCTION float root(float x) { return sqrtf(x); }
GG_FUNCTION double root(double x) { return sqrt(x); }
GG_FUNCTION float magnitude(float x) { return fabsf(x); }
GG_FUNCTION double magnitude(double x) { return fabs(x); }
// Cosine and sine of a number of turns in [0, 1).
GG_FUNCTION void turn(double turns, double& cosine, double& sine) {
#if defined(__CUDACC__)
  sincospi(2 * turns, &sine, &cosine);
#else
  cosine = cos(6.283185307179586 * turns), sine = sin(6.283185307179586 * turns);
#endif
}
GG_FUNCTION float exponential(float x) { return expf(x); }
GG_FUNCTION double exponential(double x) { return exp(x); }
GG_FUNCTION int least(int a, int b) { return a < b ? a : b; }
GG_FUNCTION int greatest(int a, int b) { return a < b ? b : a; }

// ---------------------------------------------------------------- lanes
//
// The pair loop treats LANES neighbours at a time: one on the GPU, where a warp already runs in
// lanes, and a 32-byte vector on the CPU (the vector extension of GCC and Clang). A strict build
// has one lane on both, so that both sum in list order.
// Lists: with one lane neighbour k of particle i stands at list[k * n + i], so that a warp reads
// one line; with several at list[i * capacity + k], the entries of one species padded to whole
// vectors with i itself, which every pair law ignores.

#if defined(__CUDACC__)
#if GG_WIDE_INDEX
typedef uint32 index_t;
#else
typedef unsigned short index_t;
#endif
#define GG_VECTOR_BITS(x)
#else
typedef uint32 index_t;
#define GG_PRAGMA(text) _Pragma(#text)
#define GG_VECTOR_BITS(x) GG_PRAGMA(omp simd reduction(| : x))
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
constexpr int LANES = 32 / sizeof(real);
typedef real lanes __attribute__((vector_size(32)));
typedef packed_t packed_lanes __attribute__((vector_size(32)));
// Loops of LANES rounds over the elements of vectors become one instruction each.
#define GG_LANEWISE(expression)                        \
  lanes out;                                           \
  for (int l = 0; l < LANES; ++l) out[l] = expression; \
  return out
GG_FUNCTION lanes fused(lanes a, lanes b, lanes c) { GG_LANEWISE(fused(a[l], b[l], c[l])); }
GG_FUNCTION lanes nearest(lanes x) { GG_LANEWISE(nearest(x[l])); }
GG_FUNCTION lanes root(lanes x) { GG_LANEWISE(root(x[l])); }
template <class Mask>
GG_FUNCTION lanes select(Mask which, lanes a, lanes b) {
  return which ? a : b;
}
#if GG_DOUBLE
// e^x for x <= 0, to 2 units in the last place; 0 below e^-708. x = k ln 2 + f with k found by
// adding 1.5 * 2^52, which leaves k in the low bits; then Taylor's series for |f| < 0.35.
GG_FUNCTION lanes exponential(lanes x) {
  typedef uint64 bits __attribute__((vector_size(32)));
  const auto zero = x < -708.0;
  const lanes y = select(zero, lanes{}, x);
  const lanes shifted = fused(y, lanes{} + 1.4426950408889634, lanes{} + 6755399441055744.0);
  const lanes k = shifted - 6755399441055744.0;
  const lanes f = fused(k, lanes{} - 1.9082149292705877e-10, fused(k, lanes{} - 6.93147180369123816490e-01, y));
  lanes e = lanes{} + 1 / 6227020800.0;
  e = fused(e, f, lanes{} + 1 / 479001600.0);
  e = fused(e, f, lanes{} + 1 / 39916800.0);
  e = fused(e, f, lanes{} + 1 / 3628800.0);
  e = fused(e, f, lanes{} + 1 / 362880.0);
  e = fused(e, f, lanes{} + 1 / 40320.0);
  e = fused(e, f, lanes{} + 1 / 5040.0);
  e = fused(e, f, lanes{} + 1 / 720.0);
  e = fused(e, f, lanes{} + 1 / 120.0);
  e = fused(e, f, lanes{} + 1 / 24.0);
  e = fused(e, f, lanes{} + 1 / 6.0);
  e = fused(e, f, lanes{} + 0.5);
  e = fused(e, f, lanes{} + 1.0);
  e = fused(e, f, lanes{} + 1.0);
  return select(zero, lanes{}, (lanes)((bits)e + ((bits)shifted << 52)));
}
#else
GG_FUNCTION lanes exponential(lanes x) { GG_LANEWISE(expf(x[l])); }
#endif
GG_FUNCTION real sum_of(lanes x) {  // a fixed tree
  real part[LANES];
  for (int l = 0; l < LANES; ++l) part[l] = x[l];
  for (int half = LANES / 2; half > 0; half /= 2)
    for (int l = 0; l < half; ++l) part[l] += part[l + half];
  return part[0];
}
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
typedef real loose_lanes __attribute__((vector_size(32), aligned(sizeof(real)), may_alias));
GG_FUNCTION lanes load_lanes(const real* at) { return *reinterpret_cast<const loose_lanes*>(at); }
GG_FUNCTION void store_lanes(real* at, lanes x) { *reinterpret_cast<loose_lanes*>(at) = x; }
#else
GG_FUNCTION lanes load_lanes(const real* at) { return *at; }
GG_FUNCTION void store_lanes(real* at, lanes x) { *at = x; }
#endif
GG_FUNCTION lanes everywhere(real x) { return x - lanes{}; }  // x in every lane
GG_FUNCTION packed_lanes everywhere_packed(packed_t x) { return x - packed_lanes{}; }

struct Positions {
  packed_lanes x, y, z;
};

// The records of four coordinates that begin at offset[0 .. LANES-1], turned to lanes.
#if GG_VECTORS
#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define GG_SHUFFLE 1
#endif
#endif
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
  const packed_lanes z0 = __builtin_shufflevector(r[0], r[1], 2, 10, 3, 11, 6, 14, 7, 15);
  const packed_lanes z1 = __builtin_shufflevector(r[2], r[3], 2, 10, 3, 11, 6, 14, 7, 15);
  out.x = __builtin_shufflevector(xy0, xy1, 0, 1, 8, 9, 4, 5, 12, 13);
  out.y = __builtin_shufflevector(xy0, xy1, 2, 3, 10, 11, 6, 7, 14, 15);
  out.z = __builtin_shufflevector(z0, z1, 0, 1, 8, 9, 4, 5, 12, 13);
#elif GG_SHUFFLE
  typedef packed_t four __attribute__((vector_size(32), aligned(8)));
  four r[4];
  for (int k = 0; k < 4; ++k) r[k] = *reinterpret_cast<const four*>(records + offset[k]);
  const four xz0 = __builtin_shufflevector(r[0], r[1], 0, 4, 2, 6), xz1 = __builtin_shufflevector(r[2], r[3], 0, 4, 2, 6);
  const four y0 = __builtin_shufflevector(r[0], r[1], 1, 5, 3, 7), y1 = __builtin_shufflevector(r[2], r[3], 1, 5, 3, 7);
  out.x = __builtin_shufflevector(xz0, xz1, 0, 1, 4, 5);
  out.y = __builtin_shufflevector(y0, y1, 0, 1, 4, 5);
  out.z = __builtin_shufflevector(xz0, xz1, 2, 3, 6, 7);
#else
  for (int l = 0; l < LANES; ++l) {
    const packed_t* record = records + offset[l];
    out.x[l] = record[0], out.y[l] = record[1], out.z[l] = record[2];
  }
#endif
  return out;
}
#endif

constexpr int SUM_WIDTH = 256;  // the fixed shape of every sum over particles

// ---------------------------------------------------------------- the readers

// Exclusive prefix sum of x[first .. last-1] in place, from `running` on; returns the total.
GG_FUNCTION int32 scan_in_order(int32* x, int first, int last, int32 running) {
  for (int i = first; i < last; ++i) {
    const int32 mine = x[i];
    x[i] = running;
    running += mine;
  }
  return running;
}

#if defined(__CUDACC__)

GG_FUNCTION void atomic_add(int32* x, int32 v) { atomicAdd(x, v); }
GG_FUNCTION int32 atomic_next(int32* x) { return atomicAdd(x, 1); }
GG_FUNCTION void atomic_add(int64* x, int64 v) {
  atomicAdd(reinterpret_cast<uint64*>(x), static_cast<uint64>(v));
}

template <class F>
GG_FUNCTION void phase(int n, F f) {
  for (int i = threadIdx.x; i < n; i += blockDim.x) f(i);
  __syncthreads();
}

template <class F>
GG_FUNCTION bool block_any(int n, F f) {
  int any = 0;
  for (int i = threadIdx.x; i < n; i += blockDim.x) any |= f(i);
  return __syncthreads_or(any);
}

GG_FUNCTION double* sum_space() {
  __shared__ double partial[SUM_WIDTH];
  return partial;
}

template <class F>
GG_FUNCTION double block_sum(int n, F f) {
  double* partial = sum_space();
  for (int k = threadIdx.x; k < SUM_WIDTH; k += blockDim.x) {
    double sum = 0;
    for (int i = k; i < n; i += SUM_WIDTH) sum += f(i);
    partial[k] = sum;
  }
  __syncthreads();
  for (int half = SUM_WIDTH / 2; half > 0; half /= 2) {
    for (int k = threadIdx.x; k < half; k += blockDim.x) partial[k] += partial[k + half];
    __syncthreads();
  }
  const double total = partial[0];
  __syncthreads();
  return total;
}

// Exclusive prefix sum of x[0 .. n-1] in place; x[n] becomes the total, which is returned.
GG_FUNCTION int32 block_scan(int32* x, int n) {
  __shared__ int32 sums[GG_THREADS];
  const int each = (n + GG_THREADS - 1) / GG_THREADS;
  const int first = least(n, static_cast<int>(threadIdx.x) * each), last = least(n, first + each);
  int32 sum = 0;
  for (int i = first; i < last; ++i) sum += x[i];
  sums[threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.x == 0) {
    x[n] = scan_in_order(sums, 0, GG_THREADS, 0);
  }
  __syncthreads();
  scan_in_order(x, first, last, sums[threadIdx.x]);
  const int32 total = x[n];
  __syncthreads();
  return total;
}

// Memory of the block: shared memory when the launch gave some, else the global scratch.
GG_FUNCTION void* fast_memory(void* otherwise) {
#if GG_SHARED_POSITIONS
  extern __shared__ __align__(16) unsigned char bytes[];
  return bytes;
#else
  return otherwise;
#endif
}

#define GG_ENTRY(kernel, Arguments)                                                           \
  static_assert(sizeof(Arguments) == GG_ARGUMENTS_SIZE, "Python and C++ disagree on " #kernel); \
  extern "C" __global__ void __launch_bounds__(GG_THREADS, 2) kernel##_entry(const Arguments a) {  \
    for (int r = blockIdx.x; r < a.replicas; r += gridDim.x) {                                  \
      kernel(a, r, blockIdx.x);                                                                 \
      __syncthreads();                                                                          \
    }                                                                                           \
  }

#else  // every reader that a host compiler sees

GG_FUNCTION void atomic_add(int32* x, int32 v) { __atomic_fetch_add(x, v, __ATOMIC_RELAXED); }
GG_FUNCTION int32 atomic_next(int32* x) { return __atomic_fetch_add(x, 1, __ATOMIC_RELAXED); }
GG_FUNCTION void atomic_add(int64* x, int64 v) { __atomic_fetch_add(x, v, __ATOMIC_RELAXED); }
GG_FUNCTION void* fast_memory(void* otherwise) { return otherwise; }

GG_FUNCTION double fold(double* partial) {
  for (int half = SUM_WIDTH / 2; half > 0; half /= 2)
    for (int k = 0; k < half; ++k) partial[k] += partial[k + half];
  return partial[0];
}

#if defined(GG_READER_THREADS)
#include "reader_threads.cuh"
#elif defined(GG_READER_SHUFFLED)
#include "reader_shuffled.cuh"
#else

template <class F>
GG_FUNCTION void phase(int n, F f) {
  for (int i = 0; i < n; ++i) f(i);
}

template <class F>
GG_FUNCTION bool block_any(int n, F f) {
  int any = 0;
  for (int i = 0; i < n; ++i) any |= f(i);
  return any;
}

template <class F>
GG_FUNCTION double block_sum(int n, F f) {
  double partial[SUM_WIDTH] = {0};
  for (int base = 0; base < n; base += SUM_WIDTH) {
    const int width = least(SUM_WIDTH, n - base);
    for (int k = 0; k < width; ++k) partial[k] += f(base + k);
  }
  return fold(partial);
}

GG_FUNCTION int32 block_scan(int32* x, int n) { return x[n] = scan_in_order(x, 0, n, 0); }

#endif

#include "host_entry.cuh"

#endif
