// The real molecular-dynamics kernel under the threads reader: a small mixture, lists rebuilt
// several times, thermostat, labels and observables on. Built with sanitizers by
// tests/test_races.py. Prints a checksum of the final places and of all sums.
#define GG_NOISE 1
#define GG_SCORES 1
#include "run_md.cu"
#include "watched.hpp"

int main() {
  const int replicas = 2, samples = 2, hove_bins = 50;
  SmallMixture mixture(0.15, 0);
  const int n = mixture.n;
  std::vector<double> temperature(1, 1.0), chain(replicas * CHAIN_STATE);
  std::vector<int32> configuration(replicas, 0), status(replicas), rebuilds(replicas);
  std::vector<uint64> key = {1234567, 7654321};
  std::vector<place_t> place;
  for (int r = 0; r < replicas; ++r) place.insert(place.end(), mixture.origin.begin(), mixture.origin.end());
  std::vector<real> velocity(replicas * D * n);
  std::vector<packed_t> reference(replicas * D * n);
  std::vector<int64> step = {20, 60}, label(samples * 2 * n), drift(samples * D * n), histogram(samples * 2 * hove_bins);
  std::vector<double> log(replicas * samples * LOG_COLUMNS), observable(replicas * samples * 2 * OBSERVABLES);

  Watched watched(n, replicas, 15);

  std::vector<int64> last = {1};
  MdArguments a{};
  a.protocol = {1, last.data(), temperature.data(), temperature.data()};
  a.hops = watched.hops(4);
  const int entries = 60;
  std::vector<real> table(SPECIES * (entries + 2), real(0.25));
  std::vector<int32> group(n);
  std::vector<double> scores(replicas * samples * 2 * 2);
  for (int i = 0; i < n; ++i) group[i] = i % 3 - 1;
  a.scores = {2, entries, 1.5, 0.1, table.data(), group.data(), scores.data()};
  a.problem = mixture.problem();
  a.scratch = mixture.scratch();
  a.record.samples = samples, a.record.bins = hove_bins, a.record.square_unit = 1048576.0;
  a.record.wavenumber = 7.2, a.record.overlap = 0.3, a.record.bin_width = 0.02;
  a.record.step = step.data(), a.record.origin = mixture.origin.data(), a.record.log = log.data();
  a.record.label = label.data(), a.record.drift = drift.data();
  a.record.observable = observable.data(), a.record.histogram = histogram.data();
  a.replicas = replicas, a.steps = 60, a.fresh = 1, a.draw_velocities = 1, a.thermostat = 1;
  a.dt = 0.004, a.skin = 0.15, a.largest_step = 0.5, a.thermostat_time = 0.2;
  a.configuration = configuration.data(), a.key = key.data();
  a.place = place.data(), a.velocity = velocity.data(), a.reference = reference.data(), a.chain = chain.data();
  a.status = status.data(), a.rebuilds = rebuilds.data();
  run_md_entry(&a, 1);
  // Again from where it ended, with noise and a bath that warms up.
  std::vector<int64> ends = {20, 60};
  std::vector<double> from = {1.0, 1.0}, to = {1.0, 1.3};
  a.protocol = {2, ends.data(), from.data(), to.data()};
  a.thermostat = LANGEVIN, a.draw_velocities = 0;
  run_md_entry(&a, 1);

  uint64 sum = checksum(0, place, GG_DOUBLE ? 1e12 : 1);
  for (const auto& sums : {label, drift, histogram}) sum = checksum(sum, sums, 1);
  sum = watched.sum(checksum(checksum(sum, observable, 1e9), scores, 1e6));
  std::printf("status %d %d rebuilds %d %d checksum %016llx\n", status[0], status[1], rebuilds[0], rebuilds[1], sum);
  return status[0] | status[1] || rebuilds[0] < 2;
}
