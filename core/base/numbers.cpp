#include <unroll/core/base/numbers.hpp>

#include <atomic>

namespace unroll {

thread_local constinit std::uint64_t detail::number = 0;

void detail::take_numbers() {
    static std::atomic<std::uint64_t> blocks{0};
    number = number_block * blocks.fetch_add(1) + 1;
}

} // namespace unroll
