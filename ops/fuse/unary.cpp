// The functions of one operand that ops/pointwise.hpp declares.

#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/pointwise.hpp>

namespace unroll {

#define UNROLL_UNARY(name, ...)                                                                    \
    template <class T>                                                                             \
    Variable<T> name(const Variable<T>& x, Op op) {                                                \
        return fuse(                                                                               \
            op, [](auto x) { return name(x); }, x);                                                \
    }                                                                                              \
    template Variable<float> name(const Variable<float>&, Op);                                     \
    template Variable<double> name(const Variable<double>&, Op);
#define UNROLL_UNARY_WITH(name, ...)                                                               \
    template <class T>                                                                             \
    Variable<T> name(const Variable<T>& x, double p, Op op) {                                      \
        return detail::with_literals(fuse(                                                         \
                                         op, [p](auto x) { return name(x, p); }, x),               \
                                     1, {p});                                                      \
    }                                                                                              \
    template Variable<float> name(const Variable<float>&, double, Op);                             \
    template Variable<double> name(const Variable<double>&, double, Op);
#include <unroll/ops/fuse/function_list.hpp>

} // namespace unroll
