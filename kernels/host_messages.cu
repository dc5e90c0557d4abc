// messages.cuh as two operations of XLA on the CPU: glassgpu/models/messages.py binds them to JAX.
#include "host_ffi.cuh"
#include "messages.cuh"

namespace {

constexpr size_t ARGUMENT_RANKS[] = {2, 2, 3, 2, 2, 2, 1, 1, 2, 1, 3, 2};  // p q e we w2 w3 b2 b3 neighbour count d_out d_sum

struct Call {
  int networks = 1;
  std::vector<Place> given, wanted;
  Messages base{};

  Call(ffi::RemainingArgs args, ffi::RemainingRets rets, const size_t* result_ranks, int inputs, int latent, int first, int second) {
    for (size_t i = 0; i < args.size(); ++i) {
      const auto dimensions = args.get<ffi::AnyBuffer>(i)->dimensions();
      if (dimensions.size() > ARGUMENT_RANKS[i]) networks = greatest(networks, static_cast<int>(dimensions[0]));
    }
    for (size_t i = 0; i < args.size(); ++i) given.push_back(place(*args.get<ffi::AnyBuffer>(i), ARGUMENT_RANKS[i], networks));
    for (size_t i = 0; i < rets.size(); ++i) wanted.push_back(place(**rets.get<ffi::AnyBuffer>(i), result_ranks[i], networks));
    const auto e = args.get<ffi::AnyBuffer>(2)->dimensions();
    base.n = static_cast<int>(e[e.size() - 3]), base.k = static_cast<int>(e[e.size() - 2]);
    base.inputs = inputs, base.latent = latent, base.first = first, base.second = second;
  }
  Messages of(int network) const {
    Messages m = base;
    const float** fields[] = {&m.p, &m.q, &m.e, &m.we, &m.w2, &m.w3, &m.b2, &m.b3};
    for (int i = 0; i < 8; ++i) *fields[i] = given[i].of<float>(network);
    m.neighbour = given[8].of<int32>(network), m.count = given[9].of<int32>(network);
    return m;
  }
};

ffi::Error run_forward(int32 inputs, int32 latent, int32 first, int32 second, int32 threads, ffi::RemainingArgs args, ffi::RemainingRets rets) {
  constexpr size_t RANKS[] = {3, 2};
  const Call call(args, rets, RANKS, inputs, latent, first, second);
  share(call.networks * CHUNKS, threads, [&](int task, int) {
    const int network = task / CHUNKS, chunk = task % CHUNKS;
    forward(call.of(network), chunk, call.wanted[0].of<float>(network), call.wanted[1].of<float>(network));
  });
  return ffi::Error::Success();
}

// Results: p, q, we, w2, w3, b2, b3 and, if anybody asks for it, e. What chunks add to the same numbers is summed afterwards, in the order of the chunks.
ffi::Error run_backward(int32 inputs, int32 latent, int32 first, int32 second, int32 threads, ffi::RemainingArgs args, ffi::RemainingRets rets) {
  constexpr size_t RANKS[] = {2, 2, 2, 2, 2, 1, 1, 3};
  const Call call(args, rets, RANKS, inputs, latent, first, second);
  const int64 n = call.base.n, square = WIDE * WIDE, shared[] = {n * WIDE, square, square, square, WIDE, WIDE};
  static thread_local std::vector<float> parts;  // kept from call to call: fresh memory is slow
  int64 of_a_chunk = 0;
  for (int64 size : shared) of_a_chunk += size;
  parts.resize(call.networks * CHUNKS * of_a_chunk);
  float* memory = parts.data();
  share(call.networks * CHUNKS, threads, [&](int task, int) {
    const int network = task / CHUNKS;
    float* q = memory + task * of_a_chunk;
    float *we = q + n * WIDE, *w2 = we + square, *w3 = w2 + square, *b2 = w3 + square;
    const Slopes to{call.wanted[0].of<float>(network), call.wanted.size() > 7 ? call.wanted[7].of<float>(network) : nullptr, q, we, w2, w3, b2, b2 + WIDE};
    backward(call.of(network), task % CHUNKS, call.given[10].of<float>(network), call.given[11].of<float>(network), to);
  });
  share(call.networks * CHUNKS, threads, [&](int task, int) {
    const int network = task / CHUNKS, part = task % CHUNKS;
    const float* from = memory + network * CHUNKS * of_a_chunk;
    for (int i = 0; i < 6; from += shared[i++]) {
      const int64 begin = shared[i] * part / CHUNKS, end = shared[i] * (part + 1) / CHUNKS;
      float* to = call.wanted[i + 1].of<float>(network);
      memcpy(to + begin, from + begin, (end - begin) * sizeof(float));
      for (int chunk = 1; chunk < CHUNKS; ++chunk)
        for (int64 k = begin; k < end; ++k) to[k] += from[chunk * of_a_chunk + k];
    }
  });
  return ffi::Error::Success();
}

auto bound() {
  return ffi::Ffi::Bind().Attr<int32>("inputs").Attr<int32>("latent").Attr<int32>("first").Attr<int32>("second").Attr<int32>("threads").RemainingArgs().RemainingRets();
}

}  // namespace

#pragma GCC visibility push(default)
XLA_FFI_DEFINE_HANDLER_SYMBOL(messages_forward, run_forward, bound());
XLA_FFI_DEFINE_HANDLER_SYMBOL(messages_backward, run_backward, bound());
#pragma GCC visibility pop
