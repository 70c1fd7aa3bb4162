#pragma once

#include <unroll/core/base/error.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace unroll {

// Whether a reader may round numbers that the requested type cannot represent.
enum class Narrowing { refuse, allow };

// Element types of files.
enum class Dtype { f16, bf16, f32, f64, i8, i16, i32, i64, u8, u16, u32, u64, boolean };

std::size_t bytes_of(Dtype dtype);

// "double", "std::int64_t"
template <class T>
const char* type_name();

// Converts stored numbers, in reverse byte order if `swapped`, to T: float, double, std::int64_t or
// bool. Integers convert to any type that represents each of them exactly, booleans to 0 and 1.
// Throws Error, beginning with `what`, if a number would change, unless `narrowing` allows
// rounding; and always for fractions to integers, and for anything but booleans to booleans.
template <class T>
void decode(const char* operation, const std::string& what, Dtype dtype, bool swapped,
            std::span<const std::byte> from, T* to, Narrowing narrowing);

} // namespace unroll
