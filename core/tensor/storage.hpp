#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace unroll {

class BlockCache;

// A reference-counted block of memory. Blocks come from a per-thread cache and return to it,
// whichever thread frees them, so that repeating a step with the same shapes allocates nothing. The
// size of a cache is bounded by the thread's peak use. With UNROLL_BLOCK_CACHE=0 in the environment
// every block comes from malloc, for memory debuggers.
class Storage {
public:
    // Uninitialised and 64-byte aligned, except very small blocks, which directly follow their
    // header. Throws std::bad_alloc.
    static Storage* allocate(std::size_t bytes);
    // Wraps external memory; calls `release(owner)` with the last reference.
    static Storage* adopt(void* data, void* owner, void (*release)(void*));
    // The owner of adopted memory that this function releases, else null.
    void* owner(void (*release)(void*)) const;

    void* data() const {
        if (size_class_ == adopted_class) [[unlikely]]
            return adopted_data();
        return const_cast<std::byte*>(reinterpret_cast<const std::byte*>(this)) +
               (size_class_ != 0 ? alignment : header);
    }

    // Counts in-place changes, so that a tape detects that a recorded value has changed. Concurrent
    // changes of one block may count as one.
    std::uint32_t version() const { return version_.load(std::memory_order_relaxed); }
    void changed() { version_.store(version() + 2, std::memory_order_relaxed); }
    // A mutable pointer was handed out, which may be written through at any time.
    void lend() { version_.store((version() + 2) | 1, std::memory_order_relaxed); }
    bool is_lent() const { return version() & 1; }

    void retain() { references_.fetch_add(1, std::memory_order_relaxed); }
    void release() {
        // The last reference needs no atomic decrement.
        if (references_.load(std::memory_order_acquire) == 1 ||
            references_.fetch_sub(1, std::memory_order_acq_rel) == 1)
            recycle();
    }
    std::uint32_t references() const { return references_.load(std::memory_order_relaxed); }

private:
    friend class BlockCache;
    struct Adopted;
    static constexpr std::uint32_t adopted_class = ~std::uint32_t{0};
    static constexpr std::size_t alignment = 64; // of the data, except in class 0
    static constexpr std::size_t header = 16;

    Storage(std::uint32_t size_class, std::uint32_t cache)
        : size_class_(size_class), cache_(cache) {}
    [[gnu::noinline]] static Storage* allocate_from_system(std::size_t bytes);
    void* adopted_data() const;
    void recycle();
    [[gnu::noinline]] void recycle_elsewhere();

    std::atomic<std::uint32_t> references_{1};
    std::atomic<std::uint32_t> version_{0};
    std::uint32_t size_class_;
    std::uint32_t cache_; // index of the cache that it returns to
};

class StorageRef {
public:
    StorageRef() = default;
    explicit StorageRef(Storage* owned) : storage_(owned) {}
    StorageRef(const StorageRef& other) : storage_(other.storage_) {
        if (storage_) storage_->retain();
    }
    StorageRef(StorageRef&& other) noexcept : storage_(std::exchange(other.storage_, nullptr)) {}
    StorageRef& operator=(StorageRef other) noexcept {
        std::swap(storage_, other.storage_);
        return *this;
    }
    ~StorageRef() {
        if (storage_) storage_->release();
    }

    Storage* get() const { return storage_; }
    Storage* operator->() const { return storage_; }
    explicit operator bool() const { return storage_ != nullptr; }
    friend bool operator==(const StorageRef&, const StorageRef&) = default;

private:
    Storage* storage_ = nullptr;
};

// Tensor memory of the process, for tests and reports.
struct MemoryUse {
    std::size_t bytes_in_use;       // in referenced blocks
    std::size_t bytes_free;         // in cached blocks
    std::size_t system_allocations; // blocks allocated from the system
};
MemoryUse memory_use();

} // namespace unroll
