#pragma once

#include <unroll/core/autograd/record.hpp>
#include <unroll/nn/module.hpp>

#include <tuple>

namespace unroll::nn {

struct LinearOptions {
    std::size_t input = 0;
    std::size_t output = 0;
    bool bias = true;
};

// x W^T + b: x [..., input] -> [..., output]; initialised uniformly within 1 / sqrt(input).
template <class T = float>
class Linear {
public:
    using value_type = T;
    explicit Linear(const LinearOptions& options, Where where = Where::current());
    Variable<T> operator()(const Variable<T>& x, Where caller = Where::current()) const;
    void members(Members<T>& m);

    LinearOptions options;
    Parameter<T> weight; // [output, input]
    Parameter<T> bias;   // [output], or empty
    ModuleName module_name{"Linear"};
};

struct EmbeddingOptions {
    std::size_t vocabulary = 0;
    std::size_t width = 0;
    std::int64_t padding = -1; // this row is zeros and is not learned
};

// Indices [...] -> rows [..., width] of a table; initialised normally. Throws Error for an index
// outside the vocabulary, with its position.
template <class T = float>
class Embedding {
public:
    using value_type = T;
    explicit Embedding(const EmbeddingOptions& options, Where where = Where::current());
    // From pretrained rows [vocabulary, width].
    explicit Embedding(Tensor<T> rows, std::int64_t padding = -1, Where where = Where::current());
    Variable<T> operator()(const Indices& indices, Where caller = Where::current()) const;
    void members(Members<T>& m);

    EmbeddingOptions options;
    Parameter<T> weight; // [vocabulary, width]
    ModuleName module_name{"Embedding"};
};

// Drops elements while a tape records; see unroll::dropout.
template <class T = float>
class Dropout {
public:
    using value_type = T;
    // Throws Error for a probability outside [0, 1].
    explicit Dropout(double p, Where where = Where::current());
    Variable<T> operator()(const Variable<T>& x, Where caller = Where::current()) const;
    void members(Members<T>& m) { m(module_name); }

    double p;
    ModuleName module_name{"Dropout"};
};

// Layer normalisation over the last axis, with gain initially 1 and bias initially 0.
template <class T = float>
class LayerNorm {
public:
    using value_type = T;
    explicit LayerNorm(std::size_t width, double epsilon = 1e-5, Where where = Where::current());
    Variable<T> operator()(const Variable<T>& x, Where caller = Where::current()) const;
    void members(Members<T>& m);

    double epsilon;
    Parameter<T> weight, bias; // [width]
    ModuleName module_name{"LayerNorm"};
};

// Layers and functions of one variable, applied in order:
//   nn::Sequential net(nn::Linear<float>({4, 8}), [](auto x) { return relu(x); }, ...);
template <class... Layers>
class Sequential {
public:
    using value_type = scalar_of<std::tuple_element_t<0, std::tuple<Layers...>>>;
    using T = value_type;
    explicit Sequential(Layers... layers) : layers_(std::move(layers)...) {}

    Variable<T> operator()(Variable<T> x, Where caller = Where::current()) const {
        const auto call = [&](const auto& layer) -> Variable<T> {
            if constexpr (requires { layer(x, caller); })
                return layer(x, caller);
            else
                return layer(x);
        };
        std::apply([&](const auto&... layer) { ((x = call(layer)), ...); }, layers_);
        return x;
    }
    void members(Members<T>& m) {
        std::apply(
            [&](auto&... layer) {
                std::size_t number = 0;
                (list(m, std::to_string(number++), layer), ...);
            },
            layers_);
    }

private:
    template <class Layer>
    static void list(Members<T>& m, const std::string& name, Layer& layer) {
        if constexpr (requires { layer.members(m); }) m(name, layer);
    }

    std::tuple<Layers...> layers_;
};

} // namespace unroll::nn
