#include <unroll/core/autograd/shares.hpp>

#include <algorithm>

namespace unroll {

template <class T>
void Shares<T>::add(NodeId id, std::size_t size, const Region& region, Variable<T> share) {
    Root& root = roots_[id];
    root.size = size;
    const auto [low, high] = hull(region);
    if ((high - low) * 8 > size) {
        root.wide.push_back({region, std::move(share)});
        return;
    }
    root.longest = std::max(root.longest, high - low);
    root.parts.insert({low, {region, std::move(share)}});
}

template <class T>
void Shares<T>::add_product(NodeId root, const Variable<T>& a, const Variable<T>& b) {
    roots_[root].products.push_back({a, b});
}

template <class T>
Variable<T> Shares<T>::joined(std::span<const Product> products) {
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
Variable<T> Shares<T>::arrived(NodeId id, const Region& region) {
    const auto found = roots_.find(id);
    if (found == roots_.end()) return {};
    Root& root = found->second;
    if (!root.products.empty()) {
        Variable<T> sum = joined(root.products);
        root.products.clear();
        const Region whole = Region::whole(sum.shape());
        add(id, element_count(whole.shape), whole, std::move(sum));
    }
    const auto [low, high] = hull(region);
    const auto begin = root.parts.lower_bound(low - std::min(low, root.longest));
    const auto end = root.parts.lower_bound(high);
    if (begin == end && root.wide.empty()) return {};
    std::vector<Part<T>> near = root.wide;
    for (auto part = begin; part != end; ++part) near.push_back(part->second);
    Variable<T> sum = gather(Op::unplaced("gather"), std::span<const Part<T>>(near), region);
    if (high - low != element_count(region.shape)) return sum;
    // What was added up is not added up again for those that look at the same place later.
    const auto is_in = [&](const Part<T>& part) { return lies_in(part.region, region); };
    std::erase_if(root.wide, is_in);
    for (auto part = begin; part != end;)
        part = is_in(part->second) ? root.parts.erase(part) : std::next(part);
    add(id, root.size, region, sum);
    return sum;
}

template class Shares<float>;
template class Shares<double>;

} // namespace unroll
