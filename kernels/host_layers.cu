// layers.cuh as an operation of XLA on the CPU: glassgpu/models/epochs.py binds it to JAX.
#include "host_ffi.cuh"
#include "layers.cuh"

namespace {

// Arguments: weights, mean, square (network, whole); x, y, order, rates, kept, depth, keys; steps made before (1).
// Results: weights, mean, square, loss.
ffi::Error run_layers(int32 hidden, int32 threads, ffi::RemainingArgs args, ffi::RemainingRets rets) {
  auto data = [&](int i) { return args.get<ffi::AnyBuffer>(i)->untyped_data(); };
  auto size = [&](int i, int axis) { return static_cast<int>(args.get<ffi::AnyBuffer>(i)->dimensions()[axis]); };
  auto wanted = [&](int i) { return static_cast<float*>((*rets.get<ffi::AnyBuffer>(i))->untyped_data()); };
  Epoch e{};
  e.size = {size(3, 1), hidden, size(4, 2), size(0, 0), size(5, 1), size(5, 0)};
  e.x = static_cast<float*>(data(3)), e.y = static_cast<float*>(data(4)), e.order = static_cast<int32*>(data(5));
  e.rates = static_cast<float*>(data(6)), e.kept = static_cast<float*>(data(7)), e.depth = static_cast<int32*>(data(8));
  e.keys = static_cast<uint32*>(data(9)), e.before = *static_cast<int32*>(data(10));
  e.weights = wanted(0), e.mean = wanted(1), e.square = wanted(2), e.loss = wanted(3);
  for (int i = 0; i < 3; ++i) memcpy(wanted(i), data(i), args.get<ffi::AnyBuffer>(i)->size_bytes());
  const int tasks = (e.size.networks + TOGETHER - 1) / TOGETHER;
  threads = greatest(1, least(threads, tasks));
  std::vector<std::vector<float>> desks(threads, std::vector<float>(e.size.desk()));
  share(tasks, threads, [&](int task, int thread) { run_epoch(e, task * TOGETHER, desks[thread].data()); });
  return ffi::Error::Success();
}

}  // namespace

#pragma GCC visibility push(default)
XLA_FFI_DEFINE_HANDLER_SYMBOL(
    train_layers, run_layers, ffi::Ffi::Bind().Attr<int32>("hidden").Attr<int32>("threads").RemainingArgs().RemainingRets());
#pragma GCC visibility pop
