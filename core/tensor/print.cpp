#include <unroll/core/tensor/tensor.hpp>
#include <unroll/core/tensor/xtensor.hpp>

#include <ostream>

#include <xtensor/xio.hpp>

namespace unroll {

// Uses xtensor's format, which shortens large arrays but cannot print empty ones.
template <class T>
std::ostream& operator<<(std::ostream& out, const Tensor<T>& tensor) {
    if (tensor.size() == 0) return out << "{} of shape " << to_string(tensor.shape());
    const std::ios_base::fmtflags flags = out.flags();
    const std::streamsize precision = out.precision();
    out << array(tensor);
    out.flags(flags);
    out.precision(precision);
    return out;
}

template std::ostream& operator<<(std::ostream&, const Tensor<float>&);
template std::ostream& operator<<(std::ostream&, const Tensor<double>&);
template std::ostream& operator<<(std::ostream&, const Tensor<std::int64_t>&);
template std::ostream& operator<<(std::ostream&, const Tensor<bool>&);

} // namespace unroll
