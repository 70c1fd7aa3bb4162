#pragma once

// Includes xsimd, for every file that needs it. What xsimd 8.1 does for denormals in its logarithms
// does not compile for AVX-512 without optimisation, and is wrong in double: unroll::log does it.
#ifndef XSIMD_NO_DENORMALS
#define XSIMD_NO_DENORMALS
#endif
#include <xsimd/xsimd.hpp>
