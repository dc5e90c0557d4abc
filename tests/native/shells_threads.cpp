// The real kernel of ShellExpansion under the threads reader. Built with sanitizers by
// tests/test_races.py. Prints a checksum of all columns.
#include "run_shells.cu"
#include "mixture.h"

int main() {
  Mixture<> m(6.3);
  const int slots = 32, n = m.N, capacity = m.capacity;
  std::vector<double> centre(slots), edge(slots, -1), narrow(slots), legendre((L_MAX + 1) * (L_MAX + 2), 0.5);
  std::vector<int32> column(slots, -1);
  for (int s = 0; s < slots - 3; ++s) {
    centre[s] = 0.8 + 0.02 * s, edge[s] = least(s, 16) * 0.04 + 1.4, narrow[s] = 50;
    column[s] = s;
  }
  const double reach = 2.1;
  const Shells shells = {slots, slots - 3, reach, centre.data(), edge.data(), narrow.data(), column.data()};
  const int columns = (m.SPECIES + L_MAX) * (slots - 3);
  std::vector<double> distance(capacity), bond(3 * capacity), inner(4 * (capacity + LANES)), weight(CHUNK * slots), harmonic(ROWS * CHUNK);
  std::vector<double> sum(ROWS * slots), out(n * columns);
  const ShellsArguments a = {m.arguments(),   shells,          shells,          m.replicas,   columns,      reach,
                             legendre.data(), distance.data(), bond.data(),     inner.data(), weight.data(), harmonic.data(),
                             sum.data(),      out.data()};
  run_shells_entry(&a, 1);
  return report(out, 1000);
}
