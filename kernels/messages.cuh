// What passes along the edges of a graph network, and how it answers to errors: for every edge i -> j
//   h1 = max(0, p_i + q_j + e We),  h2 = max(0, h1 W2 + b2),  e' = h2 W3 + b3,  and s_i = sum_j e'.
// A network of one hidden layer has no h2: e' = h1 W3 + b3.
// On the host only: XLA would write every h to memory and read it again, here they stay in registers. All
// products are of tiles, a row of a tile being one edge or one input of a layer. A GPU has the memory, and XLA
// the kernels: there this is plain JAX.
#pragma once
#include "tiles.cuh"

constexpr int CHUNKS = 16;             // parts of a configuration, whatever the threads: sums over edges have one order

// One network on one configuration. Rows are of WIDE numbers.
struct Messages {
  int n, k;                 // particles; places for neighbours of each, a multiple of WIDE
  int inputs, latent, first, second;  // widths of e, e', h1, h2; second may be 0
  const float *p, *q;       // (n)
  const float* e;           // (n, k)
  const float *we, *w2, *w3;  // (WIDE): from row to column
  const float *b2, *b3;     // one row
  const int32 *neighbour, *count;  // (n, k), (n)
};

// h1 and h2 of the edges k0 .. k0 + WIDE - 1 of particle i.
GG_FUNCTION void hidden_rows(const Messages& m, int i, int k0, Tile& h1, Tile& h2) {
  const int32* neighbour = m.neighbour + int64(i) * m.k + k0;
  for (int r = 0; r < WIDE; ++r) {
    memcpy(h1.at[r], m.p + int64(i) * WIDE, sizeof(h1.at[r]));
    add_row(h1.at[r], m.q + int64(neighbour[r]) * WIDE);
  }
  multiply<WIDE, 1>(m.e + (int64(i) * m.k + k0) * WIDE, m.we, h1, m.inputs);
  keep_positive(h1);
  if (!m.second) return;
  fill_rows(h2, m.b2);
  multiply<WIDE, 1>(h1.at[0], m.w2, h2, m.first);
  keep_positive(h2);
}

inline void begin_and_end(const Messages& m, int chunk, int& begin, int& end) {
  begin = int(int64(m.n) * chunk / CHUNKS), end = int(int64(m.n) * (chunk + 1) / CHUNKS);
}

// e' into out (n, k), zeros beyond the neighbours; s into sum (n).
inline void forward(const Messages& m, int chunk, float* out, float* sum) {
  int begin, end;
  begin_and_end(m, chunk, begin, end);
  for (int i = begin; i < end; ++i) {
    float* total = sum + int64(i) * WIDE;
    memset(total, 0, WIDE * sizeof(float));
    for (int k0 = 0; k0 < m.k; k0 += WIDE) {
      float* to = out + (int64(i) * m.k + k0) * WIDE;
      const int rows = greatest(0, least(WIDE, m.count[i] - k0));
      if (rows) {
        Tile h1, h2, result;
        hidden_rows(m, i, k0, h1, h2);
        fill_rows(result, m.b3);
        multiply<WIDE, 1>(m.second ? h2.at[0] : h1.at[0], m.w3, result, m.second ? m.second : m.first);
        for (int r = 0; r < rows; ++r) add_row(total, result.at[r]);
        memcpy(to, result.at[0], rows * WIDE * sizeof(float));
      }
      memset(to + rows * WIDE, 0, (WIDE - rows) * WIDE * sizeof(float));
    }
  }
}

// Slopes with respect to everything, of a chunk.
struct Slopes {
  float *p, *e;                       // (n), (n, k): rows of the chunk; e may be null
  float *q, *we, *w2, *w3, *b2, *b3;  // of the chunk's edges only: (n), (WIDE), (WIDE), (WIDE), row, row
};

// Of a sum over out * d_out + sum * d_sum.
inline void backward(const Messages& m, int chunk, const float* d_out, const float* d_sum, const Slopes& to) {
  Tile we, w2, w3, h1, h2, d3, d2, d1;
  Tile slope_we{}, slope_w2{}, slope_w3{};
  alignas(64) float slope_b2[WIDE] = {}, slope_b3[WIDE] = {};
  transpose(m.we, we), transpose(m.w2, w2), transpose(m.w3, w3);
  int begin, end;
  begin_and_end(m, chunk, begin, end);
  memset(to.q, 0, int64(m.n) * WIDE * sizeof(float));
  memset(to.p + int64(begin) * WIDE, 0, int64(end - begin) * WIDE * sizeof(float));
  for (int i = begin; i < end; ++i)
    for (int k0 = 0; k0 < m.k; k0 += WIDE) {
      const int64 first = (int64(i) * m.k + k0) * WIDE;
      const int rows = greatest(0, least(WIDE, m.count[i] - k0));
      Tile slope_e{};
      if (rows) {
        const int32* neighbour = m.neighbour + int64(i) * m.k + k0;
        hidden_rows(m, i, k0, h1, h2);
        for (int r = 0; r < WIDE; ++r) {
          if (r < rows) {
            memcpy(d3.at[r], d_sum + int64(i) * WIDE, sizeof(d3.at[r]));
            add_row(d3.at[r], d_out + first + r * WIDE);
          } else {
            memset(d3.at[r], 0, sizeof(d3.at[r]));
          }
        }
        d2 = Tile{}, d1 = Tile{};
        if (m.second) {
          multiply<WIDE, 1>(d3.at[0], w3.at[0], d2, m.latent);
          keep_where_positive(d2, h2);
          multiply<WIDE, 1>(d2.at[0], w2.at[0], d1, m.second);
          multiply<1, WIDE>(h1.at[0], d2.at[0], slope_w2, WIDE);
          add_rows(slope_b2, d2);
        } else {
          multiply<WIDE, 1>(d3.at[0], w3.at[0], d1, m.latent);
        }
        keep_where_positive(d1, h1);
        if (to.e) multiply<WIDE, 1>(d1.at[0], we.at[0], slope_e, m.first);
        multiply<1, WIDE>(m.second ? h2.at[0] : h1.at[0], d3.at[0], slope_w3, WIDE);
        multiply<1, WIDE>(m.e + first, d1.at[0], slope_we, WIDE);
        add_rows(slope_b3, d3), add_rows(to.p + int64(i) * WIDE, d1);
        for (int r = 0; r < rows; ++r) add_row(to.q + int64(neighbour[r]) * WIDE, d1.at[r]);
      }
      if (to.e) memcpy(to.e + first, slope_e.at[0], sizeof(slope_e));
    }
  memcpy(to.we, slope_we.at[0], sizeof(slope_we));
  memcpy(to.w2, slope_w2.at[0], sizeof(slope_w2));
  memcpy(to.w3, slope_w3.at[0], sizeof(slope_w3));
  memcpy(to.b2, slope_b2, sizeof(slope_b2)), memcpy(to.b3, slope_b3, sizeof(slope_b3));
}
