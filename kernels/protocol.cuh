// The temperature of a bath that changes while a run goes: straight lines in time, one after another. Beyond the last the
// temperature stays.
#pragma once
#include "portable.cuh"

struct Protocol {
  int32 segments;      // at least 1
  const int64* end;    // (segment) its last step
  const double* from;  // (segment) temperature at the step before its first
  const double* to;    // (segment) temperature at its last step
};

GG_FUNCTION double temperature_at(const Protocol& p, int64 step) {
  int k = 0;
  while (k + 1 < p.segments && step > p.end[k]) ++k;
  const int64 begin = k ? p.end[k - 1] : 0;
  if (step >= p.end[k]) return p.to[k];
  return p.from[k] + (p.to[k] - p.from[k]) * (static_cast<double>(step - begin) / static_cast<double>(p.end[k] - begin));
}
