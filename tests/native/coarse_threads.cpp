// The real kernel of coarse-graining under the threads reader: two lengths, each species by itself, a
// number of columns that fills no tile. Built with sanitizers by tests/test_races.py.
#include "run_coarse_grain.cu"
#include "mixture.h"

int main() {
  Mixture<(D == 2 ? 1200 : 150)> m(6.3);  // in the plane more than two blocks in a cell
  const int n = m.N, columns = TILE + LANES + 3, row = (columns + PADDING - 1) / PADDING * PADDING, lengths = 2, capacity = m.capacity;
  std::vector<double> length = {0.7, 1.9}, x(n * row), density(n * m.SPECIES * lengths), out(n * m.SPECIES * lengths * columns);
  std::vector<double> distance(BLOCK * capacity), weight(BLOCK * capacity);
  std::vector<int32> neighbour(capacity);
  for (int k = 0; k < n * row; ++k) x[k] = k % 89;
  const CoarseArguments a = {m.arguments(), m.replicas,    m.SPECIES, lengths,        columns,    row,              m.SPECIES * lengths * columns,
                             0,             2.1,           length.data(), x.data(),   density.data(), out.data(), neighbour.data(),
                             distance.data(), weight.data()};
  run_coarse_grain_entry(&a, 1);
  out.insert(out.end(), density.begin(), density.end());
  return report(out, 1000);
}
