// Of many items those that are wanted, in their order, in several lists at once.
#pragma once
#include "portable.cuh"

// test(first, some, marks) sets bit t of marks[list] where item first + t belongs to a list; then
// keep(list, first, marks, at) writes the marked of these items from place `at` of the list on. Both treat SCAN items, of
// which `some` exist. `where` holds LISTS * (n + 1) numbers, `bits` LISTS * n, and count[list] becomes a list's length.
template <int LISTS, class Test, class Keep>
GG_FUNCTION void keep_some(int n, int32* where, uint32* bits, int (&count)[LISTS], Test test, Keep keep) {
  const int blocks = (n + SCAN - 1) / SCAN;
  phase(blocks, [&](int block) {
    const int first = block * SCAN, some = least(n - first, SCAN);
    uint32 marks[LISTS] = {};
    test(first, some, marks);
    for (int list = 0; list < LISTS; ++list) {
      marks[list] &= 0xffffffffu >> (32 - some);
      bits[list * blocks + block] = marks[list];
      where[list * (blocks + 1) + block] = ones_in(marks[list]);
    }
  });
  for (int list = 0; list < LISTS; ++list) count[list] = block_scan(where + list * (blocks + 1), blocks);
  phase(blocks, [&](int block) {
    for (int list = 0; list < LISTS; ++list) {
      const uint32 marks = bits[list * blocks + block];
      if (marks) keep(list, block * SCAN, marks, where[list * (blocks + 1) + block]);
    }
  });
}

// The marks of LANES items from the t-th of a block on.
GG_FUNCTION uint32 marks_from(uint32 marks, int t) { return marks >> t & (0xffffffffu >> (32 - LANES)); }
