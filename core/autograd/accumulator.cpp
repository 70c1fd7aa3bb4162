#include <unroll/core/autograd/accumulator.hpp>
#include <unroll/core/autograd/tape.hpp>

namespace unroll {

template <class T>
bool Accumulator<T>::is_matrix_leaf(NodeId root, const StridedView& part, bool transposed) const {
    const Node<T>& n = tape_.node(root);
    const StridedView& whole = *n.view;
    if (!n.is_leaf() || whole.shape.size() != 2 || part.shape.size() != 2) return false;
    const std::size_t rows = transposed ? 1 : 0, columns = 1 - rows;
    return part.shape[rows] == whole.shape[0] && part.shape[columns] == whole.shape[1] &&
           part.strides[rows] == whole.strides[0] && part.strides[columns] == whole.strides[1];
}

template class Accumulator<float>;
template class Accumulator<double>;

} // namespace unroll
