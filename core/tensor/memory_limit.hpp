#pragma once

#include <cstddef>

namespace unroll {

// For its scope, this thread's tensors may take at most `bytes` from the system; beyond that they
// throw std::bad_alloc. For models whose size is given by an untrusted file.
class MemoryLimit {
public:
    explicit MemoryLimit(std::size_t bytes);
    ~MemoryLimit();
    MemoryLimit(const MemoryLimit&) = delete;
    MemoryLimit& operator=(const MemoryLimit&) = delete;

private:
    std::size_t outer_;
};

} // namespace unroll
