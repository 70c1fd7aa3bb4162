#include <unroll/nn/decoding/transducer.hpp>
#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/views.hpp>

namespace unroll::nn {

namespace detail {

void check_transducer(const Op& op, std::size_t vocabulary, std::size_t encoded, std::size_t joint,
                      std::size_t width, bool is_bidirectional, double dropout,
                      std::int64_t blank) {
    require_sizes(op, {{"vocabulary", vocabulary},
                       {"encoded", encoded},
                       {"joint", joint},
                       {"predictor.input", width}});
    require_fraction(op, "dropout", dropout);
    check_blank(op, blank, vocabulary);
    if (is_bidirectional)
        fail(op, "the predictor must not be bidirectional: it predicts symbols from those before");
}

Indices predictor_inputs(const Op& op, const PaddedBatch& targets, std::size_t batch,
                         std::size_t vocabulary, std::int64_t blank) {
    const CheckedTargets checked =
        checked_targets(op, Op("Transducer: target", op.where), targets, batch, vocabulary, blank);
    Indices inputs = Indices::full({checked.symbols.shape(0) + 1, batch}, blank);
    for (std::size_t b = 0; b < batch; ++b)
        for (std::size_t u = 0; u < checked.lengths[b]; ++u)
            inputs(u + 1, b) = checked.symbols(u, b);
    return inputs;
}

template <class T>
Variable<T> transducer_joint(const Variable<T>& e, const Variable<T>& p) {
    return fuse("joint", named("e p -> joint", [](auto e, auto p) { return tanh(e + p); }),
                expand_dims(swapaxes(e, 0, 1), 2), expand_dims(swapaxes(p, 0, 1), 1));
}

template Variable<float> transducer_joint(const Variable<float>&, const Variable<float>&);
template Variable<double> transducer_joint(const Variable<double>&, const Variable<double>&);

} // namespace detail

} // namespace unroll::nn
