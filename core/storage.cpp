#include <unroll/core/storage.hpp>

#include <array>
#include <bit>
#include <cstdlib>
#include <new>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#define UNROLL_CACHE_BLOCKS 0
#else
#define UNROLL_CACHE_BLOCKS 1
#endif

namespace unroll {

namespace {

constexpr std::size_t alignment = 64;
constexpr std::uint32_t adopted = ~std::uint32_t{0};

static_assert(sizeof(Storage) <= alignment, "the data begins one alignment behind the header");

std::atomic<std::size_t> bytes_in_use{0};
std::atomic<std::size_t> system_allocations{0};

// Four classes to a doubling, from 64 bytes on: at most a fifth of a block is unused.
std::uint32_t class_of(std::size_t bytes) {
    if (bytes <= alignment) return 0;
    const int log = std::bit_width(bytes - 1) - 1;
    const std::size_t quarter = (bytes - 1) >> (log - 2) & 3;
    return static_cast<std::uint32_t>((log - 6) * 4 + quarter + 1);
}

std::size_t class_bytes(std::uint32_t size_class) {
    if (size_class == 0) return alignment;
    const std::size_t log = (size_class - 1) / 4 + 6;
    const std::size_t quarter = (size_class - 1) % 4;
    return (std::size_t{1} << log) + ((quarter + 1) << (log - 2));
}

constexpr std::uint32_t classes = 4 * 52;

// Free blocks of one thread. Blocks may be freed by another thread than the one that took them.
struct Cache {
    std::array<std::vector<void*>, classes> free;

    ~Cache();
};

thread_local bool cache_is_gone = false;
thread_local Cache cache;

Cache::~Cache() {
    cache_is_gone = true;
    for (auto& blocks : free)
        for (void* block : blocks) std::free(block);
}

} // namespace

Storage* Storage::allocate(std::size_t bytes) {
    const std::uint32_t size_class = class_of(bytes);
    if (size_class >= classes) throw std::bad_alloc();
    void* block = nullptr;
    if (UNROLL_CACHE_BLOCKS && !cache_is_gone) {
        auto& free = cache.free[size_class];
        if (!free.empty()) {
            block = free.back();
            free.pop_back();
        }
    }
    const std::size_t size = UNROLL_CACHE_BLOCKS ? class_bytes(size_class) : bytes;
    if (block == nullptr) {
        const std::size_t whole = (size + 2 * alignment - 1) / alignment * alignment;
        block = std::aligned_alloc(alignment, whole);
        if (block == nullptr) throw std::bad_alloc();
        system_allocations.fetch_add(1, std::memory_order_relaxed);
    }
    auto* storage = new (block) Storage;
    storage->size_class_ = size_class;
    storage->bytes_ = size;
    storage->data_ = static_cast<std::byte*>(block) + alignment;
    bytes_in_use.fetch_add(size, std::memory_order_relaxed);
    return storage;
}

Storage* Storage::adopt(void* data, std::size_t bytes, void* owner, void (*release)(void*)) {
    auto* storage = new Storage;
    storage->size_class_ = adopted;
    storage->bytes_ = bytes;
    storage->data_ = data;
    storage->owner_ = owner;
    storage->release_ = release;
    return storage;
}

void Storage::recycle() {
    if (size_class_ == adopted) {
        release_(owner_);
        delete this;
        return;
    }
    bytes_in_use.fetch_sub(bytes_, std::memory_order_relaxed);
    const std::uint32_t size_class = size_class_;
    this->~Storage();
    if (UNROLL_CACHE_BLOCKS && !cache_is_gone)
        cache.free[size_class].push_back(this);
    else
        std::free(static_cast<void*>(this));
}

MemoryUse memory_use() {
    return {bytes_in_use.load(std::memory_order_relaxed),
            system_allocations.load(std::memory_order_relaxed)};
}

} // namespace unroll
