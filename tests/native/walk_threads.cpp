// The real kernel of steepest descent under the threads reader: two small mixtures off their lattice. Built with
// sanitizers by tests/test_races.py. Prints a checksum of the final places.
#include "run_walk.cu"
#include "small_mixture.hpp"

int main() {
  const int steps = 15;
  SmallMixture mixture(0.3, 0.3);
  const int n = mixture.n;
  std::vector<place_t> place = mixture.origin, start(D * n), previous(D * n);
  std::vector<real> stiffest(D * n), first_force(D * n), force(D * n);
  std::vector<packed_t> reference(D * n);
  std::vector<double> walk(WALK_STATE), trace(steps);
  std::vector<int32> status(1), accepted(1);

  WalkArguments a{};
  a.problem = mixture.problem();
  a.scratch = mixture.scratch();
  a.replicas = 1, a.steps = steps;
  a.skin = 0.3, a.force_limit = 1e-8;
  a.place = place.data(), a.start = start.data(), a.previous = previous.data(), a.reference = reference.data();
  a.stiffest = stiffest.data(), a.first_force = first_force.data(), a.walk = walk.data();
  a.force = force.data(), a.trace = trace.data(), a.accepted = accepted.data(), a.status = status.data();
  run_walk_entry(&a, 1);

  std::printf("status %d accepted %d checksum %016llx\n", status[0], accepted[0], checksum(checksum(0, place, 1e12), trace, 1e6));
  return status[0] || accepted[0] < 8 || !(trace[accepted[0] - 1] < trace[0]);
}
