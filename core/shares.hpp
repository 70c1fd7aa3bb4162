#pragma once

#include <unroll/core/linear.hpp>

#include <vector>

namespace unroll {

// The adjoints of a backward pass that is computed with variables instead of in place, so that it
// can be recorded: for every gradient buffer the parts that have arrived.
template <class T>
class Shares {
public:
    // `needed`: by node, whether anybody asked for what flows through it.
    explicit Shares(std::vector<unsigned char> needed)
        : needed_(std::move(needed)), parts_(needed_.size()) {}

    bool is_needed(NodeId id) const { return needed_[id] != 0; }

    void add(NodeId root, const Region& region, Variable<T> share);
    // A product that others may follow for the same leaf: they are joined into one.
    void add_product(NodeId root, const Variable<T>& a, const Variable<T>& b);

    // What has arrived at a region; no storage where nothing has.
    Variable<T> arrived(NodeId root, const Region& region);
    void drop(NodeId root) { parts_[root].clear(); }

private:
    struct Product {
        NodeId root;
        Variable<T> a, b;
    };
    // Products of one root as a single one, with the factors side by side.
    Variable<T> joined(std::span<const Product> products) const;

    std::vector<unsigned char> needed_;
    std::vector<std::vector<Part<T>>> parts_;
    std::vector<Product> products_;
};

extern template class Shares<float>;
extern template class Shares<double>;

} // namespace unroll
