#pragma once

// The only place that includes xsimd. The denormal handling in the logarithms of xsimd 8.1 does not
// compile for AVX-512 without optimisation and is wrong in double; unroll::log handles denormals
// instead.
#ifndef XSIMD_NO_DENORMALS
#define XSIMD_NO_DENORMALS
#endif
// GCC 12 warns about the vector that AVX-512 intrinsics intentionally leave undefined, in every
// function that uses one (GCC bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <xsimd/xsimd.hpp>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
