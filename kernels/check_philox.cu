// Random words for given counters and keys: lets every target be held against known answers.
#include "rng.cuh"

struct PhiloxArguments {
  int32 replicas;         // counters
  const uint64* key;      // (counter)
  const uint32* counter;  // (counter, 4)
  uint32* word;           // (counter, 4)
};

GG_FUNCTION void check_philox(const PhiloxArguments& a, int replica, int) {
  const uint32* c = a.counter + 4 * replica;
  const Random random = philox(a.key[replica], c[0], c[1], c[2], c[3]);
  phase(4, [&](int k) { a.word[4 * replica + k] = random.word[k]; });
}

GG_ENTRY(check_philox, PhiloxArguments)
