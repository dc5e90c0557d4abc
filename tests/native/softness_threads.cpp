// The real kernel of Softness under the threads reader: three shells of bonds, of which one is empty. Built with sanitizers by
// tests/test_races.py.
#include "run_softness.cu"
#include "mixture.h"

int main() {
  Mixture<> m(6.3);
  const int number = 21, shells = 3, n = m.N, stride = m.capacity + SPARE, images = 8 * m.capacity;
  const double reach = 2.1, split = 1.5, narrow = 12.5;
  std::vector<double> centre(number), edge(number), factor(BANDS * number), middle = {split / 2, (split + reach) / 2};
  for (int k = 0; k < number; ++k) centre[k] = 0.05 * k, edge[k] = centre[k] + 1.1;
  for (int k = 0; k < BANDS * number; ++k) factor[k] = exp(-narrow * (centre[k % number] - middle[k / number]) * (centre[k % number] - middle[k / number]));
  std::vector<int32> range = {0, 9, number, 8, number, number}, where(BANDS * (images + 1));
  std::vector<double> r_min = {0.4, 0.9, 1.2}, r_max = {0.8, 0.9, 1.5}, b(EVEN * 2 * EVEN, 0.5), c(EVEN * 2 * EVEN, -0.2), scale(SUMS, 1.5);
  std::vector<double> image(D * images), square(images), which(stride), inner((D + 1) * stride), outer(stride), bond(BOND * stride);
  std::vector<double> bell(BANDS * number * PADDING), sum(shells * (SUMS + PADDING));
  const int columns = m.SPECIES * number + shells * EVEN;
  std::vector<double> out(n * columns);
  const SoftnessArguments a = {
      m.arguments(), {number, 0.05, narrow, centre.data(), edge.data(), range.data(), middle.data(), factor.data()},
      {b.data(), c.data(), scale.data()}, m.replicas, columns, shells, images, split, reach, nullptr, r_min.data(), r_max.data(), image.data(), where.data(),
      square.data(), which.data(), inner.data(), outer.data(), bond.data(), bell.data(), sum.data(), out.data()};
  run_softness_entry(&a, 1);
  return report(out, 500);
}
