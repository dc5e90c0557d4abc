// Tiles, messages and layers on the host, their tasks shared by threads as host_ffi.cuh does, under the sanitizers. Built by
// tests/test_races.py. Prints a checksum, which one thread must give too.
#include <atomic>
#include <cstdio>
#include <thread>
#include <vector>

#include "layers.cuh"
#include "messages.cuh"

template <class Work>
void share(int tasks, Work work) {
  std::atomic<int> next(0);
  auto run = [&] {
    for (int task = next++; task < tasks; task = next++) work(task);
  };
  std::vector<std::thread> started;
  for (int t = 1; t < GG_TASK_THREADS; ++t) started.emplace_back(run);
  run();
  for (auto& thread : started) thread.join();
}

struct Numbers {
  unsigned state = 1;
  std::vector<float> some(size_t many) {
    std::vector<float> out(many);
    for (auto& x : out) state = state * 1664525u + 1013904223u, x = static_cast<float>(state >> 8) / 16777216.0f - 0.5f;
    return out;
  }
};

int main() {
  Numbers random;
  double sum = 0;
  auto add = [&](const std::vector<float>& values) {
    for (size_t i = 0; i < values.size(); ++i) sum += (1 + i % 7) * double(values[i]);
  };

  // A ring of particles with 2, 20 or no neighbours each.
  const int n = 3 * CHUNKS + 1, k = 32;
  std::vector<int32> neighbour(n * k), count(n);
  for (int i = 0; i < n; ++i) {
    count[i] = i % 3 == 0 ? 20 : i % 3 == 1 ? 2 : 0;
    for (int j = 0; j < k; ++j) neighbour[i * k + j] = j < count[i] ? (i + 1 + j) % n : i;
  }
  const auto p = random.some(n * WIDE), q = random.some(n * WIDE), e = random.some(n * k * WIDE), d_out = random.some(n * k * WIDE);
  const auto square = random.some(3 * WIDE * WIDE), row = random.some(2 * WIDE), d_sum = random.some(n * WIDE);
  for (int second : {13, 0}) {
    const Messages m{n, k, 9, 10, 16, second, p.data(), q.data(), e.data(), square.data(), square.data() + 256, square.data() + 512, row.data(),
                     row.data() + WIDE, neighbour.data(), count.data()};
    std::vector<float> out(n * k * WIDE), total(n * WIDE), dp(n * WIDE), de(n * k * WIDE), dq(CHUNKS * n * WIDE), dw(3 * CHUNKS * 256), db(2 * CHUNKS * WIDE);
    share(CHUNKS, [&](int c) { forward(m, c, out.data(), total.data()); });
    share(CHUNKS, [&](int c) {
      backward(m, c, d_out.data(), d_sum.data(),
               {dp.data(), de.data(), dq.data() + c * n * WIDE, dw.data() + c * 256, dw.data() + (CHUNKS + c) * 256, dw.data() + (2 * CHUNKS + c) * 256,
                db.data() + c * WIDE, db.data() + (CHUNKS + c) * WIDE});
    });
    add(out), add(total), add(dp), add(de), add(dq), add(dw), add(db);
  }

  const Sizes size{21, 3, 2, 2 * TOGETHER + 1, 10, 4};
  const auto x = random.some(40 * size.features), y = random.some(40 * size.networks * size.outputs);
  std::vector<int32> order(size.steps * size.batch), depth(size.networks);
  const std::vector<uint32> keys(2 * size.networks, 12345);
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int32>(7 * i % 40);
  std::vector<float> rates(3 * size.networks, 0.01f), kept(3 * size.networks, 1.0f), loss(size.networks);
  for (int network = 0; network < size.networks; ++network) depth[network] = 1 + network % 3, kept[size.networks + network] = 0.75f;
  auto weights = random.some(size_t(size.networks) * size.whole());
  std::vector<float> mean(weights.size()), squares(weights.size());
  const Epoch epoch{size, x.data(), y.data(), order.data(), rates.data(), kept.data(), depth.data(), keys.data(), 3, weights.data(), mean.data(), squares.data(), loss.data()};
  share((size.networks + TOGETHER - 1) / TOGETHER, [&](int task) {
    std::vector<float> desk(size.desk());
    run_epoch(epoch, task * TOGETHER, desk.data());
  });
  add(weights), add(mean), add(squares), add(loss);
  std::printf("checksum %.17g\n", sum);
  return !(sum == sum);
}
