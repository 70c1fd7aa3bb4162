#pragma once

#include <unroll/nn/module.hpp>

namespace unroll::nn {

// Division by the root mean square of the last axis, with gain initially 1; see unroll::rms_norm.
template <class T = float>
class RmsNorm {
public:
    using value_type = T;
    explicit RmsNorm(std::size_t width, double epsilon = 1e-5, Where where = Where::current());
    Variable<T> operator()(const Variable<T>& x, Where caller = Where::current()) const;
    void members(Members<T>& m);

    double epsilon;
    Parameter<T> weight; // [width]
    ModuleName module_name{"RmsNorm"};
};

struct GroupNormOptions {
    std::size_t groups = 0;
    std::size_t channels = 0; // a multiple of groups
    double epsilon = 1e-5;
};

// Normalisation of x [batch, channels, ...] over groups of channels, with gain initially 1 and bias
// initially 0; see unroll::group_norm.
template <class T = float>
class GroupNorm {
public:
    using value_type = T;
    explicit GroupNorm(const GroupNormOptions& options, Where where = Where::current());
    Variable<T> operator()(const Variable<T>& x, Where caller = Where::current()) const;
    void members(Members<T>& m);

    GroupNormOptions options;
    Parameter<T> weight, bias; // [channels]
    ModuleName module_name{"GroupNorm"};
};

} // namespace unroll::nn
