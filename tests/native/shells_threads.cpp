// The real kernels of ShellExpansion under the threads reader: a random mixture in cells, one
// generation and its average. Built with sanitizers by tests/test_races.py. Prints a checksum of
// all columns.
#include "run_shells.cu"
#undef GG_ARGUMENTS_SIZE
#define GG_ARGUMENTS_SIZE sizeof(AverageArguments)
#include "run_shell_average.cu"

#include <cstdio>

int main() {
  const int n = 150, species = 2, side_cells = 6, cells = side_cells * side_cells * side_cells, bins = species * cells, slots = 32;
  const double side = 6.3, reach = 2.1;
  std::vector<double> box(D, side), x(D * n), sorted(D * n);
  std::vector<int32> grid(D, side_cells), begin(bins + 1), order(n), bin(n), cell;
  uint32 random = 1;
  for (int i = 0; i < n; ++i) {
    int at = 0;
    for (int d = D - 1; d >= 0; --d) {
      random = random * 1664525u + 1013904223u;
      const double turns = random / 4294967296.0;
      x[d * n + i] = (turns - 0.5) * side;
      at = at * side_cells + static_cast<int>(turns * side_cells);
    }
    bin[i] = i % species * cells + at;
  }
  int placed = 0;
  for (int b = 0; b < bins; ++b) {
    begin[b] = placed;
    for (int i = 0; i < n; ++i)
      if (bin[i] == b) order[placed++] = i;
  }
  begin[bins] = placed;
  for (int k = 0; k < n; ++k)
    for (int d = 0; d < D; ++d) sorted[d * n + k] = x[d * n + order[k]];
  for (int b = 0; b < cells; b += 5) cell.insert(cell.end(), {0, b});
  std::vector<double> candidate(D * n);
  std::vector<int32> number(n), species_end(species), mark(n + 1);
  const Cells c = {n,           species,       bins,        n,           box.data(),       grid.data(),   begin.data(),
                   order.data(), sorted.data(), cell.data(), candidate.data(), number.data(), species_end.data(), mark.data()};

  std::vector<double> centre(slots), edge(slots, -1), narrow(slots), legendre((L_MAX + 1) * (L_MAX + 2), 0.5);
  std::vector<int32> column(slots, -1);
  for (int s = 0; s < slots - 3; ++s) {
    centre[s] = 0.8 + 0.02 * s, edge[s] = least(s, 16) * 0.04 + 1.4, narrow[s] = 50;
    column[s] = s;
  }
  const Shells shells = {slots, slots - 3, reach, centre.data(), edge.data(), narrow.data(), column.data()};
  const int width = (species + L_MAX) * (slots - 3), columns = 2 * width;
  std::vector<double> distance(n), bond(3 * n), inner(4 * (n + LANES)), weight(CHUNK * slots), harmonic(ROWS * CHUNK), sum(ROWS * slots);
  std::vector<double> out(n * columns), share(n);
  std::vector<int32> neighbour(n);
  const int replicas = static_cast<int>(cell.size()) / 2;
  const ShellsArguments a = {c,           shells,       shells,        replicas,        columns,    reach,     legendre.data(), distance.data(),
                            bond.data(), inner.data(), weight.data(), harmonic.data(), sum.data(), out.data()};
  run_shells_entry(&a, 1);
  const AverageArguments b = {c, replicas, width, columns, 0, width, reach, out.data(), out.data(), neighbour.data(), share.data()};
  run_shell_average_entry(&b, 1);

  uint64 bits = 0;
  int filled = 0;
  for (double value : out) bits = bits * 1099511628211ull + static_cast<uint64>(static_cast<int64>(value * 1e9)), filled += value > 0;
  std::printf("status 0 filled %d checksum %016llx\n", filled, bits);
  return filled < 1000;
}
