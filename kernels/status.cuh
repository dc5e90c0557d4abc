// What can go wrong inside a kernel, one bit each; glassgpu/launch.py turns them into errors.
#pragma once

constexpr int32 LIST_OVERFLOW = 1;  // a neighbour list was too short: it is doubled, the chunk repeated
constexpr int32 RUNAWAY = 2;        // a particle would move more than largest_step in one step, or NaN
constexpr int32 OVERLAP = 4;        // a force above LARGEST_FORCE, infinite or NaN
constexpr int32 LABEL_RANGE = 8;    // a displacement too large for the fixed-point sums

constexpr double LARGEST_FORCE = 1e7;             // unit: energy / length
constexpr double LARGEST_ENERGY = 1e12;           // of one particle at the start of a run
constexpr double LARGEST_DISPLACEMENT = 2000;     // sums over 2^20 replicas stay below 2^62
constexpr double LENGTH_UNIT = 1073741824.0;      // |dr| is summed in units of 2^-30
