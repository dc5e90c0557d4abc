// The real Monte Carlo kernel under the threads reader: a small mixture, lists rebuilt several
// times, labels and observables on; with GG_LISTS = 2 species are exchanged too. Built with
// sanitizers, and strict so that the threads share every sum, by tests/test_races.py. Prints a
// checksum of the final state and of all sums.
#include "run_mc.cu"
#include "watched.hpp"

int main() {
  const int replicas = 2, samples = 2;
  SmallMixture mixture(0.3, 0.1);
  const int n = mixture.n;
  if (EXCHANGES)
    for (auto& p : mixture.pairs) p.epsilon = &p - mixture.pairs.data() == 1 || &p - mixture.pairs.data() == 2 ? 1.5 : 1;
  std::vector<double> temperature(1, 1.0);
  std::vector<int32> configuration(replicas, 0), status(replicas), rebuilds(replicas), species;
  std::vector<uint64> key = {1234567, 7654321};
  std::vector<place_t> place;
  for (int r = 0; r < replicas; ++r) {
    place.insert(place.end(), mixture.origin.begin(), mixture.origin.end());
    species.insert(species.end(), mixture.types.begin(), mixture.types.end());
  }
  std::vector<packed_t> reference(replicas * D * n), move(D * BATCH);
  std::vector<int32> particle(BATCH), partner(BATCH), cage_begin(n + 1), cage(n);
  for (int i = 0; i <= n; ++i) cage_begin[i] = i;
  for (int i = 0; i < n; ++i) cage[i] = (i + 1) % n;
  std::vector<real> threshold(BATCH);
  std::vector<int64> step = {2, 6}, label(samples * 2 * n), bonds(samples * 2 * n), displacements(2 * replicas), exchanges(replicas * 8);
  std::vector<double> log(replicas * samples * LOG_COLUMNS), observable(replicas * samples * 4 * OBSERVABLES), broken2(4, 2.0);

  Watched watched(n, replicas, 6);

  std::vector<int64> last = {1};
  McArguments a{};
  a.protocol = {1, last.data(), temperature.data(), temperature.data()};
  a.hops = watched.hops(1);
  a.problem = mixture.problem();
  a.scratch = mixture.scratch();
  a.trials = {particle.data(), partner.data(), move.data(), threshold.data()};
  a.record.samples = samples, a.record.square_unit = 1048576.0;
  a.record.wavenumber = 7.2, a.record.overlap = 0.3, a.record.cage_relative = 1;
  a.record.step = step.data(), a.record.origin = mixture.origin.data(), a.record.log = log.data();
  a.record.cage_begin = cage_begin.data(), a.record.cage = cage.data(), a.record.broken2 = broken2.data();
  a.record.label = label.data(), a.record.bonds = bonds.data(), a.record.observable = observable.data();
  a.replicas = replicas, a.sweeps = 6, a.fresh = 1, a.step_size = 0.2, a.skin = 0.3, a.exchange = 0.3;
  a.configuration = configuration.data(), a.key = key.data();
  a.place = place.data(), a.reference = reference.data(), a.species = species.data();
  a.displacements = displacements.data(), a.exchanges = exchanges.data();
  a.status = status.data(), a.rebuilds = rebuilds.data();
  run_mc_entry(&a, 1);

  uint64 sum = checksum(0, place, GG_DOUBLE ? 1e12 : 1);
  for (const auto& sums : {label, bonds, displacements, exchanges}) sum = checksum(sum, sums, 1);
  sum = watched.sum(checksum(checksum(sum, species, 1), observable, 1e9));
  std::printf("status %d %d rebuilds %d %d accepted %lld exchanged %lld checksum %016llx\n", status[0], status[1], rebuilds[0], rebuilds[1],
              displacements[1], exchanges[3], sum);
  return status[0] | status[1] || rebuilds[0] < 2 || displacements[1] == 0 || (EXCHANGES && exchanges[3] == 0);
}
