#pragma once

#include <cstdint>

namespace unroll {

namespace detail {
inline constexpr std::uint64_t number_block = std::uint64_t{1} << 20;
extern thread_local constinit std::uint64_t number;
void take_numbers();
} // namespace detail

// Increases from call to call on each thread; threads take numbers by the block, so that no two get
// the same. Never 0.
inline std::uint64_t next_number() {
    if (detail::number % detail::number_block == 0) [[unlikely]]
        detail::take_numbers();
    return detail::number++;
}
// Whether `number` was taken after `mark`, as far as it can be told: by the same thread, and within
// one block.
inline bool is_taken_after(std::uint64_t number, std::uint64_t mark) {
    return number > mark && number / detail::number_block == mark / detail::number_block;
}

} // namespace unroll
