// Of many items those that are wanted, in their order, in several lists at once.
#pragma once
#include "portable.cuh"

// Of the items from `begin` to `end`, test(first, marks) sets bit t of marks[list] where item first + t belongs to a list, for
// LANES of them; then keep(list, first, marks, at) writes the marked from place `at` of the list on. Vectors begin at multiples
// of LANES. `where` holds LISTS * (items + 1) numbers, and count[list] becomes the length of a list.
//
// Several lanes are one thread's, which keeps items as it finds them; else what is marked is counted up first.
template <int LISTS, class Test, class Keep>
GG_FUNCTION void keep_some(int begin, int end, int32* where, int (&count)[LISTS], Test test, Keep keep) {
#if GG_VECTORS
  phase(1, [&](int) {
    int at[LISTS] = {};
    for (int first = begin - begin % LANES; first < end; first += LANES) {
      uint32 marks[LISTS] = {}, exist = 0xffffffffu >> (32 - LANES);
      test(first, marks);
      if (first < begin) exist &= exist << (begin - first);
      if (end - first < LANES) exist &= exist >> (first + LANES - end);
      for (int list = 0; list < LISTS; ++list) {
        marks[list] &= exist;
        keep(list, first, marks[list], at[list]);
        at[list] += ones_in(marks[list]);
      }
    }
    for (int list = 0; list < LISTS; ++list) where[list] = at[list];
  });
  for (int list = 0; list < LISTS; ++list) count[list] = block_value([&] { return where[list]; });
#else
  const int items = end - begin;
  phase(items, [&](int k) {
    uint32 marks[LISTS] = {};
    test(begin + k, marks);
    for (int list = 0; list < LISTS; ++list) where[list * (items + 1) + k] = marks[list];
  });
  for (int list = 0; list < LISTS; ++list) count[list] = block_scan(where + list * (items + 1), items);
  phase(items, [&](int k) {
    for (int list = 0; list < LISTS; ++list) {
      const int32* at = where + list * (items + 1) + k;
      if (at[1] > at[0]) keep(list, begin + k, 1u, at[0]);
    }
  });
#endif
}
