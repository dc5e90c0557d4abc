// The real kernel of symmetry functions under the threads reader: three angular functions of two widths and
// two powers. Built with sanitizers by tests/test_races.py.
#define GG_SETS 3
#define GG_WIDTHS 2
#define GG_POWERS 2
#define GG_WIDTH_OF {0, 1, 1}
#define GG_POWER_OF {1, 0, 1}
#define GG_LAMBDA {1, -1}
#define GG_ZETA {1, 4}
#include "run_symmetry.cu"
#include "mixture.h"

int main() {
  Mixture<> m(6.3);
  const int slots = TILE, n = m.N;
  std::vector<double> centre(slots), edge(slots, -1), widths = {0.5, 0.1}, near(NEAR * (m.capacity + PADDING));
  std::vector<double> narrow(slots, 50);
  std::vector<int32> column(slots, -1);
  for (int s = 0; s < slots - 3; ++s) centre[s] = 0.3 + 0.12 * s, edge[s] = 2.1, column[s] = s;
  const Shells shells = {slots, slots - 3, 2.1, centre.data(), edge.data(), narrow.data(), column.data()};
  const int columns = m.SPECIES * (slots - 3) + 3 * SETS;
  std::vector<double> out(n * columns);
  const SymmetryArguments a = {m.arguments(), shells, m.replicas, columns, 2.1, widths.data(), near.data(), out.data()};
  run_symmetry_entry(&a, 1);
  return report(out, 500);
}
