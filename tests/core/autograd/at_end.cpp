#include "support.hpp"

#include <unroll/core/autograd/backward/gradients.hpp>
#include <unroll/nn/layers/layers.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>

#include <cstdlib>

using namespace test;

namespace {

// Runs backward after main, when the objects of the main thread are destroyed.
template <class T>
struct AtEnd {
    nn::Linear<T> layer{{.input = 3, .output = 2}};

    bool works() const {
        Tape<T> tape;
        const auto x = tape.variable(Tensor<T>::ones({4, 3}));
        const auto y = sum(tanh(layer(x)));
        const auto g = gradients(y, {x}, {.create_graph = true})[0];
        {
            const NoRecording off;
            Tape<T> inner;
            const auto z = inner.variable(Tensor<T>::ones({2}));
            inner.backward(sum(z * z));
            if (inner.gradient(z) != Tensor<T>::full({2}, 2)) return false;
        }
        tape.backward(sum(square(g)));
        return layer.weight.has_gradient() && tape.gradient(x).size() == 12;
    }
    ~AtEnd() {
        if (!works()) std::abort();
    }
};

const AtEnd<float> in_float;
const AtEnd<double> in_double;

} // namespace

TEST_CASE("a static object may run backward at the end of the program") {
    CHECK(in_float.works()); // and once more after main
    CHECK(in_double.works());
}
