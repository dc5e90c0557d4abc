// What operations of XLA on the CPU share: where their arrays are, and threads.
// Each argument may have one more axis in front, of networks; what lacks it, or has one, serves all.
#pragma once
#include <atomic>
#include <thread>
#include <vector>

#include "portable.cuh"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

struct Place {
  char* data = nullptr;
  int64 step = 0;  // bytes from one network to the next
  template <class T>
  T* of(int network) const {
    return reinterpret_cast<T*>(data + network * step);
  }
};

inline Place place(const ffi::AnyBuffer& buffer, size_t rank, int networks) {
  const auto dimensions = buffer.dimensions();
  const bool many = dimensions.size() > rank && dimensions[0] > 1;
  return {static_cast<char*>(buffer.untyped_data()), many ? int64(buffer.size_bytes()) / networks : 0};
}

// Calls work(task, thread) for every task, on several threads.
template <class Work>
void share(int tasks, int threads, Work work) {
  std::atomic<int> next(0);
  auto run = [&](int thread) {
    for (int task = next++; task < tasks; task = next++) work(task, thread);
  };
  std::vector<std::thread> started;
  for (int t = 1; t < threads; ++t) started.emplace_back(run, t);
  run(0);
  for (auto& thread : started) thread.join();
}
