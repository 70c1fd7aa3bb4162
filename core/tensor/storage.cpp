#include <unroll/core/tensor/memory_limit.hpp>
#include <unroll/core/tensor/storage.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdlib>
#include <mutex>
#include <new>
#include <string_view>
#include <utility>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#define UNROLL_CACHE_BLOCKS 0
#else
#define UNROLL_CACHE_BLOCKS 1
#endif

namespace unroll {

struct Storage::Adopted : Storage {
    Adopted(void* data, void* owner, void (*release)(void*))
        : Storage(adopted_class, 0), data(data), owner(owner), release(release) {}

    void* data;
    void* owner;
    void (*release)(void*);
};

namespace {

constexpr std::size_t few = 40;
constexpr std::size_t cache_line = 64;

// Class 0 fills a cache line together with malloc's header. Then there are eight classes per
// doubling, from 64 bytes on: at most a ninth of a block is unused.
std::uint32_t class_of(std::size_t bytes) {
    if (bytes <= few) return 0;
    if (bytes <= cache_line) return 1;
    const int log = std::bit_width(bytes - 1) - 1;
    const std::size_t eighth = (bytes - 1) >> (log - 3) & 7;
    return static_cast<std::uint32_t>((log - 6) * 8 + eighth + 2);
}

std::size_t class_bytes(std::uint32_t size_class) {
    if (size_class == 0) return few;
    if (size_class == 1) return cache_line;
    const std::size_t log = (size_class - 2) / 8 + 6;
    const std::size_t eighth = (size_class - 2) % 8;
    return (std::size_t{1} << log) + ((eighth + 1) << (log - 3));
}

constexpr std::uint32_t classes = 8 * 52;

// Written only by its own thread.
class Counter {
public:
    void add(std::ptrdiff_t n) { n_.store(get() + n, std::memory_order_relaxed); }
    std::ptrdiff_t get() const { return n_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::ptrdiff_t> n_{0};
};

} // namespace

// The blocks of one thread. A block that another thread frees returns to the thread that allocated
// it, so memory does not accumulate on the thread that frees it. A thread caches at most as many
// free bytes as its peak use, plus some slack. After a thread ends, its blocks are returned to the
// system as they are freed.
class BlockCache {
public:
    std::uint32_t index = 0; // in Caches::all; 0: the cache of no thread

    // Called by the owning thread.
    Storage* take(std::uint32_t size_class) {
        Storage* const block = free_[size_class];
        if (block == nullptr) return nullptr;
        free_[size_class] = next(block);
        __builtin_prefetch(free_[size_class], 1);
        free_bytes_.add(-signed_bytes(size_class));
        block->references_.store(1, std::memory_order_relaxed);
        block->version_.store(0, std::memory_order_relaxed);
        return block;
    }
    void put(Storage* block) {
        next(block) = std::exchange(free_[block->size_class_], block);
        free_bytes_.add(bytes_of(block));
    }
    void put_returned() {
        if (returned_.load(std::memory_order_relaxed) == nullptr) return;
        for (Storage* block = returned_.exchange(nullptr); block != nullptr;) {
            Storage* const following = next(block);
            returned_bytes_.fetch_sub(bytes_of(block), std::memory_order_relaxed);
            put(block);
            block = following;
        }
    }
    // Before a block of this size is allocated from the system.
    void make_room(std::size_t bytes) {
        const std::ptrdiff_t wanted = static_cast<std::ptrdiff_t>(bytes);
        peak_ = std::max(peak_, owned_bytes() - free_bytes_.get() + wanted);
        const std::ptrdiff_t most = 2 * peak_ + slack;
        for (std::uint32_t c = 0; c < classes && owned_bytes() + wanted > most; ++c) {
            Storage*& list = free_[next_evicted_];
            while (list != nullptr && owned_bytes() + wanted > most) disown_first(list);
            if (list == nullptr) next_evicted_ = (next_evicted_ + 1) % classes;
        }
    }
    void begin() {
        has_thread_ = true;
        peak_ = owned_bytes();
    }
    void end() {
        has_thread_ = false;
        disown_returned();
        empty();
    }
    void empty() {
        for (Storage*& list : free_)
            while (list != nullptr) disown_first(list);
    }

    // Called by any thread.
    void own(std::size_t bytes) {
        owned_bytes_.fetch_add(static_cast<std::ptrdiff_t>(bytes), std::memory_order_relaxed);
        system_allocations_.fetch_add(1, std::memory_order_relaxed);
    }
    void give_back(Storage* block) {
        if (!has_thread_) return disown(block);
        returned_bytes_.fetch_add(bytes_of(block), std::memory_order_relaxed);
        Storage* first = returned_.load(std::memory_order_relaxed);
        do next(block) = first;
        while (!returned_.compare_exchange_weak(first, block));
        // Either end() sees the block, or this thread sees that the owner has ended.
        if (!has_thread_) disown_returned();
    }
    std::ptrdiff_t owned_bytes() const { return owned_bytes_.load(std::memory_order_relaxed); }
    std::ptrdiff_t free_bytes() const {
        return free_bytes_.get() + returned_bytes_.load(std::memory_order_relaxed);
    }
    std::size_t system_allocations() const {
        return system_allocations_.load(std::memory_order_relaxed);
    }

private:
    static constexpr std::ptrdiff_t slack = std::ptrdiff_t{4} << 20;

    // A free block's link, next to its header: there are at least 40 bytes.
    static Storage*& next(Storage* block) {
        return *reinterpret_cast<Storage**>(reinterpret_cast<std::byte*>(block) + Storage::header);
    }
    static std::ptrdiff_t bytes_of(const Storage* block) {
        return signed_bytes(block->size_class_);
    }
    static std::ptrdiff_t signed_bytes(std::uint32_t size_class) {
        return static_cast<std::ptrdiff_t>(class_bytes(size_class));
    }
    void disown(Storage* block) {
        owned_bytes_.fetch_sub(bytes_of(block), std::memory_order_relaxed);
        block->~Storage();
        std::free(static_cast<void*>(block));
    }
    void disown_first(Storage*& list) {
        Storage* const block = std::exchange(list, next(list));
        free_bytes_.add(-bytes_of(block));
        disown(block);
    }
    void disown_returned() {
        for (Storage* block = returned_.exchange(nullptr); block != nullptr;) {
            Storage* const following = next(block);
            returned_bytes_.fetch_sub(bytes_of(block), std::memory_order_relaxed);
            disown(block);
            block = following;
        }
    }

    // Accessed only by the owning thread.
    std::array<Storage*, classes> free_{};
    Counter free_bytes_;      // in free_
    std::ptrdiff_t peak_ = 0; // peak bytes in use, sampled at system allocations
    std::uint32_t next_evicted_ = 0;
    // Shared.
    alignas(64) std::atomic<Storage*> returned_{nullptr};
    std::atomic<std::ptrdiff_t> returned_bytes_{0}; // in returned_
    std::atomic<std::ptrdiff_t> owned_bytes_{0};    // in use, in free_ and in returned_
    std::atomic<std::size_t> system_allocations_{0};
    std::atomic<bool> has_thread_{false};
};

namespace {

// The caches of all threads. A new thread takes over the cache of one that has ended. The first
// cache never has a thread; it owns the blocks that bypass the caches.
struct Caches {
    std::mutex mutex;
    std::array<BlockCache*, 4096> all{};
    std::size_t count = 1;
    std::vector<BlockCache*> idle;

    Caches() { all[0] = new BlockCache; }

    static Caches& get() {
        static Caches* const caches = new Caches;
        return *caches;
    }

    BlockCache* begin() {
        const std::lock_guard lock(mutex);
        BlockCache* cache = nullptr;
        if (!idle.empty()) {
            cache = idle.back();
            idle.pop_back();
        } else if (count < all.size()) {
            idle.reserve(count);
            cache = new BlockCache;
            cache->index = static_cast<std::uint32_t>(count);
            all[count++] = cache;
        } else {
            return nullptr;
        }
        cache->begin();
        return cache;
    }
    void end(BlockCache* cache) {
        cache->end();
        const std::lock_guard lock(mutex);
        idle.push_back(cache);
    }
};

thread_local constinit BlockCache* cache = nullptr;

// The thread's cache; null during thread exit.
BlockCache* my_cache() {
    if (cache != nullptr) [[likely]]
        return cache;
    static const bool enabled = [] {
        const char* const setting = std::getenv("UNROLL_BLOCK_CACHE");
        return UNROLL_CACHE_BLOCKS && (setting == nullptr || std::string_view(setting) != "0");
    }();
    if (!enabled) return nullptr;
    thread_local constinit bool has_ended = false;
    if (has_ended) return nullptr;
    struct Owner {
        BlockCache* const mine = Caches::get().begin();
        ~Owner() {
            unroll::cache = nullptr;
            has_ended = true;
            if (mine != nullptr) Caches::get().end(mine);
        }
    };
    thread_local Owner owner;
    return cache = owner.mine;
}

} // namespace

Storage* Storage::allocate(std::size_t bytes) {
    const std::uint32_t size_class = class_of(bytes);
    if (size_class < classes && cache != nullptr) [[likely]]
        if (Storage* const block = cache->take(size_class)) [[likely]]
            return block;
    return allocate_from_system(bytes);
}

namespace {

constinit thread_local std::size_t allowed = ~std::size_t{0}; // by a MemoryLimit

} // namespace

MemoryLimit::MemoryLimit(std::size_t bytes)
    : outer_(std::exchange(allowed, std::min(allowed, bytes))) {}
MemoryLimit::~MemoryLimit() { allowed = outer_; }

// Unless other threads have returned a block of that size.
Storage* Storage::allocate_from_system(std::size_t bytes) {
    static_assert(sizeof(Storage) == header);
    const std::uint32_t size_class = class_of(bytes);
    if (size_class >= classes) throw std::bad_alloc();
    const std::size_t size = class_bytes(size_class);
    BlockCache* const mine = my_cache();
    if (mine != nullptr) {
        mine->put_returned();
        if (Storage* const block = mine->take(size_class)) return block;
        mine->make_room(size);
    }
    if (allowed != ~std::size_t{0}) {
        if (size > allowed) throw std::bad_alloc();
        allowed -= size;
    }
    // Without the cache, a sanitizer detects accesses beyond the requested size, to the byte.
    const std::size_t whole =
        (UNROLL_CACHE_BLOCKS ? size : bytes) + (size_class ? alignment : header);
    const auto get = [&]() -> void* {
        void* block = nullptr;
        if (size_class == 0) return std::malloc(whole);
        return posix_memalign(&block, alignment, whole) == 0 ? block : nullptr;
    };
    void* block = get();
    if (block == nullptr && mine != nullptr) {
        mine->empty();
        block = get();
    }
    if (block == nullptr) throw std::bad_alloc();
    BlockCache& owner = mine != nullptr ? *mine : *Caches::get().all[0];
    owner.own(size);
    return new (block) Storage(size_class, owner.index);
}

Storage* Storage::adopt(void* data, void* owner, void (*release)(void*)) {
    return new Adopted(data, owner, release);
}

void* Storage::owner(void (*release)(void*)) const {
    if (size_class_ != adopted_class) return nullptr;
    const auto* const adopted = static_cast<const Adopted*>(this);
    return adopted->release == release ? adopted->owner : nullptr;
}

void* Storage::adopted_data() const { return static_cast<const Adopted*>(this)->data; }

void Storage::recycle() {
    if (cache != nullptr && cache->index == cache_) [[likely]]
        cache->put(this);
    else
        recycle_elsewhere();
}

void Storage::recycle_elsewhere() {
    if (size_class_ == adopted_class) {
        auto* adopted = static_cast<Adopted*>(this);
        adopted->release(adopted->owner);
        delete adopted;
    } else {
        Caches::get().all[cache_]->give_back(this);
    }
}

MemoryUse memory_use() {
    Caches& caches = Caches::get();
    const std::lock_guard lock(caches.mutex);
    std::ptrdiff_t owned = 0, free = 0;
    std::size_t allocations = 0;
    for (std::size_t i = 0; i < caches.count; ++i) {
        owned += caches.all[i]->owned_bytes();
        free += caches.all[i]->free_bytes();
        allocations += caches.all[i]->system_allocations();
    }
    return {static_cast<std::size_t>(std::max<std::ptrdiff_t>(owned - free, 0)),
            static_cast<std::size_t>(std::max<std::ptrdiff_t>(free, 0)), allocations};
}

} // namespace unroll
