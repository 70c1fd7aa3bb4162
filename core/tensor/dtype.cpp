#include <unroll/core/tensor/dtype.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <cstring>
#include <limits>
#include <utility>

namespace unroll {

static_assert(std::endian::native == std::endian::little, "files are read on such machines only");

namespace {

struct Half {
    std::uint16_t bits;

    operator float() const {
        const std::uint32_t sign = std::uint32_t{bits} >> 15 << 31;
        const std::uint32_t exponent = bits >> 10 & 31;
        const std::uint32_t fraction = bits & 1023;
        if (exponent == 0) {
            const float size = static_cast<float>(fraction) * 0x1p-24f;
            return sign != 0 ? -size : size;
        }
        const std::uint32_t widened = exponent == 31 ? 255 : exponent + 112;
        return std::bit_cast<float>(sign | widened << 23 | fraction << 13);
    }
};

struct BrainFloat {
    std::uint16_t bits;

    operator float() const { return std::bit_cast<float>(std::uint32_t{bits} << 16); }
};

// A boolean stored as any byte value.
struct Truth {
    std::uint8_t bits;

    operator bool() const { return bits != 0; }
};

template <class Stored>
Stored load(const std::byte* from, bool swapped) {
    std::array<std::byte, sizeof(Stored)> bytes;
    std::copy_n(from, bytes.size(), bytes.begin());
    if (swapped) std::reverse(bytes.begin(), bytes.end());
    return std::bit_cast<Stored>(bytes);
}

template <class T>
constexpr bool is_fractional =
    std::same_as<T, Half> || std::same_as<T, BrainFloat> || std::floating_point<T>;

// Whether some values of the first type are not representable in the second.
template <class Stored, class T>
constexpr bool may_round = (std::same_as<Stored, double> && std::same_as<T, float>) ||
                           (std::integral<Stored> &&
                            std::numeric_limits<Stored>::digits > std::numeric_limits<T>::digits);

template <class Stored, class T>
bool is_exact(Stored stored) {
    if constexpr (std::integral<Stored> && std::floating_point<T>) {
        // The largest integer rounds up to a power of two, which does not convert back.
        const T converted = static_cast<T>(stored);
        const T limit = static_cast<T>(std::numeric_limits<Stored>::max() / 2 + 1) * T(2);
        return converted < limit && static_cast<Stored>(converted) == stored;
    } else if constexpr (std::integral<Stored>) {
        return std::in_range<T>(stored);
    } else {
        return true;
    }
}

template <class Stored, class T>
struct Decoder {
    const char* operation;
    const std::string& what;

    [[noreturn]] void refuse(const std::string& held) const {
        fail(operation, what + ": " + held + " cannot be read as " + type_name<T>());
    }

    void run(std::span<const std::byte> from, bool swapped, T* to, Narrowing narrowing) const {
        constexpr bool to_truth = std::same_as<T, bool> && !std::same_as<Stored, Truth>;
        constexpr bool to_integer = std::same_as<T, std::int64_t> && is_fractional<Stored>;
        if constexpr (to_truth || to_integer) {
            refuse(is_fractional<Stored> ? "floating-point numbers" : "integers");
        } else {
            constexpr bool rounds = may_round<Stored, T>;
            if (rounds && std::floating_point<Stored> && narrowing == Narrowing::refuse)
                refuse("64-bit numbers, unless rounding is allowed (Narrowing::allow),");
            // Plain bytes of the same type.
            if constexpr (std::same_as<Stored, T>) {
                if (!swapped && !from.empty()) std::memcpy(to, from.data(), from.size());
                if (!swapped) return;
            }
            for (std::size_t i = 0; i < from.size() / sizeof(Stored); ++i) {
                const auto stored = load<Stored>(from.data() + i * sizeof(Stored), swapped);
                if constexpr (rounds && std::integral<Stored>) {
                    const bool allowed = std::floating_point<T> && narrowing == Narrowing::allow;
                    if (!allowed && !is_exact<Stored, T>(stored))
                        refuse("element " + std::to_string(i) + ", which is " +
                               std::to_string(stored) + ",");
                }
                to[i] = static_cast<T>(stored);
            }
        }
    }
};

} // namespace

std::size_t bytes_of(Dtype dtype) {
    switch (dtype) {
    case Dtype::i8:
    case Dtype::u8:
    case Dtype::boolean: return 1;
    case Dtype::f16:
    case Dtype::bf16:
    case Dtype::i16:
    case Dtype::u16: return 2;
    case Dtype::f32:
    case Dtype::i32:
    case Dtype::u32: return 4;
    default: return 8;
    }
}

template <>
const char* type_name<float>() {
    return "float";
}
template <>
const char* type_name<double>() {
    return "double";
}
template <>
const char* type_name<std::int64_t>() {
    return "std::int64_t";
}
template <>
const char* type_name<bool>() {
    return "bool";
}

template <class T>
void decode(const char* operation, const std::string& what, Dtype dtype, bool swapped,
            std::span<const std::byte> from, T* to, Narrowing narrowing) {
    const auto as = [&]<class Stored>(Stored) {
        Decoder<Stored, T>{operation, what}.run(from, swapped, to, narrowing);
    };
    switch (dtype) {
    case Dtype::f16: return as(Half{});
    case Dtype::bf16: return as(BrainFloat{});
    case Dtype::f32: return as(float{});
    case Dtype::f64: return as(double{});
    case Dtype::i8: return as(std::int8_t{});
    case Dtype::i16: return as(std::int16_t{});
    case Dtype::i32: return as(std::int32_t{});
    case Dtype::i64: return as(std::int64_t{});
    case Dtype::u8: return as(std::uint8_t{});
    case Dtype::u16: return as(std::uint16_t{});
    case Dtype::u32: return as(std::uint32_t{});
    case Dtype::u64: return as(std::uint64_t{});
    case Dtype::boolean: return as(Truth{});
    }
}

template void decode(const char*, const std::string&, Dtype, bool, std::span<const std::byte>,
                     float*, Narrowing);
template void decode(const char*, const std::string&, Dtype, bool, std::span<const std::byte>,
                     double*, Narrowing);
template void decode(const char*, const std::string&, Dtype, bool, std::span<const std::byte>,
                     std::int64_t*, Narrowing);
template void decode(const char*, const std::string&, Dtype, bool, std::span<const std::byte>,
                     bool*, Narrowing);

} // namespace unroll
