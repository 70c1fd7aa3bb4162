#include "choices.hpp"

#include <unroll/nn/attention/attention.hpp>
#include <unroll/nn/attention/transformer.hpp>
#include <unroll/nn/layers/time_pooling.hpp>
#include <unroll/nn/losses/crf.hpp>
#include <unroll/nn/recurrent/lstm.hpp>

#include <map>

namespace programs {

namespace {

// Sequences [T, B, n] with a length for each of the B, which may be 0.
bool choose_sequences(Values& v, Call& c) {
    if (!v.pick(c.operands, [](const Shape& s) { return s.size() == 3 && s[2] > 0 && s[2] <= 4; }))
        return false;
    const Shape s = v.shape(c.operands.back());
    for (std::size_t b = 0; b < s[1]; ++b)
        c.numbers.push_back(static_cast<std::int64_t>(v.below(s[0] + 1)));
    return true;
}
std::vector<std::size_t> lengths_of(const Call& c) { return {c.numbers.begin(), c.numbers.end()}; }

// The values of a parameter of a block, which the reference also computes.
double weight(std::size_t i) { return 0.6 * std::sin(1.7 * static_cast<double>(i + 1)); }
template <class T>
void set_weights(unroll::ParameterRef<T>& parameter) {
    Tensor<T> value(parameter.shape());
    for (std::size_t i = 0; i < value.size(); ++i) value.data()[i] = static_cast<T>(weight(i));
    parameter.set(value);
}
// This thread's block of the given width; backward accumulates gradients of its weights.
template <class Block, class Options>
const Block& block_of(std::size_t width, const Options& options) {
    thread_local std::map<std::size_t, Block> made;
    auto found = made.find(width);
    if (found == made.end()) {
        found = made.emplace(width, Block(options)).first;
        for (auto& parameter : unroll::nn::parameters(found->second)) set_weights(parameter);
    }
    return found->second;
}

// softmax over s of q_t . m_s, and the weighted mean of m.
template <class N>
Arrays<N> attended(const Arrays<N>& x, const Call& c) {
    const Shape q = x[0].shape, m = x[1].shape;
    Arrays<N> out{Array<N>(q), Array<N>({q[0], q[1], m[0]})};
    for (std::size_t t = 0; t < q[0]; ++t)
        for (std::size_t b = 0; b < q[1]; ++b) {
            const auto steps = static_cast<std::size_t>(c.numbers[b]);
            std::vector<Scalar<N>> scores(steps);
            double highest = -1e300;
            for (std::size_t s = 0; s < steps; ++s) {
                for (std::size_t k = 0; k < q[2]; ++k)
                    scores[s] = scores[s] + x[0]({t, b, k}) * x[1]({s, b, k});
                highest = std::max(highest, scores[s].number());
            }
            Scalar<N> total = 0;
            for (auto& score : scores) total = total + exp(score - highest);
            for (std::size_t s = 0; s < steps; ++s) {
                const Scalar<N> share = exp(scores[s] - highest) / total;
                out[1]({t, b, s}) = share;
                for (std::size_t k = 0; k < q[2]; ++k)
                    out[0]({t, b, k}) = out[0]({t, b, k}) + share * x[1]({s, b, k});
            }
        }
    return out;
}

void add_attention(std::vector<Operation>& all) {
    add(
        all, "attention (dot)",
        [](Values& v, Call& c) {
            if (!choose_sequences(v, c)) return false;
            const Shape m = v.shape(c.operands[0]);
            if (!v.pick(c.operands, [&](const Shape& s) {
                    return s.size() == 3 && s[1] == m[1] && s[2] == m[2];
                }))
                return false;
            std::swap(c.operands[0], c.operands[1]);
            return true;
        },
        []<class T>(const Many<T>& x, const Call& c) {
            const std::size_t width = x[0].shape(2);
            const unroll::nn::DotAttention<T> attention({width, width});
            const Mask mask = unroll::nn::length_mask(lengths_of(c), x[1].shape(0));
            const auto found = attention(x[0], attention.prepare(x[1], mask));
            return Many<T>{found.context, found.weights};
        },
        [](const auto& x, const Call& c) { return attended(x, c); });
}

constexpr std::size_t hidden = 2;

template <class N>
Array<N> lstm(const Array<N>& x, const Call& c) {
    const std::size_t batch = x.shape[1], width = x.shape[2];
    Array<N> out({x.shape[0], batch, hidden});
    for (std::size_t b = 0; b < batch; ++b) {
        std::vector<Scalar<N>> h(hidden), cell(hidden);
        for (std::size_t t = 0; t < static_cast<std::size_t>(c.numbers[b]); ++t) {
            std::vector<Scalar<N>> gates(4 * hidden);
            for (std::size_t g = 0; g < gates.size(); ++g) {
                gates[g] = 2 * weight(g); // two biases
                for (std::size_t k = 0; k < width; ++k)
                    gates[g] = gates[g] + x({t, b, k}) * weight(g * width + k);
                for (std::size_t k = 0; k < hidden; ++k)
                    gates[g] = gates[g] + h[k] * weight(g * hidden + k);
            }
            for (std::size_t k = 0; k < hidden; ++k) {
                cell[k] = sigmoid(gates[hidden + k]) * cell[k] +
                          sigmoid(gates[k]) * tanh(gates[2 * hidden + k]);
                h[k] = sigmoid(gates[3 * hidden + k]) * tanh(cell[k]);
                out({t, b, k}) = h[k];
            }
        }
    }
    return out;
}

// A causal layer with rotary positions and a large epsilon, so that a small variance is not a kink.
constexpr double epsilon = 0.1;
constexpr std::size_t inner = 3;
template <class T>
struct Layer : unroll::nn::TransformerLayer<T> {
    explicit Layer(std::size_t width)
        : unroll::nn::TransformerLayer<T>({.width = width,
                                           .hidden = inner,
                                           .activation = unroll::nn::Activation::gelu,
                                           .norm_first = true,
                                           .positions = width % 2 == 0
                                                            ? unroll::nn::Positions::rotary
                                                            : unroll::nn::Positions::none}) {
        for (auto& norm : this->norms) norm.epsilon = epsilon;
    }
};

template <class N>
using Row = std::vector<Scalar<N>>;

// W x + b with rows of the weights starting at `first`.
template <class N>
Row<N> affine(const Row<N>& x, std::size_t rows, std::size_t first = 0) {
    Row<N> y(rows);
    for (std::size_t i = 0; i < rows; ++i) {
        y[i] = weight(first + i);
        for (std::size_t k = 0; k < x.size(); ++k)
            y[i] = y[i] + x[k] * weight((first + i) * x.size() + k);
    }
    return y;
}

template <class N>
Row<N> normalised(const Row<N>& x) {
    const auto mean = [&](const auto& f) {
        Scalar<N> sum = 0;
        for (const auto& v : x) sum = sum + f(v);
        return sum / static_cast<double>(x.size());
    };
    const Scalar<N> centre = mean([](const auto& v) { return v; });
    const Scalar<N> scale =
        sqrt(mean([&](const auto& v) { return (v - centre) * (v - centre); }) + epsilon);
    Row<N> y(x.size());
    for (std::size_t k = 0; k < x.size(); ++k)
        y[k] = (x[k] - centre) / scale * weight(k) + weight(k);
    return y;
}

template <class N>
Row<N> turned(const Row<N>& x, std::size_t t) {
    Row<N> y = x;
    const std::size_t half = x.size() / 2;
    for (std::size_t k = 0; x.size() % 2 == 0 && k < half; ++k) {
        const double a =
            static_cast<double>(t) *
            std::pow(10000.0, -2.0 * static_cast<double>(k) / static_cast<double>(x.size()));
        y[k] = x[k] * std::cos(a) - x[half + k] * std::sin(a);
        y[half + k] = x[k] * std::sin(a) + x[half + k] * std::cos(a);
    }
    return y;
}

template <class N>
Array<N> transformer(const Array<N>& x, const Call& c) {
    const std::size_t width = x.shape[2];
    Array<N> out(x.shape);
    for (std::size_t b = 0; b < x.shape[1]; ++b) {
        std::vector<Row<N>> keys, values;
        for (std::size_t t = 0; t < x.shape[0]; ++t) {
            // Padding is read as 0, by the layer and by its attention.
            const bool is_padding = t >= static_cast<std::size_t>(c.numbers[b]);
            Row<N> row(width);
            for (std::size_t k = 0; k < width && !is_padding; ++k) row[k] = x({t, b, k});
            const Row<N> in = is_padding ? row : normalised(row);
            const Row<N> query = turned(affine(in, width), t);
            keys.push_back(turned(affine(in, width, width), t));
            values.push_back(affine(in, width, 2 * width));
            Row<N> mean(width);
            Scalar<N> total = 0;
            for (std::size_t s = 0; s < keys.size(); ++s) {
                if (s >= static_cast<std::size_t>(c.numbers[b])) break;
                Scalar<N> score = 0;
                for (std::size_t k = 0; k < width; ++k) score = score + query[k] * keys[s][k];
                const Scalar<N> share = exp(score / std::sqrt(static_cast<double>(width)));
                total = total + share;
                for (std::size_t k = 0; k < width; ++k) mean[k] = mean[k] + share * values[s][k];
            }
            for (auto& v : mean)
                if (c.numbers[b] > 0) v = v / total;
            const Row<N> found = affine(mean, width);
            for (std::size_t k = 0; k < width; ++k) row[k] = row[k] + found[k];
            Row<N> hidden_row = affine(normalised(row), inner);
            for (auto& v : hidden_row) v = v * (erf(v / std::sqrt(2.0)) + 1.0) * 0.5;
            const Row<N> more = affine(hidden_row, width);
            for (std::size_t k = 0; k < width; ++k) out({t, b, k}) = row[k] + more[k];
        }
    }
    return out;
}

template <class N>
Array<N> log_partition(const Array<N>& x, const Call& c) {
    const std::size_t tags = x.shape[2];
    Array<N> out({x.shape[1]});
    for (std::size_t b = 0; b < x.shape[1]; ++b) {
        const auto length = static_cast<std::size_t>(c.numbers[b]);
        if (length == 0) continue;
        std::vector<Scalar<N>> paths(tags);
        for (std::size_t k = 0; k < tags; ++k) paths[k] = exp(x({0, b, k}) + weight(k));
        for (std::size_t t = 1; t < length; ++t) {
            std::vector<Scalar<N>> next(tags);
            for (std::size_t k = 0; k < tags; ++k)
                for (std::size_t from = 0; from < tags; ++from)
                    next[k] = next[k] + paths[from] * exp(x({t, b, k}) + weight(from * tags + k));
            paths = next;
        }
        Scalar<N> total = 0;
        for (std::size_t k = 0; k < tags; ++k) total = total + paths[k] * std::exp(weight(k));
        out.x[b] = log(total);
    }
    return out;
}

// The mean over the steps of each sequence.
template <class N>
Array<N> mean_over_time(const Array<N>& x, const Call& c) {
    const std::size_t batch = x.shape[1], width = x.shape[2];
    Array<N> out({batch, width});
    for (std::size_t b = 0; b < batch; ++b)
        for (std::size_t t = 0; t < static_cast<std::size_t>(c.numbers[b]); ++t)
            for (std::size_t i = 0; i < width; ++i)
                out({b, i}) =
                    out({b, i}) + x({t, b, i}) * (1.0 / static_cast<double>(c.numbers[b]));
    return out;
}

} // namespace

void add_blocks(std::vector<Operation>& all) {
    add_attention(all);
    add(
        all, "lstm", choose_sequences,
        []<class T>(const Many<T>& x, const Call& c) {
            const std::size_t width = x[0].shape(2);
            using Lstm = unroll::nn::Lstm<T>;
            const typename Lstm::Options options{.input = width, .hidden = hidden};
            const auto& layer = block_of<Lstm>(width, options);
            return layer(x[0], {}, lengths_of(c)).output;
        },
        [](const auto& x, const Call& c) { return lstm(x[0], c); });
    add(
        all, "transformer", choose_sequences,
        []<class T>(const Many<T>& x, const Call& c) {
            const auto& layer = block_of<Layer<T>>(x[0].shape(2), x[0].shape(2));
            const Mask keys = unroll::nn::length_mask(lengths_of(c), x[0].shape(0));
            return layer(x[0], {.key_padding_mask = keys, .is_causal = true});
        },
        [](const auto& x, const Call& c) { return transformer(x[0], c); });
    add(
        all, "crf (log partition)", choose_sequences,
        []<class T>(const Many<T>& x, const Call& c) {
            const std::size_t tags = x[0].shape(2);
            const unroll::nn::CrfOptions options{.tags = tags};
            const auto& crf = block_of<unroll::nn::Crf<T>>(tags, options);
            return crf.log_partition(x[0], lengths_of(c));
        },
        [](const auto& x, const Call& c) { return log_partition(x[0], c); });
    add(
        all, "mean over time", choose_sequences,
        [](const auto& x, const Call& c) {
            return unroll::nn::mean_over_time(x[0], lengths_of(c));
        },
        [](const auto& x, const Call& c) { return mean_over_time(x[0], c); });
}

} // namespace programs
