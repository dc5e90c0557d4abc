// Three planted races, as a test of the tests: the sanitizer has to report each of them.
//   PLANTED 1  a missing barrier between writing and reading
//   PLANTED 2  a phase that writes to a neighbour's element
//   PLANTED 3  a flag read between phases although a phase writes it
//   PLANTED 0  the same work done right, which has to be clean
#include <cstdio>
#include <vector>

#include "portable.cuh"

struct Arguments {
  int32 replicas;
  int32 n;
  double* x;
  double* y;
  int32* flag;
};

void work(const Arguments& a, int, int) {
  const int n = a.n;
  for (int round = 0; round < 20; ++round) {
#if PLANTED == 1
    for (int i = member().rank; i < n; i += GG_TEAM) a.x[i] = i + round;  // no barrier
#else
    phase(n, [&](int i) { a.x[i] = i + round; });
#endif
    phase(n, [&](int i) {
#if PLANTED == 2
      a.x[(i + 1) % n] += 1;
#endif
      a.y[i] += a.x[(i + n / 2) % n];
    });
#if PLANTED == 3
    phase(n, [&](int i) {
      if (a.y[i] > 1e6) *a.flag = 1;
    });
    if (*a.flag) return;
    phase(n, [&](int i) {
      if (i == n - 1) *a.flag = 0;
    });
    if (*a.flag) return;
#else
    if (block_any(n, [&](int i) { return a.y[i] > 1e9; })) return;
#endif
  }
}

GG_ENTRY(work, Arguments)

int main() {
  const int n = 257;
  std::vector<double> x(n), y(n);
  int32 flag = 0;
  Arguments a{1, n, x.data(), y.data(), &flag};
  work_entry(&a, 1);
  double sum = 0;
  for (double v : y) sum += v;
  std::printf("%g\n", sum);
}
