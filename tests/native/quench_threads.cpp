// The real quench kernel under the threads reader: two small mixtures off their lattice. Built with
// sanitizers by tests/test_races.py. Prints a checksum of the final places.
#include "run_quench.cu"
#include "small_mixture.hpp"

int main() {
  const int steps = 60;
  SmallMixture mixture(0.3, 0.3);
  const int n = mixture.n;
  std::vector<place_t> place = mixture.origin, before(D * n);
  std::vector<real> direction(D * n), force(D * n), force_before(D * n);
  std::vector<float> taken(PAIRS * D * n), change(PAIRS * D * n);
  std::vector<packed_t> reference(D * n);
  std::vector<double> descent(QUENCH_STATE), trace(steps);
  std::vector<int32> status(1), accepted(1);

  QuenchArguments a{};
  a.problem = mixture.problem();
  a.scratch = mixture.scratch();
  a.replicas = 1, a.steps = steps;
  a.skin = 0.3, a.force_tolerance = GG_DOUBLE ? 1e-8 : 1e-3;
  a.place = place.data(), a.before = before.data(), a.direction = direction.data(), a.reference = reference.data();
  a.step = taken.data(), a.change = change.data(), a.descent = descent.data();
  a.force = force.data(), a.force_before = force_before.data(), a.trace = trace.data(), a.accepted = accepted.data(), a.status = status.data();
  run_quench_entry(&a, 1);

  std::printf("status %d accepted %d checksum %016llx\n", status[0], accepted[0], checksum(checksum(0, place, GG_DOUBLE ? 1e12 : 1), trace, 1e6));
  return status[0] || accepted[0] < 20 || !(trace[accepted[0] - 1] < trace[0]);
}
