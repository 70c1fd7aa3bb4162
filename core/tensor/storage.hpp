#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace unroll {

class BlockCache;

// A reference-counted block of memory. Blocks come from a cache of the thread and go back to it,
// whichever thread frees them, so that a step repeated with the same shapes allocates nothing. What
// a thread's cache holds is bounded by what the thread had in use at its peak.
class Storage {
public:
    // Not initialised; 64-byte aligned, but for a few bytes, which lie behind their header.
    // Throws std::bad_alloc.
    static Storage* allocate(std::size_t bytes);
    // Memory that belongs to someone else; `release(owner)` is called with the last reference.
    static Storage* adopt(void* data, void* owner, void (*release)(void*));
    // The owner of adopted memory that this function releases, else null.
    void* owner(void (*release)(void*)) const;

    void* data() const;

    // Counts the changes made in place, so that a tape notices a value that is no longer the one it
    // recorded. Concurrent changes of one block may count as one.
    std::uint32_t version() const { return version_.load(std::memory_order_relaxed); }
    void changed() { version_.store(version() + 2, std::memory_order_relaxed); }
    // Somebody may write at any time, through a pointer that was handed out.
    void lend() { version_.store((version() + 2) | 1, std::memory_order_relaxed); }
    bool is_lent() const { return version() & 1; }

    void retain() { references_.fetch_add(1, std::memory_order_relaxed); }
    void release() {
        // The last reference need not be taken away.
        if (references_.load(std::memory_order_acquire) == 1 ||
            references_.fetch_sub(1, std::memory_order_acq_rel) == 1)
            recycle();
    }
    std::uint32_t references() const { return references_.load(std::memory_order_relaxed); }

private:
    friend class BlockCache;
    struct Adopted;
    Storage(std::uint32_t size_class, std::uint32_t cache)
        : size_class_(size_class), cache_(cache) {}
    [[gnu::noinline]] static Storage* allocate_from_system(std::size_t bytes);
    void recycle();
    [[gnu::noinline]] void recycle_elsewhere();

    std::atomic<std::uint32_t> references_{1};
    std::atomic<std::uint32_t> version_{0};
    std::uint32_t size_class_;
    std::uint32_t cache_; // the number of the one that it goes back to
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

// What the process holds for tensors, for tests and for reports.
struct MemoryUse {
    std::size_t bytes_in_use;       // in blocks that somebody refers to
    std::size_t bytes_free;         // in blocks that the caches hold for the next allocation
    std::size_t system_allocations; // blocks that no cache had
};
MemoryUse memory_use();

} // namespace unroll
