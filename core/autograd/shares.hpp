#pragma once

#include <unroll/core/autograd/linear_maps.hpp>

#include <map>
#include <unordered_map>
#include <vector>

namespace unroll {

// The adjoints of a backward pass that is computed with variables instead of in place, so that it
// can be recorded: for every gradient buffer the parts that have arrived.
template <class T>
class Shares {
public:
    // `needed`: by node, whether anybody asked for what flows through it.
    explicit Shares(std::vector<unsigned char> needed) : needed_(std::move(needed)) {}

    bool is_needed(NodeId id) const { return needed_[id] != 0; }

    // `size`: elements of the root's buffer.
    void add(NodeId root, std::size_t size, const Region& region, Variable<T> share);
    // A product that others may follow for the same leaf: they are joined into one.
    void add_product(NodeId root, const Variable<T>& a, const Variable<T>& b);

    // What has arrived at a region; no storage where nothing has.
    Variable<T> arrived(NodeId root, const Region& region);
    void drop(NodeId root) { roots_.erase(root); }

private:
    struct Product {
        Variable<T> a, b;
    };
    struct Root {
        // By where they begin: a time step finds its own among those of many steps, none of which
        // is longer than `longest`. The few that span much of the buffer stand apart.
        std::multimap<std::size_t, Part<T>> parts;
        std::size_t longest = 0;
        std::size_t size = 0; // of the buffer
        std::vector<Part<T>> wide;
        std::vector<Product> products;
    };
    // Products as a single one, with the factors side by side.
    static Variable<T> joined(std::span<const Product> products);

    std::vector<unsigned char> needed_;
    std::unordered_map<NodeId, Root> roots_;
};

extern template class Shares<float>;
extern template class Shares<double>;

} // namespace unroll
