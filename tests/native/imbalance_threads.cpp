// The real kernel of information imbalance under the threads reader: a last block that is not full, two teams of
// candidates, ties, both directions. Built with sanitizers by tests/test_races.py.
#include "run_imbalance.cu"
#include <cstdio>

int main() {
  const int points = 70, stride = (points + TILE - 1) / TILE * TILE, chosen = 2, targets = 3, candidates = 18, teams = 2, entries = teams * TEAM + 2;
  std::vector<double> column(stride * chosen), target(stride * targets), candidate(teams * stride * TEAM);
  uint32 random = 1;
  for (auto* values : {&column, &target, &candidate})
    for (double& x : *values) random = random * 1664525u + 1013904223u, x = (random >> 28) * 0.1;
  std::vector<int64> forward(1 + candidates), backward(1 + candidates);
  std::vector<double> distance(2 * BLOCK * stride), reach(BLOCK), farthest(BLOCK * PARTS), shortest(BLOCK * (PARTS + 1) * entries), where(shortest);
  std::vector<int32> list(BLOCK * stride), listed(BLOCK * PARTS), leader(BLOCK * entries), before(BLOCK * PARTS * entries);
  const ImbalanceArguments a = {(points + BLOCK - 1) / BLOCK, 0, points, chosen, targets, candidates, teams, 1, column.data(), target.data(),
                                candidate.data(), forward.data(), backward.data(), distance.data(), reach.data(), farthest.data(), list.data(),
                                listed.data(), shortest.data(), where.data(), leader.data(), before.data()};
  run_imbalance_entry(&a, 1);
  uint64 bits = 0;
  for (const auto* sums : {&forward, &backward})
    for (int64 sum : *sums) bits = bits * 1099511628211ull + static_cast<uint64>(sum);
  std::printf("status 0 first %lld checksum %016llx\n", forward[0], bits);
  for (int64 sum : forward)
    if (sum <= 0 || sum >= int64(points) * points) return 1;
  return 0;
}
