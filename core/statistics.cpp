#include <unroll/core/statistics.hpp>

#include <cmath>

namespace unroll {

template <class T>
Summary summarize(const Tensor<T>& x) {
    const Tensor<T> dense = x.contiguous();
    Summary s{dense.size(), 0, 0, 0};
    std::size_t zeros = 0;
    for (std::size_t i = 0; i < s.count; ++i) {
        const auto v = static_cast<double>(dense.data()[i]);
        s.norm += v * v;
        s.largest = std::abs(v) <= s.largest ? s.largest : std::abs(v);
        zeros += v == 0;
    }
    s.norm = std::sqrt(s.norm);
    s.zeros = s.count == 0 ? 0 : static_cast<double>(zeros) / static_cast<double>(s.count);
    return s;
}

template <class T>
void Statistics<T>::see(std::vector<Seen>& all, NodeId id, const Tensor<T>& x) {
    if (id >= all.size()) all.resize(id + 1);
    all[id] = {summarize(x), true};
}

template <class T>
void Statistics<T>::recorded(NodeId first, std::span<const Variable<T>* const>,
                             std::span<const Variable<T>> results) {
    for (std::size_t i = 0; i < results.size(); ++i)
        see(values_, first + static_cast<NodeId>(i), results[i].value());
}

template <class T>
void Statistics<T>::before_rule(NodeId first, std::span<const Variable<T>> gradients) {
    for (std::size_t i = 0; i < gradients.size(); ++i)
        if (gradients[i].value().storage())
            see(gradients_, first + static_cast<NodeId>(i), gradients[i].value());
}

template <class T>
void Statistics<T>::leaf(NodeId id, const Tensor<T>& gradient) {
    see(gradients_, id, gradient);
}

template <class T>
void Statistics<T>::cleared() {
    values_.clear();
    gradients_.clear();
}

template Summary summarize(const Tensor<float>&);
template Summary summarize(const Tensor<double>&);
template class Statistics<float>;
template class Statistics<double>;

} // namespace unroll
