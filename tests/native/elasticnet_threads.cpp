// The real kernel of elastic nets under the threads reader: two paths, nearly parallel columns, a number of columns that
// fills no vector. Built with sanitizers by tests/test_races.py.
#include "run_elastic_net.cu"
#include <cstdio>
#include <vector>

int main() {
  const int columns = 11, row = (columns + 7) / 8 * 8, paths = 2, steps = 3, rows = 40;
  std::vector<double> x(rows * columns), y(rows), gram(columns * row), product(paths * row), square(paths);
  uint32 random = 1;
  auto draw = [&] { return random = random * 1664525u + 1013904223u, random / 4294967296.0 - 0.5; };
  for (int n = 0; n < rows; ++n) {
    for (int k = 0; k < columns; ++k) x[n * columns + k] = k % 3 == 2 ? x[n * columns + k - 1] + 1e-3 * draw() : draw();
    y[n] = x[n * columns] - 2 * x[n * columns + 4] + 0.3 * draw();
  }
  for (int n = 0; n < rows; ++n)
    for (int k = 0; k < columns; ++k) {
      for (int l = 0; l < columns; ++l) gram[k * row + l] += x[n * columns + k] * x[n * columns + l] / rows;
      for (int p = 0; p < paths; ++p) product[p * row + k] += x[n * columns + k] * y[n] / rows;
    }
  for (int n = 0; n < rows; ++n)
    for (int p = 0; p < paths; ++p) square[p] += y[n] * y[n] / rows;
  const std::vector<double> l1 = {0.05, 0.01, 1e-4, 0.0, 0.0, 0.0}, l2 = {0.0, 0.0, 0.0, 0.05, 0.01, 1e-4};
  std::vector<double> weight(paths * steps * columns), gap(paths * steps), w(row), sign(row), slope(row), move(row), inverse(columns * row);
  std::vector<int32> matrix(paths), rounds(paths * steps), member(columns);
  const ElasticNetArguments a = {paths, columns, row, steps, 1000, 1e-9, gram.data(), matrix.data(), product.data(), square.data(), l1.data(),
                                 l2.data(), weight.data(), gap.data(), rounds.data(), w.data(), sign.data(), slope.data(), move.data(),
                                 inverse.data(), member.data()};
  run_elastic_net_entry(&a, 1);
  uint64 bits = 0;
  for (double value : weight) bits = bits * 1099511628211ull + static_cast<uint64>(static_cast<int64>(value * 1e9));
  double largest = 0;
  for (double g : gap) largest = g > largest ? g : largest;
  std::printf("status 0 gap %.1e checksum %016llx\n", largest, bits);
  return largest > 1e-9;
}
