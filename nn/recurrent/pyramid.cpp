#include <unroll/nn/layers/padding.hpp>
#include <unroll/nn/options.hpp>
#include <unroll/nn/recurrent/pyramid.hpp>
#include <unroll/nn/text/batches.hpp>

namespace unroll::nn {

template <class T>
Frames<T> join_steps(const Variable<T>& x, std::size_t factor, std::span<const std::size_t> lengths,
                     Op op) {
    if (factor == 0) fail(op, "the factor must be at least 1, got 0");
    if (x.dimension() != 3)
        fail(op, "x has shape " + to_string(x.shape()) + ", expected [T, B, n]");
    const std::size_t steps = x.shape(0), batch = x.shape(1), width = x.shape(2);
    Frames<T> joined{without_padding(x, lengths, op), checked_lengths(op, steps, batch, lengths)};
    if (factor == 1) return joined;
    const std::size_t fewer = (steps + factor - 1) / factor;
    const Variable<T> filled = pad(joined.x, 0, 0, fewer * factor - steps);
    joined.x = reshape(swapaxes(reshape(filled, Shape{fewer, factor, batch, width}), 1, 2),
                       Shape{fewer, batch, factor * width});
    for (auto& length : joined.lengths) length = (length + factor - 1) / factor;
    return joined;
}

template <class Cell>
Pyramid<Cell>::Pyramid(const PyramidOptions& options, Where where) : options(options) {
    const Op op("Pyramid", where);
    if (options.factors.empty()) fail(op, "factors must name at least one layer, got none");
    require_sizes(op, {{"input", options.input}, {"hidden", options.hidden}});
    require_fraction(op, "dropout", options.dropout);
    std::size_t width = options.input;
    for (const std::size_t factor : options.factors) {
        if (factor == 0) fail(op, "every factor must be at least 1, got 0");
        layers.emplace_back(RecurrentOptions<Cell>{.input = width * factor,
                                                   .hidden = options.hidden,
                                                   .bidirectional = options.bidirectional},
                            where);
        width = layers.back().output_width();
    }
}

template <class Cell>
Frames<cell_scalar<Cell>> Pyramid<Cell>::operator()(const Variable<T>& x,
                                                    std::span<const std::size_t> lengths,
                                                    Where caller) const {
    const Scope scope(module_name, caller);
    Frames<T> frames{x, {lengths.begin(), lengths.end()}};
    for (std::size_t i = 0; i < layers.size(); ++i) {
        const Scope layer_scope("layer", static_cast<std::int64_t>(i));
        if (i > 0) frames.x = dropout(frames.x, options.dropout);
        frames = join_steps(frames.x, options.factors[i], frames.lengths);
        frames.x = layers[i](frames.x, {}, frames.lengths).output;
    }
    return frames;
}

template <class Cell>
std::size_t Pyramid<Cell>::factor() const {
    std::size_t all = 1;
    for (const std::size_t factor : options.factors) all *= factor;
    return all;
}

template class Pyramid<LstmCell<float>>;
template class Pyramid<LstmCell<double>>;
template class Pyramid<GruCell<float>>;
template class Pyramid<GruCell<double>>;
template Frames<float> join_steps(const Variable<float>&, std::size_t, std::span<const std::size_t>,
                                  Op);
template Frames<double> join_steps(const Variable<double>&, std::size_t,
                                   std::span<const std::size_t>, Op);

} // namespace unroll::nn
