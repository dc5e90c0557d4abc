// Who is next: every particle has one event, and a tree tells the first of all. A node holds the least of
// its 32 children, so that a warp, or a few vectors, finds it at once.
//
// The times themselves are state; the tree is a pure function of them.
#pragma once
#include "portable.cuh"

constexpr int CHILDREN = 32;
constexpr int MOST_LEVELS = 6;

GG_FUNCTION int padded(int n) { return (n + CHILDREN - 1) / CHILDREN * CHILDREN; }

struct Queue {
  int levels;               // of nodes above the particles
  int width[MOST_LEVELS];   // children that a level looks at, whole nodes: of the lowest, the particles
  real* time[MOST_LEVELS];  // of the children; padding never comes
  int32* who[MOST_LEVELS];  // whose time it is; of the lowest level the particle itself
};

// The queue of n particles whose event times stand at `time`, padded; `nodes` and `who` hold what is above them.
GG_FUNCTION Queue queue_of(int n, real* time, real* nodes, int32* who) {
  Queue q;
  q.levels = 0;
  for (int wide = n;; wide = padded(wide) / CHILDREN) {
    q.width[q.levels] = padded(wide);
    q.time[q.levels] = q.levels == 0 ? time : nodes;
    q.who[q.levels] = q.levels == 0 ? nullptr : who;
    if (q.levels > 0) nodes += padded(wide), who += padded(wide);
    ++q.levels;
    if (wide <= CHILDREN) return q;
  }
}

GG_FUNCTION Least least_child(const Queue& q, int level, int node) {
  const real* child = q.time[level] + node * CHILDREN;
  Least first = team_least(CHILDREN, [&](int k) { return load_lanes(child + k); });
  first.index += node * CHILDREN;
  return first;
}

// Takes in that the time of particle i has changed.
GG_FUNCTION void reorder(const Queue& q, int i) {
#if !GG_LINEAR_SCAN
  for (int level = 0, node = i / CHILDREN; level + 1 < q.levels; ++level, node /= CHILDREN) {
    const Least first = least_child(q, level, node);
    phase(1, [&](int) {
      q.time[level + 1][node] = first.value;
      q.who[level + 1][node] = level == 0 ? first.index : q.who[level][first.index];
    });
  }
#endif
}

// Builds the whole tree.
GG_FUNCTION void order_all(const Queue& q) {
  for (int level = 1; level < q.levels; ++level)
    phase(q.width[level], [&](int node) {
      Least first{real(GG_NEVER), 0};
      if (node * CHILDREN < q.width[level - 1])
        for (int k = node * CHILDREN; k < (node + 1) * CHILDREN; ++k) first = lesser(first, {q.time[level - 1][k], k});
      q.time[level][node] = first.value;
      q.who[level][node] = level == 1 ? first.index : q.who[level - 1][first.index];
    });
}

// The particle whose event comes first, and when.
GG_FUNCTION Least first_event(const Queue& q) {
#if GG_LINEAR_SCAN
  return team_least(q.width[0], [&](int k) { return load_lanes(q.time[0] + k); });
#else
  const int top = q.levels - 1;
  const Least first = least_child(q, top, 0);
  return {first.value, top == 0 ? first.index : block_value([&] { return q.who[top][first.index]; })};
#endif
}
