// The real kernel of event-driven dynamics under the threads reader: a small mixture of hard spheres off a
// lattice, lists rebuilt several times, labels and hops on; then it grows a little. Built with sanitizers by
// tests/test_races.py. Prints a checksum of the final state and of all sums.
#include "run_edmd.cu"
#include "watched.hpp"

int main() {
  const int replicas = 2, samples = 2;
  SmallMixture mixture(0.3, 0.05);
  const int n = mixture.n, wide = padded(n);
  for (auto& p : mixture.pairs) p.list_cut2 = 1.25 * 1.25;
  std::vector<double> temperature(replicas, 1.0), impulse(replicas), history(replicas * 50 * 3);
  std::vector<int32> configuration(replicas, 0), status(replicas), rebuilds(replicas);
  std::vector<int32> partner(replicas * n), known(replicas * n), collisions(replicas * n);
  std::vector<uint64> key = {1234567, 7654321};
  std::vector<real> where(replicas * n * 4), heading(replicas * n * 4), event(replicas * wide);
  for (int r = 0; r < replicas; ++r)
    for (int i = 0; i < n; ++i) {
      for (int d = 0; d < D; ++d) where[(r * n + i) * 4 + d] = mixture.origin[d * n + i];
      heading[(r * n + i) * 4 + 3] = i % 2 ? 0.42 : 0.47;
    }
  std::vector<packed_t> reference(replicas * D * n);
  std::vector<real> node(2 * CHILDREN);
  std::vector<int32> winner(2 * CHILDREN);
  std::vector<place_t> now(D * n);
  std::vector<int64> step = {2, 6}, label(samples * 2 * n), meetings(replicas * 4), missed(replicas);
  std::vector<double> log(replicas * samples * LOG_COLUMNS), observable(replicas * samples * 2 * OBSERVABLES);
  Watched watched(n, replicas, 6);

  EdmdArguments a{};
  a.hops = watched.hops(1);
  a.problem = mixture.problem();
  a.scratch = mixture.scratch();
  a.record.samples = samples, a.record.square_unit = 1048576.0;
  a.record.wavenumber = 7.2, a.record.overlap = 0.3;
  a.record.step = step.data(), a.record.origin = mixture.origin.data(), a.record.log = log.data();
  a.record.label = label.data(), a.record.observable = observable.data();
  a.replicas = replicas, a.steps = 6, a.fresh = 1, a.draw_velocities = 1, a.seen = 50, a.nodes = CHILDREN;
  a.dt = 0.02, a.skin = 0.25, a.scale = 1;
  a.configuration = configuration.data(), a.temperature = temperature.data(), a.key = key.data();
  a.where = where.data(), a.heading = heading.data(), a.event = event.data();
  a.partner = partner.data(), a.known = known.data(), a.collisions = collisions.data(), a.reference = reference.data();
  a.impulse = impulse.data(), a.meetings = meetings.data(), a.missed = missed.data(), a.history = history.data();
  a.node = node.data(), a.winner = winner.data(), a.now = now.data();
  a.status = status.data(), a.rebuilds = rebuilds.data();
  run_edmd_entry(&a, 1);
  uint64 sum = checksum(checksum(0, history, 1e12), label, 1);
  const int64 met = meetings[0] + meetings[1] + meetings[3], built = rebuilds[0];

  a.hops.every = 0, a.record.samples = 0, a.history = nullptr;
  a.first_step = 6, a.steps = 2, a.fresh = a.draw_velocities = 0, a.scale = 1 - 0.12 * 1e-3, a.growth = 1e-3;
  run_edmd_entry(&a, 1);
  sum = watched.sum(checksum(checksum(checksum(sum, where, 1e12), heading, 1e12), observable, 1e9));
  std::printf("status %d %d met %lld then %lld rebuilds %lld checksum %016llx\n", status[0], status[1], met, meetings[1] - met, built, sum);
  return status[0] | status[1] || met < 50 || built < 2 || meetings[1] == 0;
}
