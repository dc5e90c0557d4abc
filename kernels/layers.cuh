// An epoch of Adam for small fully connected networks that read the same rows: hidden layers of at most 16, each
// of max(0, x W + b), a linear output of at most 16, least squares.
// On the host only. There the time of such networks goes in moving their weights, not in sums: here a few networks
// keep theirs, and what Adam remembers, in the second cache for a whole epoch, the rows of a step are fetched once for
// all of them, and a slope is used where it arises and never written to memory. On a GPU this is plain JAX.
#pragma once
#include "rng.cuh"
#include "tiles.cuh"

constexpr int TOGETHER = 4;  // networks of a task
constexpr float DECAY1 = 0.9f, DECAY2 = 0.999f, EPSILON = 1e-8f;  // Kingma and Ba (2015)

// Sizes. A network is a run of numbers: W and b of each layer, in rows of WIDE.
struct Sizes {
  int features, hidden, outputs, networks, batch, steps;
  GG_FUNCTION int first() const { return (features + 1) * WIDE; }
  GG_FUNCTION int at(int layer) const { return layer ? first() + (layer - 1) * (WIDE + 1) * WIDE : 0; }  // layer `hidden` is the output
  GG_FUNCTION int whole() const { return at(hidden + 1); }
  GG_FUNCTION int64 desk() const { return int64(batch) * (features + (2 * hidden + 2) * WIDE); }
};

// What a task reads, and what it changes: weights and the two memories of Adam, (network, whole).
struct Epoch {
  Sizes size;
  const float* x;        // (row, features)
  const float* y;        // (row, network, outputs)
  const int32* order;    // (step, batch)
  const float* rates;    // (network, 3): learning rate, decay of weights, alpha
  const float* kept;     // (hidden, network): share of values that are not dropped
  const int32* depth;    // (network): hidden layers that it has
  const uint32* keys;    // (network, 2), of what is dropped
  int before;            // steps that Adam has made
  float *weights, *mean, *square, *loss;  // loss: (network), mean over steps
};

// One step of Adam for a row of numbers; `slope` is that of least squares alone.
struct Adam {
  float rate, decay, alpha, correct1, correct2;
  GG_FUNCTION void step(float* w, float* m, float* v, const float* slope, bool weight) const {
    for (int l = 0; l < WIDE; l += LANES) {
      const lanes old = load_lanes(w + l);
      lanes g = load_lanes(slope + l);
      if (weight) g = fused(everywhere(alpha), old, g);
      const lanes first = fused(everywhere(DECAY1), load_lanes(m + l), everywhere(1 - DECAY1) * g);
      const lanes second = fused(everywhere(DECAY2), load_lanes(v + l), everywhere(1 - DECAY2) * g * g);
      store_lanes(m + l, first), store_lanes(v + l, second);
      // 1 / (sqrt(s) + epsilon) by 1 / sqrt(s), which what is added keeps finite.
      const lanes inverse = inverse_root(fused(everywhere(correct2), second, everywhere(1e-30f)));
      lanes change = everywhere(correct1) * first * inverse / fused(everywhere(EPSILON), inverse, everywhere(1.0f));
      if (weight) change = fused(everywhere(decay), old, change);
      store_lanes(w + l, fused(everywhere(-rate), change, old));
    }
  }
};

// What a thread works on: the rows of a step, and for each hidden layer what leaves it and by what its slope is multiplied.
struct Desk {
  float *rows, *value, *gate, *slope, *other;
  GG_FUNCTION Desk(const Sizes& s, float* memory) {
    const int64 layer = int64(s.batch) * WIDE;
    rows = memory, value = rows + int64(s.batch) * s.features, gate = value + s.hidden * layer;
    slope = gate + s.hidden * layer, other = slope + layer;
  }
};

// Hidden layer k: from rows of `width` numbers to d.value.
GG_FUNCTION void pass_on(const Epoch& e, const Desk& d, int k, int network, const float* from, int width, const float* w, uint32 step) {
  const int batch = e.size.batch;
  float *value = d.value + int64(k) * batch * WIDE, *gate = d.gate + int64(k) * batch * WIDE;
  const float share = e.kept[k * e.size.networks + network];
  const uint64 key = uint64(e.keys[2 * network]) << 32 | e.keys[2 * network + 1];
  multiply_rows(from, width, 1, batch, w, width, w + int64(width) * WIDE, value);
  for (int r = 0; r < batch; ++r)
    for (int c = 0; c < WIDE; c += 8) {
      if (share < 1) {  // sixteen bits decide
        const Random u = philox(key, step, uint32(k), uint32(c), uint32(r));
        for (int l = 0; l < 8; ++l) gate[r * WIDE + c + l] = float(u.word[l / 2] >> (16 * (l % 2)) & 0xffff) < share * 65536 ? 1 / share : 0.0f;
      } else {
        for (int l = 0; l < 8; ++l) gate[r * WIDE + c + l] = 1;
      }
    }
  for (int i = 0; i < batch * WIDE; i += LANES) {
    const lanes h = load_lanes(value + i), g = select(h > 0, load_lanes(gate + i), lanes{});
    store_lanes(gate + i, g), store_lanes(value + i, h * g);
  }
}

// Slopes of a layer's weights from what came in, rows of `width` numbers, and the slope of what went out; then Adam's step.
GG_FUNCTION void learn_layer(const Epoch& e, const Adam& adam, int64 at, const float* from, int width, const float* slope) {
  const float nothing[WIDE] = {};
  Tile found;
  for (int f = 0; f < width; f += WIDE) {
    const int many = least(WIDE, width - f);
    multiply_rows(from + f, 1, width, many, slope, e.size.batch, nothing, found.at[0]);
    for (int r = 0; r < many; ++r) {
      const int64 row = at + int64(f + r) * WIDE;
      adam.step(e.weights + row, e.mean + row, e.square + row, found.at[r], true);
    }
  }
  alignas(64) float bias[WIDE] = {};
  for (int r = 0; r < e.size.batch; ++r) add_row(bias, slope + r * WIDE);
  const int64 row = at + int64(width) * WIDE;
  adam.step(e.weights + row, e.mean + row, e.square + row, bias, false);
}

// One step of one network on the rows of the desk; returns the mean squared error before it.
GG_FUNCTION double learn(const Epoch& e, const Desk& d, int network, int step) {
  const Sizes& s = e.size;
  const int depth = e.depth[network], batch = s.batch;
  const int64 whole = int64(network) * s.whole(), layer = int64(batch) * WIDE;
  const float* w = e.weights + whole;
  for (int k = 0; k < depth; ++k)
    pass_on(e, d, k, network, k ? d.value + (k - 1) * layer : d.rows, k ? WIDE : s.features, w + s.at(k), uint32(e.before + step));
  const float* last = w + s.at(s.hidden);
  float *slope = d.slope, *other = d.other;
  multiply_rows(d.value + (depth - 1) * layer, WIDE, 1, batch, last, WIDE, last + WIDE * WIDE, slope);
  double loss = 0;
  const float unit = 1.0f / static_cast<float>(batch * s.outputs);
  for (int r = 0; r < batch; ++r) {
    const float* wanted = e.y + (int64(e.order[step * batch + r]) * s.networks + network) * s.outputs;
    for (int c = 0; c < WIDE; ++c) {
      const float wrong = c < s.outputs ? slope[r * WIDE + c] - wanted[c] : 0.0f;
      loss += double(wrong) * wrong;
      slope[r * WIDE + c] = 2 * unit * wrong;
    }
  }
  const double made = e.before + step + 1;
  const float* rate = e.rates + 3 * network;
  const Adam adam{rate[0], rate[1], rate[2], float(1 / (1 - pow(double(DECAY1), made))), float(1 / (1 - pow(double(DECAY2), made)))};
  const float nothing[WIDE] = {};
  for (int k = depth; k >= 0; --k) {
    const int64 at = s.at(k == depth ? s.hidden : k);
    const float* from = k ? d.value + (k - 1) * layer : d.rows;
    if (k) {  // through this layer's weights, before they change, and through the layer before
      Tile turned;
      transpose(w + at, turned);
      multiply_rows(slope, WIDE, 1, batch, turned.at[0], WIDE, nothing, other);
      const float* gate = d.gate + (k - 1) * layer;
      for (int64 i = 0; i < layer; i += LANES) store_lanes(other + i, load_lanes(other + i) * load_lanes(gate + i));
    }
    learn_layer(e, adam, whole + at, from, k ? WIDE : s.features, slope);
    float* swap = slope;
    slope = other, other = swap;
  }
  return loss * unit;
}

// Networks first .. first + TOGETHER - 1, all steps. `memory` holds size.desk() numbers.
inline void run_epoch(const Epoch& e, int first, float* memory) {
  const Sizes& s = e.size;
  const int end = least(first + TOGETHER, s.networks);
  const Desk d(s, memory);
  double loss[TOGETHER] = {};
  for (int step = 0; step < s.steps; ++step) {
    for (int r = 0; r < s.batch; ++r)
      memcpy(d.rows + int64(r) * s.features, e.x + int64(e.order[step * s.batch + r]) * s.features, s.features * sizeof(float));
    for (int network = first; network < end; ++network) loss[network - first] += learn(e, d, network, step);
  }
  for (int network = first; network < end; ++network) e.loss[network] = float(loss[network - first] / s.steps);
}
