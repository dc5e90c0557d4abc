// The shuffled reader: each phase visits its indices in a fresh random order. A kernel whose
// result depends on the order within a phase gives other bits here than under the host reader.
#pragma once
#include <vector>

inline const int* shuffled(int n) {
  static thread_local uint64 state = 88172645463325252ull;
  static thread_local std::vector<int> order;
  order.resize(n);
  for (int i = 0; i < n; ++i) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    const int j = static_cast<int>(state % (i + 1));
    order[i] = order[j];
    order[j] = i;
  }
  return order.data();
}

template <class F>
void phase(int n, F f) {
  const int* order = shuffled(n);
  for (int i = 0; i < n; ++i) f(order[i]);
}

template <class F>
bool block_any(int n, F f) {
  int any = 0;
  phase(n, [&](int i) { any |= f(i); });
  return any;
}

template <class F>
double block_sum(int n, F f) {
  double partial[SUM_WIDTH] = {0};
  phase(SUM_WIDTH, [&](int k) {
    for (int i = k; i < n; i += SUM_WIDTH) partial[k] += f(i);
  });
  return fold(partial);
}

template <class F>
real team_sum(F f) {
  real partial[TEAM_WIDTH];
  phase(TEAM_WIDTH, [&](int k) { partial[k] = f(k); });
  return fold(partial);
}

inline int32 block_scan(int32* x, int n) { return x[n] = scan_in_order(x, 0, n, 0); }
