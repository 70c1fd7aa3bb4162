#include <unroll/core/autograd/accumulator.hpp>
#include <unroll/core/autograd/tape.hpp>
#include <unroll/core/base/error.hpp>

namespace unroll {

template <class T>
bool Accumulator<T>::is_matrix_leaf(NodeId root, const StridedView& part, bool transposed) const {
    const Node<T>& n = tape_.node(root);
    const StridedView& whole = n.view;
    if (!n.is_leaf() || whole.shape().size() != 2 || part.shape().size() != 2) return false;
    const std::size_t rows = transposed ? 1 : 0, columns = 1 - rows;
    return part.shape()[rows] == whole.shape()[0] && part.shape()[columns] == whole.shape()[1] &&
           part.strides()[rows] == whole.strides()[0] &&
           part.strides()[columns] == whole.strides()[1];
}

template <class T>
void Accumulator<T>::begin_rule(NodeId id, std::span<const Variable<T>>) {
    running_ = &tape_.node(id);
}

template <class T>
Op Accumulator<T>::operation() const {
    return running_ != nullptr ? running_->op : Op::unplaced("backward");
}

template <class T>
void Accumulator<T>::refuse(const std::string& problem) const {
    fail(operation(), "its rule " + problem,
         running_ != nullptr ? tape_.scope_path(running_->scope) : std::string(),
         running_ != nullptr ? tape_.caller(running_->scope) : Where());
}

template class Accumulator<float>;
template class Accumulator<double>;

} // namespace unroll
