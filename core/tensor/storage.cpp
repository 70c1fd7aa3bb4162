#include <unroll/core/tensor/storage.hpp>

#include <array>
#include <bit>
#include <cstdlib>
#include <mutex>
#include <new>
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
        : Storage(adopted_class), data(data), owner(owner), release(release) {}

    static constexpr std::uint32_t adopted_class = ~std::uint32_t{0};
    void* data;
    void* owner;
    void (*release)(void*);
};

namespace {

constexpr std::size_t alignment = 64;
constexpr std::size_t header = 16;

static_assert(sizeof(Storage) <= header);

// Class 0 lies in one cache line with its header. Then eight classes to a doubling, from 64 bytes
// on: at most a ninth of a block is unused.
std::uint32_t class_of(std::size_t bytes) {
    if (bytes <= alignment - header) return 0;
    if (bytes <= alignment) return 1;
    const int log = std::bit_width(bytes - 1) - 1;
    const std::size_t eighth = (bytes - 1) >> (log - 3) & 7;
    return static_cast<std::uint32_t>((log - 6) * 8 + eighth + 2);
}

std::size_t class_bytes(std::uint32_t size_class) {
    if (size_class == 0) return alignment - header;
    if (size_class == 1) return alignment;
    const std::size_t log = (size_class - 2) / 8 + 6;
    const std::size_t eighth = (size_class - 2) % 8;
    return (std::size_t{1} << log) + ((eighth + 1) << (log - 3));
}

constexpr std::uint32_t classes = 8 * 52;

struct Cache;

// All threads' caches, for memory_use(), and what threads that have ended had counted.
struct Caches {
    std::mutex mutex;
    std::vector<const Cache*> alive;
    std::ptrdiff_t bytes_in_use = 0;
    std::size_t system_allocations = 0;

    static Caches& all() {
        static Caches* const caches = new Caches;
        return *caches;
    }
};

// Only its thread writes.
template <class N>
class Counter {
public:
    void add(N n) { n_.store(get() + n, std::memory_order_relaxed); }
    N get() const { return n_.load(std::memory_order_relaxed); }

private:
    std::atomic<N> n_{0};
};

// Free blocks of one thread, chained through their first bytes. Blocks may be freed by another
// thread than the one that took them.
struct Cache {
    std::array<void*, classes> free{};
    Counter<std::ptrdiff_t> bytes_in_use;
    Counter<std::size_t> system_allocations;

    Cache() {
        const std::lock_guard lock(Caches::all().mutex);
        Caches::all().alive.push_back(this);
    }
    ~Cache() {
        for (void* block : free)
            while (block != nullptr) std::free(std::exchange(block, *static_cast<void**>(block)));
        Caches& all = Caches::all();
        const std::lock_guard lock(all.mutex);
        std::erase(all.alive, this);
        all.bytes_in_use += bytes_in_use.get();
        all.system_allocations += system_allocations.get();
    }
};

thread_local constinit Cache* cache = nullptr;

// The thread's cache; null once the thread is ending.
Cache* my_cache() {
    if (cache != nullptr) [[likely]]
        return cache;
    thread_local constinit bool has_ended = false;
    if (has_ended) return nullptr;
    struct Owner {
        Cache cache;
        ~Owner() {
            unroll::cache = nullptr;
            has_ended = true;
        }
    };
    thread_local Owner owner;
    return cache = &owner.cache;
}

} // namespace

Storage* Storage::allocate(std::size_t bytes) {
    const std::uint32_t size_class = class_of(bytes);
    if (size_class >= classes) throw std::bad_alloc();
    Cache* const mine = my_cache();
    void* block = nullptr;
    if (UNROLL_CACHE_BLOCKS && mine != nullptr) {
        block = mine->free[size_class];
        if (block != nullptr) mine->free[size_class] = *static_cast<void**>(block);
    }
    const std::size_t size = class_bytes(size_class);
    if (block == nullptr) {
        // Without the cache, a sanitizer sees the end of what was asked for, to the byte.
        const std::size_t whole =
            (UNROLL_CACHE_BLOCKS ? size : bytes) + (size_class ? alignment : header);
        if (posix_memalign(&block, alignment, whole) != 0) throw std::bad_alloc();
        if (mine != nullptr) mine->system_allocations.add(1);
    }
    if (mine != nullptr) mine->bytes_in_use.add(static_cast<std::ptrdiff_t>(size));
    return new (block) Storage(size_class);
}

Storage* Storage::adopt(void* data, void* owner, void (*release)(void*)) {
    return new Adopted(data, owner, release);
}

void* Storage::data() const {
    if (size_class_ == Adopted::adopted_class) return static_cast<const Adopted*>(this)->data;
    const auto* block = reinterpret_cast<const std::byte*>(this);
    return const_cast<std::byte*>(block + (size_class_ ? alignment : header));
}

void Storage::recycle() {
    if (size_class_ == Adopted::adopted_class) {
        auto* adopted = static_cast<Adopted*>(this);
        adopted->release(adopted->owner);
        delete adopted;
        return;
    }
    const std::uint32_t size_class = size_class_;
    this->~Storage();
    Cache* const mine = my_cache();
    if (mine != nullptr)
        mine->bytes_in_use.add(-static_cast<std::ptrdiff_t>(class_bytes(size_class)));
    if (UNROLL_CACHE_BLOCKS && mine != nullptr)
        *reinterpret_cast<void**>(this) = std::exchange(mine->free[size_class], this);
    else
        std::free(static_cast<void*>(this));
}

MemoryUse memory_use() {
    Caches& all = Caches::all();
    const std::lock_guard lock(all.mutex);
    std::ptrdiff_t bytes = all.bytes_in_use;
    std::size_t allocations = all.system_allocations;
    for (const Cache* cache : all.alive) {
        bytes += cache->bytes_in_use.get();
        allocations += cache->system_allocations.get();
    }
    return {static_cast<std::size_t>(bytes), allocations};
}

} // namespace unroll
