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
#define GG_NO_UNROLL _Pragma("unroll 1")  // for seldom loops, whose copies would take registers from the others
#else
#include <math.h>
#include <string.h>
#if defined(__AVX__)
#include <immintrin.h>
#endif
#define GG_FUNCTION inline __attribute__((always_inline))
#define GG_NO_UNROLL
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

// A number's bits and the number that bits stand for.
#if GG_DOUBLE
typedef int64 bits_t;
constexpr int MANTISSA = 52;
#else
typedef int32 bits_t;
constexpr int MANTISSA = 23;
#endif
GG_FUNCTION bits_t bits_of(real x) {
  bits_t bits;
  memcpy(&bits, &x, sizeof(x));
  return bits;
}
GG_FUNCTION real number_of(bits_t bits) {
  real x;
  memcpy(&x, &bits, sizeof(x));
  return x;
}

// x or 0. The compiler may not see where `keep` comes from: it would make a branch of it, and half of
// the branches on a throw of dice are guessed wrong.
GG_FUNCTION int32 kept_if(bool keep, int32 x) {
  int32 mask = -static_cast<int32>(keep);
#if !defined(__CUDACC__)
  asm("" : "+r"(mask));
#endif
  return x & mask;
}
#if GG_DOUBLE
GG_FUNCTION double kept_if(bool keep, double x) {
  bits_t mask = -static_cast<bits_t>(keep);
#if !defined(__CUDACC__)
  asm("" : "+r"(mask));
#endif
  return number_of(bits_of(x) & mask);
}
#endif

// Asks for memory that will be read soon; no result depends on it.
GG_FUNCTION void prefetch(const void* at) {
#if defined(__CUDACC__)
  asm volatile("prefetch.global.L1 [%0];" ::"l"(at));
#else
  __builtin_prefetch(at);
#endif
}

#include "lanes.cuh"

constexpr int SUM_WIDTH = 256;                  // the fixed shape of every sum over particles
constexpr int TEAM_WIDTH = LANES == 1 ? 32 : 1;  // and of the sums that a warp makes

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

// f(), of which every thread reads the same, before any goes on to change what it reads.
template <class F>
GG_FUNCTION auto block_value(F f) {
  const auto value = f();
  __syncthreads();
  return value;
}

// A phase over the items (row, column), columns one after another.
template <class F>
GG_FUNCTION void phase(int rows, int columns, F f) {
  phase(rows * columns, [&](int i) { f(i / columns, i % columns); });
}

// The sum of f(0) .. f(TEAM_WIDTH - 1), for blocks of one warp.
template <class F>
GG_FUNCTION real team_sum(F f) {
  real sum = f(static_cast<int>(threadIdx.x));
  for (int half = TEAM_WIDTH / 2; half > 0; half /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, half);
  __syncwarp();
  return sum;
}

// K sums over rows x columns items, of which f(row, column, sum) adds one, given to out(k, sums, some): `some` of LANES sums from
// the k-th on; for blocks of one warp. It begins without a barrier, after a phase that wrote what f reads, and ends with one.
// On the host an item is as many columns as a vector holds.
template <int K, class F, class Out>
GG_FUNCTION void team_sums(int rows, int columns, F f, Out out) {
  real sum[K] = {};
  for (int i = threadIdx.x; i < rows * columns; i += TEAM_WIDTH) f(i / columns, i % columns, sum);
#pragma unroll
  for (int k = 0; k < K; ++k) {
    for (int half = TEAM_WIDTH / 2; half > 0; half /= 2) sum[k] += __shfl_xor_sync(0xffffffffu, sum[k], half);
    if (threadIdx.x == k % TEAM_WIDTH) out(k, sum[k], 1);
  }
  __syncwarp();
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

template <class T, int WIDTH>
GG_FUNCTION T fold(T (&partial)[WIDTH]) {
  for (int half = WIDTH / 2; half > 0; half /= 2)
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

template <class F>
GG_FUNCTION real team_sum(F f) {
  real partial[TEAM_WIDTH];
  for (int k = 0; k < TEAM_WIDTH; ++k) partial[k] = f(k);
  return fold(partial);
}

GG_FUNCTION int32 block_scan(int32* x, int n) { return x[n] = scan_in_order(x, 0, n, 0); }

#endif

// A phase over the items (row, column), columns one after another.
template <class F>
GG_FUNCTION void phase(int rows, int columns, F f) {
#if defined(GG_READER_THREADS) || defined(GG_READER_SHUFFLED)
  phase(rows * columns, [&](int i) { f(i / columns, i % columns); });
#else
  for (int row = 0; row < rows; ++row)
    for (int column = 0; column < columns; ++column) f(row, column);
#endif
}

// f(), of which every thread reads the same, before any goes on to change what it reads.
template <class F>
GG_FUNCTION auto block_value(F f) {
  const auto value = f();
#if defined(GG_READER_THREADS)
  meet();
#endif
  return value;
}

// Partial sum t of K: of the items t, t + TEAM_WIDTH, ...
template <int K, class F>
GG_FUNCTION void add_items(int t, int rows, int columns, F f, lanes* sum) {
  for (int k = 0; k < K; ++k) sum[k] = lanes{};
  int item = 0;
  for (int row = 0; row < rows; ++row)
    for (int column = 0; column < columns; ++column, ++item)
      if (TEAM_WIDTH == 1 || item % TEAM_WIDTH == t) f(row, column, sum);
}

template <int K, class F, class Out>
GG_FUNCTION void team_sums(int rows, int columns, F f, Out out) {
#if defined(GG_READER_THREADS)
  static lanes partial[TEAM_WIDTH * K];  // of all threads
#else
  lanes partial[TEAM_WIDTH * K];
#endif
  phase(TEAM_WIDTH, [&](int t) { add_items<K>(t, rows, columns, f, partial + t * K); });
  phase((K + LANES - 1) / LANES, [&](int group) {
    lanes folded[LANES] = {};
    const int first = group * LANES, some = least(LANES, K - first);
    for (int k = 0; k < some; ++k) {
      lanes terms[TEAM_WIDTH];
      for (int t = 0; t < TEAM_WIDTH; ++t) terms[t] = partial[t * K + first + k];
      folded[k] = fold(terms);
    }
    out(first, sums_of(folded), some);
  });
}

#include "host_entry.cuh"

#endif

#include "least.cuh"
