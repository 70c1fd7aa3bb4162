#pragma once

#include <unroll/core/base/error.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace unroll {

// Whether a reader may round numbers that the wanted type cannot hold.
enum class Narrowing { refuse, allow };

// How the numbers of a file are stored.
enum class Format { f16, bf16, f32, f64, i8, i16, i32, i64, u8, u16, u32, u64, boolean };

std::size_t bytes_of(Format format);

// "double", "std::int64_t"
template <class T>
const char* type_name();

// Converts stored numbers, big-endian ones where `swapped`, to T: float, double, std::int64_t or
// bool. Integers go to any type that holds each of them exactly, truth values to 0 and 1. Where
// a number would change, throws Error beginning with `what` unless `narrowing` allows rounding;
// never turns fractions into integers, nor anything but truth values into truth values.
template <class T>
void decode(const char* operation, const std::string& what, Format format, bool swapped,
            std::span<const std::byte> from, T* to, Narrowing narrowing);

} // namespace unroll
