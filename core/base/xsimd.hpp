#pragma once

// The only place that includes xsimd. The denormal handling in the logarithms of xsimd 8.1 does not
// compile for AVX-512 without optimisation and is wrong in double; unroll::log handles denormals
// instead.
#ifndef XSIMD_NO_DENORMALS
#define XSIMD_NO_DENORMALS
#endif
#include <xsimd/xsimd.hpp>
