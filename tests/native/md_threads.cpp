// The real molecular-dynamics kernel under the threads reader: a small mixture, lists rebuilt
// several times, thermostat and labels on. Built with sanitizers by tests/test_races.py.
// Prints a checksum of the final places and labels.
#include <cstdio>
#include <vector>

#include "run_md.cu"

int main() {
  const int per_side = 6, n = per_side * per_side * (D == 3 ? per_side : 1), replicas = 2, samples = 2, capacity = 256;
  const double side = 6.3, dt = 0.004, skin = 0.15;
  std::vector<double> box(D, side), mass(2, 1.0), temperature(replicas, 1.0), chain(replicas * CHAIN_STATE);
  std::vector<int32> types(n), grid(D, 3), configuration(replicas, 0), status(replicas), rebuilds(replicas);
  std::vector<uint64> key = {1234567, 7654321};
  std::vector<PairConstants> pairs(4);
  for (auto& p : pairs) {
    const double cut = 1.5, six = 1 / (cut * cut * cut * cut * cut * cut);
    p = PairConstants{};
    p.cut2 = cut * cut;
    p.list_cut2 = (cut + skin) * (cut + skin);
    p.repulsion = p.attraction = 4;
    p.shift = -4 * (six * six - six);
    p.inner = 1.2;
  }
  grid[0] = 12;
  int bins = 2;
  for (int g : grid) bins *= g;
  std::vector<place_t> origin(D * n), place(replicas * D * n);
  for (int i = 0; i < n; ++i) {
    types[i] = i % 2;
    int rest = i;
    for (int d = 0; d < D; ++d, rest /= per_side) {
      const double x = (rest % per_side + 0.5) / per_side - 0.5;
#if GG_DOUBLE
      origin[d * n + i] = x * side;
#else
      origin[d * n + i] = static_cast<int64>(x * 4294967296.0);
#endif
    }
  }
  for (int r = 0; r < replicas; ++r)
    for (int k = 0; k < D * n; ++k) place[r * D * n + k] = origin[k];
  std::vector<real> velocity(replicas * D * n), force(D * n), energy(n), virial(n);
  std::vector<packed_t> reference(replicas * D * n), sorted(D * (n + SCAN)), packed(4 * n);
  std::vector<index_t> list(n * capacity);
  std::vector<int32> list_end(2 * n), bin_begin(bins + 1), cursor(bins), order(n + SCAN);
  const int hove_bins = 50;
  std::vector<int64> step = {20, 60}, label(samples * 2 * n), drift(samples * D * n), histogram(samples * 2 * hove_bins);
  std::vector<double> log(replicas * samples * LOG_COLUMNS), observable(replicas * samples * 2 * OBSERVABLES);

  MdArguments a{};
  a.problem = {n, box.data(), types.data(), grid.data(), pairs.data(), mass.data()};
  a.scratch = {capacity,         bins,         list.data(),  list_end.data(), bin_begin.data(), cursor.data(), order.data(),
               sorted.data(), packed.data(), force.data(), energy.data(),   virial.data()};
  a.record = {samples,       hove_bins,     1048576.0,    7.2,          0.3,          0.02,     step.data(),
              origin.data(), log.data(), label.data(), drift.data(), observable.data(), histogram.data(), nullptr};
  a.replicas = replicas, a.steps = 60, a.fresh = 1, a.draw_velocities = 1, a.thermostat = 1;
  a.dt = dt, a.skin = skin, a.largest_step = 0.5, a.thermostat_time = 0.2;
  a.configuration = configuration.data(), a.temperature = temperature.data(), a.key = key.data();
  a.place = place.data(), a.velocity = velocity.data(), a.reference = reference.data(), a.chain = chain.data();
  a.status = status.data(), a.rebuilds = rebuilds.data();
  run_md_entry(&a, 1);

  uint64 sum = 0;
  for (auto p : place) sum = sum * 1099511628211ull + static_cast<uint64>(static_cast<int64>(p * (GG_DOUBLE ? 1e12 : 1)));
  for (const auto& sums : {label, drift, histogram})
    for (auto l : sums) sum = sum * 1099511628211ull + static_cast<uint64>(l);
  for (auto o : observable) sum = sum * 1099511628211ull + static_cast<uint64>(static_cast<int64>(o * 1e9));
  std::printf("status %d %d rebuilds %d %d checksum %016llx\n", status[0], status[1], rebuilds[0], rebuilds[1], sum);
  return status[0] | status[1] || rebuilds[0] < 2;
}
