#include <unroll/core/profile.hpp>

namespace unroll {

template <class T>
void Profile<T>::recorded(NodeId first, std::span<const Variable<T>* const>,
                          std::span<const Variable<T>> results) {
    if (first >= costs_.size()) costs_.resize(2 * first + 1, {0, 0, unseen});
    Cost& cost = costs_[first];
    cost = {lap(), 0, 0};
    for (const auto& result : results) cost.bytes += result.size() * sizeof(T);
}

template <class T>
void Profile<T>::before_rule(NodeId, std::span<const Variable<T>>) {
    lap();
}

template <class T>
void Profile<T>::after_rule(NodeId first) {
    if (cost(first) != nullptr) costs_[first].backward += lap();
}

template <class T>
void Profile<T>::cleared() {
    costs_.clear();
    lap();
}

template class Profile<float>;
template class Profile<double>;

} // namespace unroll
