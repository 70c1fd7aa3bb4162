#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace unroll {

// Allocates memory that is freed all at once. reset() keeps the chunks for reuse.
class Arena {
public:
    void* allocate(std::size_t bytes, std::size_t alignment) {
        std::size_t at = (used_ + alignment - 1) / alignment * alignment;
        if (chunk_ >= chunks_.size() || at + bytes > chunks_[chunk_].bytes) at = next_chunk(bytes);
        used_ = at + bytes;
        std::byte* const memory = chunks_[chunk_].memory.get();
        if (at + ahead < chunks_[chunk_].bytes) __builtin_prefetch(memory + at + ahead, 1);
        return memory + at;
    }
    template <class U>
    U* array(std::size_t n) {
        return static_cast<U*>(allocate(n * sizeof(U), alignof(U)));
    }
    void reset() { chunk_ = used_ = 0; }

private:
    struct Chunk {
        std::unique_ptr<std::byte[]> memory;
        std::size_t bytes;
    };
    std::size_t next_chunk(std::size_t bytes);

    static constexpr std::size_t ahead = 256; // bytes, that the next allocations will write

    std::vector<Chunk> chunks_;
    std::size_t chunk_ = 0;
    std::size_t used_ = 0;
};

} // namespace unroll
