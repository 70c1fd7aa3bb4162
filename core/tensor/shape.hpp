#pragma once

#include <unroll/core/base/error.hpp>

#include <array>
#include <cstddef>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

namespace unroll {

inline constexpr std::size_t max_rank = 8;

// Up to eight numbers stored inline: the extents of a tensor, or its strides in elements. A
// sequence container as far as xtensor requires one. Throws Error beyond eight.
template <class N>
class Extents {
public:
    using value_type = N;
    using size_type = std::size_t;
    using difference_type = std::ptrdiff_t;
    using reference = N&;
    using const_reference = const N&;
    using iterator = N*;
    using const_iterator = const N*;
    using reverse_iterator = std::reverse_iterator<iterator>;
    using const_reverse_iterator = std::reverse_iterator<const_iterator>;

    constexpr Extents() : n_{} {}
    Extents(const Extents& other) { copy(other); }
    Extents& operator=(const Extents& other) {
        copy(other);
        return *this;
    }
    constexpr Extents(std::initializer_list<N> list) : Extents(list.begin(), list.end()) {}
    explicit Extents(std::size_t rank, N value = 0) : Extents() {
        resize(rank);
        for (auto& n : *this) n = value;
    }
    template <class Iterator>
    requires(!std::is_arithmetic_v<Iterator>) constexpr Extents(Iterator first, Iterator last)
        : Extents() {
        for (; first != last; ++first) push_back(static_cast<N>(*first));
    }

    std::size_t size() const { return rank_; }
    bool empty() const { return rank_ == 0; }
    N& operator[](std::size_t i) { return n_[i]; }
    const N& operator[](std::size_t i) const { return n_[i]; }
    N& front() { return n_[0]; }
    const N& front() const { return n_[0]; }
    N& back() { return n_[rank_ - 1]; }
    const N& back() const { return n_[rank_ - 1]; }
    N* data() { return n_.data(); }
    const N* data() const { return n_.data(); }
    N* begin() { return n_.data(); }
    N* end() { return n_.data() + rank_; }
    const N* begin() const { return n_.data(); }
    const N* end() const { return n_.data() + rank_; }
    const N* cbegin() const { return begin(); }
    const N* cend() const { return end(); }
    auto rbegin() const { return const_reverse_iterator(end()); }
    auto rend() const { return const_reverse_iterator(begin()); }
    auto rbegin() { return reverse_iterator(end()); }
    auto rend() { return reverse_iterator(begin()); }

    void resize(std::size_t rank) {
        if (rank > max_rank) too_many(rank);
        for (std::size_t i = rank_; i < rank; ++i) n_[i] = 0;
        rank_ = rank;
    }
    constexpr void push_back(N n) {
        if (rank_ == max_rank) too_many(rank_ + 1);
        n_[rank_++] = n;
    }
    void pop_back() { --rank_; }
    void insert(std::size_t at, N n) {
        push_back(n);
        for (std::size_t i = rank_ - 1; i > at; --i) n_[i] = n_[i - 1];
        n_[at] = n;
    }
    void erase(std::size_t at) {
        for (std::size_t i = at; i + 1 < rank_; ++i) n_[i] = n_[i + 1];
        --rank_;
    }

    friend bool operator==(const Extents& a, const Extents& b) {
        if (a.rank_ != b.rank_) return false;
        for (std::size_t i = 0; i < a.rank_; ++i)
            if (a.n_[i] != b.n_[i]) return false;
        return true;
    }

private:
    [[noreturn]] static void too_many(std::size_t rank);

    // Most tensors have few dimensions: the remaining elements are not initialised.
    static constexpr std::size_t few = max_rank / 2;
    void copy(const Extents& other) {
        rank_ = other.rank_;
        for (std::size_t i = 0; i < few; ++i) n_[i] = other.n_[i];
        if (rank_ <= few) return;
        for (std::size_t i = few; i < rank_; ++i) n_[i] = other.n_[i];
    }

    std::size_t rank_ = 0;
    std::array<N, max_rank> n_;
};

extern template class Extents<std::size_t>;
extern template class Extents<std::ptrdiff_t>;

using Shape = Extents<std::size_t>;
using Strides = Extents<std::ptrdiff_t>;

// Number of elements.
inline std::size_t element_count(const Shape& shape) {
    std::size_t count = 1;
    for (const std::size_t n : shape) count *= n;
    return count;
}
// Validates an untrusted shape. Throws Error on overflow. `where`: the line of the user, if known.
std::size_t checked_count(const Shape& shape, Where where = Where());

// Strides of a row-major tensor, in elements.
Strides row_major(const Shape& shape);

// "[2, 3]"; "[no value: ...]" of the shape of a variable or tensor that was moved from or never
// set.
std::string to_string(const Shape& shape);

// The common shape of operands under NumPy's broadcasting rules. Throws Error naming the operation
// and all shapes, with the operands' names if given, as in "mask x".
Shape broadcast(const Op& op, std::span<const Shape* const> shapes, std::string_view names = {});
Shape broadcast(const Op& op, const Shape& a, const Shape& b);

// Whether `from` broadcasts to `to`.
bool broadcasts_to(const Shape& from, const Shape& to);

// Resolves an axis that may be negative, counted from the end. Throws Error if out of range.
std::size_t normal_axis(const Op& op, std::ptrdiff_t axis, std::size_t rank);

} // namespace unroll
