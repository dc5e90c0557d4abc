// The threads reader: GG_TEAM real threads share one replica, with a real barrier after every
// phase. Built with -fsanitize=thread and with -fsanitize=address,undefined it finds the races
// that a GPU would only show as wrong numbers.
//
// Two barrier objects alternate: with a single one a thread may enter the next wait while
// another still leaves the last, which the sanitizer reports as a race of the barrier itself.
#pragma once
#include <pthread.h>

#ifndef GG_TEAM
#define GG_TEAM 4
#endif

struct Team {
  pthread_barrier_t barrier[2];
  double partial[SUM_WIDTH];
  real terms[TEAM_WIDTH];
  int32 any[3];
  Team() {
    for (auto& b : barrier) pthread_barrier_init(&b, nullptr, GG_TEAM);
    for (auto& a : any) a = 0;
  }
  ~Team() {
    for (auto& b : barrier) pthread_barrier_destroy(&b);
  }
};

inline Team& team() {
  static Team one;
  return one;
}

struct Member {
  int rank = 0, side = 0, turn = 0;
};

inline Member& member() {
  static thread_local Member me;
  return me;
}

inline void meet() {
  Member& me = member();
  pthread_barrier_wait(&team().barrier[me.side]);
  me.side ^= 1;
}

template <class F>
void phase(int n, F f) {
  for (int i = member().rank; i < n; i += GG_TEAM) f(i);
  meet();
}

// Three flags in turn: one in use, the one of the next call cleared meanwhile, the one of the
// last call perhaps still being read.
template <class F>
bool block_any(int n, F f) {
  Member& me = member();
  int32* flag = &team().any[me.turn];
  me.turn = (me.turn + 1) % 3;
  int any = 0;
  for (int i = me.rank; i < n; i += GG_TEAM) any |= f(i);
  if (any) __atomic_store_n(flag, 1, __ATOMIC_RELAXED);
  if (me.rank == 0) __atomic_store_n(&team().any[me.turn], 0, __ATOMIC_RELAXED);
  meet();
  return __atomic_load_n(flag, __ATOMIC_RELAXED);
}

template <class F>
double block_sum(int n, F f) {
  double* partial = team().partial;
  phase(SUM_WIDTH, [&](int k) {
    partial[k] = 0;
    for (int i = k; i < n; i += SUM_WIDTH) partial[k] += f(i);
  });
  for (int half = SUM_WIDTH / 2; half > 0; half /= 2)
    phase(half, [&](int k) { partial[k] += partial[k + half]; });
  const double total = partial[0];
  meet();
  return total;
}

template <class F>
real team_sum(F f) {
  phase(TEAM_WIDTH, [&](int k) { team().terms[k] = f(k); });
  real terms[TEAM_WIDTH];
  for (int k = 0; k < TEAM_WIDTH; ++k) terms[k] = team().terms[k];
  meet();
  return fold(terms);
}

inline int32 block_scan(int32* x, int n) {
  phase(1, [&](int) { x[n] = scan_in_order(x, 0, n, 0); });
  const int32 total = x[n];
  meet();
  return total;
}
