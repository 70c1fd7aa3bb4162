#include <unroll/core/shares.hpp>

#include <algorithm>

namespace unroll {

template <class T>
void Shares<T>::add(NodeId root, const Region& region, Variable<T> share) {
    parts_[root].push_back({region, std::move(share)});
}

template <class T>
void Shares<T>::add_product(NodeId root, const Variable<T>& a, const Variable<T>& b) {
    products_.push_back({root, a, b});
}

template <class T>
Variable<T> Shares<T>::joined(std::span<const Product> products) const {
    if (products.size() == 1) return product(Op::unplaced("product"), products[0].a, products[0].b);
    const std::size_t m = products[0].a.shape(0), n = products[0].b.shape(1);
    std::size_t inner = 0;
    for (const Product& p : products) inner += p.a.shape(1);
    // The left factors are transposed as a rule: their columns lie in runs.
    std::vector<Part<T>> left, right;
    std::size_t at = 0;
    for (const Product& p : products) {
        const std::size_t k = p.b.shape(0);
        left.push_back({{at * m, {k, m}, row_major({k, m})}, transposed(p.a)});
        right.push_back({{at * n, {k, n}, row_major({k, n})}, p.b});
        at += k;
    }
    const Op op = Op::unplaced("join");
    const auto a = gather(op, std::span<const Part<T>>(left), Region::whole({inner, m}));
    const auto b = gather(op, std::span<const Part<T>>(right), Region::whole({inner, n}));
    return product(Op::unplaced("product"), transposed(a), b);
}

template <class T>
Variable<T> Shares<T>::arrived(NodeId root, const Region& region) {
    auto& parts = parts_[root];
    const auto of_root = std::stable_partition(products_.begin(), products_.end(),
                                               [&](const Product& p) { return p.root != root; });
    if (of_root != products_.end()) {
        Variable<T> sum = joined({of_root, products_.end()});
        products_.erase(of_root, products_.end());
        const Shape shape = sum.shape();
        add(root, Region::whole(shape), std::move(sum));
    }
    if (parts.empty()) return {};
    Variable<T> sum = gather(Op::unplaced("gather"), std::span<const Part<T>>(parts), region);
    const auto [low, high] = hull(region);
    if (high - low != element_count(region.shape)) return sum;
    // What was added up is not added up again for those that look at the same place later.
    std::erase_if(parts, [&](const Part<T>& part) { return lies_in(part.region, region); });
    parts.push_back({region, sum});
    return sum;
}

template class Shares<float>;
template class Shares<double>;

} // namespace unroll
