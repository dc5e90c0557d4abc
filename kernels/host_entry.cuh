// How a host program starts a kernel: worker threads take the replicas one after another, each
// worker with a scratch slot of its own. Under the threads reader a team shares each replica.
#pragma once
#include <atomic>
#include <thread>
#include <vector>

template <class Arguments, class Kernel>
inline void over_replicas(const Arguments& a, int workers, Kernel kernel) {
  std::vector<std::thread> started;
#if defined(GG_READER_THREADS)
  (void)workers;
  for (auto& flag : team().any) flag = 0;
  auto work = [&](int rank) {
    member() = Member{rank, 0, 0};
    for (int r = 0; r < a.replicas; ++r) {
      kernel(a, r, 0);
      meet();
    }
  };
  for (int rank = 1; rank < GG_TEAM; ++rank) started.emplace_back(work, rank);
#else
  std::atomic<int> next(0);
  auto work = [&](int slot) {
    for (int r = next++; r < a.replicas; r = next++) kernel(a, r, slot);
  };
  for (int slot = 1; slot < workers; ++slot) started.emplace_back(work, slot);
#endif
  work(0);
  for (auto& thread : started) thread.join();
}

#define GG_ENTRY(kernel, Arguments)                                                             \
  static_assert(sizeof(Arguments) == GG_ARGUMENTS_SIZE, "Python and C++ disagree on " #kernel); \
  extern "C" __attribute__((visibility("default"))) void kernel##_entry(const Arguments* a,     \
                                                                        int workers) {          \
    over_replicas(*a, workers,                                                                  \
                  [](const Arguments& b, int replica, int slot) { kernel(b, replica, slot); }); \
  }
