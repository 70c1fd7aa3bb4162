#include <unroll/core/tensor/layout.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <new>

namespace unroll {

namespace {

using Layout = LayoutRef::Layout;

// The layouts that are kept. An entry is written once, so that it is read without a lock.
constexpr std::size_t places = std::size_t{1} << 14;
constexpr std::size_t tries = 16;
constinit std::array<std::atomic<const Layout*>, places> kept{};

std::size_t hash(const Shape& shape, const Strides* strides) {
    std::uint64_t h = shape.size();
    const auto mix = [&](std::uint64_t n) { h = (h ^ n ^ h >> 32) * 0x9e3779b97f4a7c15u; };
    for (const std::size_t n : shape) mix(n);
    if (strides != nullptr)
        for (const std::ptrdiff_t n : *strides) mix(static_cast<std::uint64_t>(n));
    return static_cast<std::size_t>(h >> 40);
}

const Layout* find(const Shape& shape, const Strides* strides, Where where) {
    const std::size_t first = hash(shape, strides);
    for (std::size_t i = 0; i < tries; ++i) {
        auto& place = kept[(first + i) % places];
        const Layout* found = place.load(std::memory_order_acquire);
        if (found == nullptr) {
            auto fresh = std::make_unique<const Layout>(shape, strides, where);
            if (place.compare_exchange_strong(found, fresh.get())) return fresh.release();
        }
        const bool same = strides != nullptr ? found->strides == *strides : found->is_row_major;
        if (same && found->shape == shape) return found;
    }
    StorageRef block(Storage::allocate(sizeof(Layout)));
    const auto* fresh = new (block->data()) const Layout(shape, strides, where, block.get());
    block->retain();
    return fresh;
}

// For any shape, even if its number of elements overflows.
bool is_row_major(const Shape& shape, const Strides& strides) {
    std::size_t step = 1;
    for (std::size_t i = shape.size(); i-- > 0; step *= shape[i])
        if (strides[i] != static_cast<std::ptrdiff_t>(step)) return false;
    return true;
}

} // namespace

constinit const Layout LayoutRef::empty;
constinit const Layout LayoutRef::moved;

LayoutRef::Layout::Layout(const Shape& shape, const Strides* strides, Where where, Storage* block)
    : size(checked_count(shape, where)), shape(shape),
      strides(strides != nullptr ? *strides : row_major(shape)), is_row_major(strides == nullptr),
      block(block) {}

LayoutRef::LayoutRef(const Shape& shape, Where where) : layout_(find(shape, nullptr, where)) {}

LayoutRef::LayoutRef(const Shape& shape, const Strides& strides)
    : layout_(find(shape, is_row_major(shape, strides) ? nullptr : &strides, Where())) {}

} // namespace unroll
