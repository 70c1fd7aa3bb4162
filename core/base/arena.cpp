#include <unroll/core/base/arena.hpp>

#include <algorithm>

namespace unroll {

std::size_t Arena::next_chunk(std::size_t bytes) {
    constexpr std::size_t usual = std::size_t{1} << 18;
    if (!chunks_.empty()) ++chunk_;
    while (chunk_ < chunks_.size() && chunks_[chunk_].bytes < bytes) ++chunk_;
    if (chunk_ >= chunks_.size()) {
        const std::size_t size = std::max(usual, bytes);
        chunks_.push_back({std::make_unique_for_overwrite<std::byte[]>(size), size});
        chunk_ = chunks_.size() - 1;
    }
    return 0;
}

} // namespace unroll
