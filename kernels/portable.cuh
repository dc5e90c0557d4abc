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
GG_FUNCTION int least(int a, int b) { return a < b ? a : b; }

// ---------------------------------------------------------------- lists and vector loops
//
// On the GPU neighbour k of particle i stands at list[k * n + i], so that a warp reads one
// line; on the CPU it stands at list[i * capacity + k], and the entries of one species are
// padded to a multiple of LANES with i itself, which every pair law ignores, so that the
// vector loop has no remainder. A strict build sums in list order on both targets.

#if defined(__CUDACC__)
#if GG_WIDE_INDEX
typedef uint32 index_t;
#else
typedef unsigned short index_t;
#endif
constexpr int LANES = 1;
#define GG_VECTOR_SUM(...)
#define GG_VECTOR_BITS(x)
GG_FUNCTION int lowest_bit(uint32 x) { return __ffs(x) - 1; }
#else
typedef int32 index_t;
constexpr int LANES = 8;
GG_FUNCTION int lowest_bit(uint32 x) { return __builtin_ctz(x); }
#define GG_PRAGMA(text) _Pragma(#text)
#define GG_VECTOR_BITS(x) GG_PRAGMA(omp simd reduction(| : x))
#if GG_STRICT
#define GG_VECTOR_SUM(...)
#else
#define GG_VECTOR_SUM(...) GG_PRAGMA(omp simd reduction(+ : __VA_ARGS__))
#endif
#endif

constexpr int SUM_WIDTH = 256;  // the fixed shape of every sum over particles

// ---------------------------------------------------------------- the readers

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

// Exclusive prefix sum of x[0 .. n-1] in place; x[n] becomes the total.
GG_FUNCTION void block_scan(int32* x, int n) {
  __shared__ int32 sums[GG_THREADS];
  const int each = (n + GG_THREADS - 1) / GG_THREADS;
  const int first = least(n, static_cast<int>(threadIdx.x) * each), last = least(n, first + each);
  int32 sum = 0;
  for (int i = first; i < last; ++i) sum += x[i];
  sums[threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.x == 0) {
    int32 running = 0;
    for (int t = 0; t < GG_THREADS; ++t) {
      const int32 mine = sums[t];
      sums[t] = running;
      running += mine;
    }
    x[n] = running;
  }
  __syncthreads();
  int32 running = sums[threadIdx.x];
  for (int i = first; i < last; ++i) {
    const int32 mine = x[i];
    x[i] = running;
    running += mine;
  }
  __syncthreads();
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
  extern "C" __global__ void __launch_bounds__(GG_THREADS) kernel##_entry(const Arguments a) {  \
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

GG_FUNCTION void block_scan(int32* x, int n) {
  int32 running = 0;
  for (int i = 0; i < n; ++i) {
    const int32 mine = x[i];
    x[i] = running;
    running += mine;
  }
  x[n] = running;
}

#endif

#include "host_entry.cuh"

#endif
