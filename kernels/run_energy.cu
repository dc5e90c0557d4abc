// Energy, forces and virial of configurations as they stand: one block per configuration, by the
// same lists and pair loop as the dynamics.
#include "forces.cuh"

struct EnergyArguments {
  Problem problem;
  Scratch scratch;
  int32 replicas;        // configurations
  const place_t* place;  // (configuration, D, particle)
  packed_t* reference;   // (configuration, D, particle)
  real* energy;          // (configuration, particle)
  real* force;           // (configuration, D, particle)
  double* total;         // (configuration, 2) potential energy and virial
  int32* status;         // (configuration)
};

GG_FUNCTION void run_energy(const EnergyArguments& a, int replica, int slot) {
  const Workspace w = make_workspace(a.problem, a.scratch, replica, slot);
  const int n = w.n;
  const int64 offset = static_cast<int64>(replica) * n;
  packed_t* reference = a.reference + offset * D;
  phase(n, [&](int i) {
    for (int d = 0; d < D; ++d) {
      reference[d * n + i] = pack(a.place[offset * D + d * n + i]);
      w.packed[packed_at(w, i, d)] = reference[d * n + i];
    }
    note_species(w, i);
  });
  if (!build_lists(w, reference)) {
    phase(1, [&](int) { a.status[replica] |= LIST_OVERFLOW; });
    return;
  }
  phase(n, [&](int i) {
    const Force f = force_on<true>(w, i);
    a.energy[offset + i] = f.energy;
    w.virial[i] = f.virial;
    for (int d = 0; d < D; ++d) a.force[offset * D + d * n + i] = f.component[d];
  });
  const double potential = block_sum(n, [&](int i) { return static_cast<double>(a.energy[offset + i]); });
  const double virial = block_sum(n, [&](int i) { return static_cast<double>(w.virial[i]); });
  phase(1, [&](int) {
    a.total[2 * replica] = potential;
    a.total[2 * replica + 1] = virial;
  });
}

GG_ENTRY(run_energy, EnergyArguments)
