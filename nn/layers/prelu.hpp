#pragma once

#include <unroll/nn/module.hpp>

namespace unroll::nn {

struct PreluOptions {
    std::size_t channels = 1; // 1: the same slope for all
    double slope = 0.25;      // initial
};

// x for x > 0, else slope x with learned slopes, for x [batch, channels, ...] or, with one slope,
// of any shape; see unroll::prelu.
template <class T = float>
class Prelu {
public:
    using value_type = T;
    explicit Prelu(const PreluOptions& options = {}, Where where = Where::current());
    Variable<T> operator()(const Variable<T>& x, Where caller = Where::current()) const;
    void members(Members<T>& m) { m(module_name)("weight", weight); }

    Parameter<T> weight; // the slopes [channels]
    ModuleName module_name{"Prelu"};
};

} // namespace unroll::nn
