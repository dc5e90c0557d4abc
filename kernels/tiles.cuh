// Tiles of 16 x 16 numbers and their products, for the layers of small networks on the host. Narrower layers
// are filled up with zeros.
#pragma once
#include "portable.cuh"

constexpr int WIDE = 16;               // numbers in a row, and rows in a tile
constexpr int VECTORS = WIDE / LANES;  // of a row
constexpr int AT_ONCE = GG_WIDE ? 16 : 4;  // rows whose sums are in registers together

struct alignas(64) Tile {
  float at[WIDE][WIDE];
};

// c[r] += sum_d a[r * ROW + d * STEP] b[d]
template <int ROW, int STEP>
GG_FUNCTION void multiply(const float* a, const float* b, Tile& c, int depth) {
  for (int r0 = 0; r0 < WIDE; r0 += AT_ONCE) {
    lanes sum[AT_ONCE][VECTORS];
    for (int r = 0; r < AT_ONCE; ++r)
      for (int v = 0; v < VECTORS; ++v) sum[r][v] = load_lanes(c.at[r0 + r] + v * LANES);
    for (int d = 0; d < depth; ++d)
      for (int v = 0; v < VECTORS; ++v) {
        const lanes x = load_lanes(b + d * WIDE + v * LANES);
        for (int r = 0; r < AT_ONCE; ++r) sum[r][v] = fused(everywhere(a[(r0 + r) * ROW + d * STEP]), x, sum[r][v]);
      }
    for (int r = 0; r < AT_ONCE; ++r)
      for (int v = 0; v < VECTORS; ++v) store_lanes(c.at[r0 + r] + v * LANES, sum[r][v]);
  }
}

GG_FUNCTION void fill_rows(Tile& t, const float* row) {
  for (int r = 0; r < WIDE; ++r)
    for (int v = 0; v < VECTORS; ++v) store_lanes(t.at[r] + v * LANES, load_lanes(row + v * LANES));
}
GG_FUNCTION void keep_positive(Tile& t) {
  for (int r = 0; r < WIDE; ++r)
    for (int v = 0; v < VECTORS; ++v) {
      const lanes x = load_lanes(t.at[r] + v * LANES);
      store_lanes(t.at[r] + v * LANES, select(x > 0, x, lanes{}));
    }
}
// Zeros where `of` is none above zero.
GG_FUNCTION void keep_where_positive(Tile& t, const Tile& of) {
  for (int r = 0; r < WIDE; ++r)
    for (int v = 0; v < VECTORS; ++v)
      store_lanes(t.at[r] + v * LANES, select(load_lanes(of.at[r] + v * LANES) > 0, load_lanes(t.at[r] + v * LANES), lanes{}));
}
GG_FUNCTION void add_row(float* to, const float* row) {
  for (int v = 0; v < VECTORS; ++v) store_lanes(to + v * LANES, load_lanes(to + v * LANES) + load_lanes(row + v * LANES));
}
GG_FUNCTION void add_rows(float* to, const Tile& t) {
  for (int r = 0; r < WIDE; ++r) add_row(to, t.at[r]);
}
GG_FUNCTION void transpose(const float* from, Tile& to) {
  for (int r = 0; r < WIDE; ++r)
    for (int c = 0; c < WIDE; ++c) to.at[c][r] = from[r * WIDE + c];
}

// c[r] = base + sum_d a[r * row + d * step] b[d] for the first MANY rows.
template <int MANY>
GG_FUNCTION void some_rows(const float* a, int row, int step, const float* b, int depth, const float* base, float* c) {
  lanes sum[MANY][VECTORS];
  for (int r = 0; r < MANY; ++r)
    for (int v = 0; v < VECTORS; ++v) sum[r][v] = load_lanes(base + v * LANES);
  for (int d = 0; d < depth; ++d)
    for (int v = 0; v < VECTORS; ++v) {
      const lanes x = load_lanes(b + int64(d) * WIDE + v * LANES);
      for (int r = 0; r < MANY; ++r) sum[r][v] = fused(everywhere(a[int64(r) * row + int64(d) * step]), x, sum[r][v]);
    }
  for (int r = 0; r < MANY; ++r)
    for (int v = 0; v < VECTORS; ++v) store_lanes(c + r * WIDE + v * LANES, sum[r][v]);
}
// The same for any number of rows.
GG_FUNCTION void multiply_rows(const float* a, int row, int step, int rows, const float* b, int depth, const float* base, float* c) {
  int r = 0;
  for (; r + AT_ONCE <= rows; r += AT_ONCE) some_rows<AT_ONCE>(a + int64(r) * row, row, step, b, depth, base, c + r * WIDE);
  for (; r + 2 <= rows; r += 2) some_rows<2>(a + int64(r) * row, row, step, b, depth, base, c + r * WIDE);
  if (r < rows) some_rows<1>(a + int64(r) * row, row, step, b, depth, base, c + r * WIDE);
}
