// Of many items those that are wanted, in their order, in several lists at once.
#pragma once
#include "portable.cuh"

// Of the items from `begin` to `end`, test(first, last, marks) sets bit t of marks[list] where item first + t belongs to a
// list, for at most SCAN of them; then keep(list, first, marks, at) writes the marked from place `at` of the list on. Vectors
// that begin at `first` end within an array that ends with a whole vector. `where` holds LISTS * (items + 2) numbers, `bits`
// LISTS * (items + 1), where items are those of a whole vector more; count[list] becomes the length of a list.
template <int LISTS, class Test, class Keep>
GG_FUNCTION void keep_some(int begin, int end, int32* where, uint32* bits, int (&count)[LISTS], Test test, Keep keep) {
  const int base = begin - begin % LANES, blocks = (end - base + SCAN - 1) / SCAN;
  phase(blocks, [&](int block) {
    const int first = base + block * SCAN, last = least(end, first + SCAN);
    uint32 marks[LISTS] = {};
    test(first, last, marks);
    const uint32 exist = (0xffffffffu >> (32 - (last - first))) & (0xffffffffu << greatest(begin - first, 0));
    for (int list = 0; list < LISTS; ++list) {
      bits[list * blocks + block] = marks[list] & exist;
      where[list * (blocks + 1) + block] = ones_in(marks[list] & exist);
    }
  });
  for (int list = 0; list < LISTS; ++list) count[list] = block_scan(where + list * (blocks + 1), blocks);
  phase(blocks, [&](int block) {
    for (int list = 0; list < LISTS; ++list) {
      const uint32 marks = bits[list * blocks + block];
      if (marks) keep(list, base + block * SCAN, marks, where[list * (blocks + 1) + block]);
    }
  });
}

// The marks of LANES items from the t-th of a block on.
GG_FUNCTION uint32 marks_from(uint32 marks, int t) { return marks >> t & (0xffffffffu >> (32 - LANES)); }
