#include <unroll/nn/initialize.hpp>
#include <unroll/nn/layers/adaptive_softmax.hpp>
#include <unroll/nn/options.hpp>
#include <unroll/ops/index.hpp>
#include <unroll/ops/join.hpp>
#include <unroll/ops/loss.hpp>
#include <unroll/ops/matrix.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/softmax.hpp>
#include <unroll/ops/views.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace unroll::nn {

namespace {

constexpr const char* name = "AdaptiveSoftmax";
constexpr std::int64_t ignored = -100;

std::vector<std::size_t> ends_of(const AdaptiveSoftmaxOptions& o, Where where) {
    const Op op(name, where);
    require_sizes(op, {{"vocabulary", o.vocabulary}, {"width", o.width}});
    const std::size_t all = o.vocabulary;
    const std::size_t frequent = o.frequent == 0 ? all : std::min(o.frequent, all);
    const std::size_t groups = std::min(o.groups, all - frequent);
    if (frequent < all && groups == 0)
        fail(op, std::to_string(all - frequent) + " rare words need at least one group");
    const double growth = static_cast<double>(all) / static_cast<double>(frequent);
    std::vector<std::size_t> ends{frequent};
    for (std::size_t g = 1; g <= groups; ++g) {
        const double fraction = static_cast<double>(g) / static_cast<double>(groups);
        const auto end = static_cast<std::size_t>(
            std::lround(static_cast<double>(frequent) * std::pow(growth, fraction)));
        ends.push_back(std::clamp(end, ends.back() + 1, all - (groups - g))); // no group is empty
    }
    return ends;
}

template <class T>
Variable<T> rows_of(const Variable<T>& x) {
    const std::size_t width = x.shape().back();
    return reshape(x, Shape{x.size() / width, width});
}

} // namespace

template <class T>
AdaptiveSoftmax<T>::AdaptiveSoftmax(const Options& given, Where where)
    : options(given), ends_(ends_of(given, where)) {
    bias = Parameter<T>("bias", Tensor<T>::zeros({options.vocabulary}));
    if (groups() == 0) return;
    // Gives rows a norm of about 1.
    const double bound = std::sqrt(3 / static_cast<double>(options.width));
    group_weight =
        Parameter<T>("group_weight", uniform<T>({groups(), options.width}, bound, next_stream()));
    group_bias = Parameter<T>("group_bias", Tensor<T>::zeros({groups()}));
}

template <class T>
void AdaptiveSoftmax<T>::members(Members<T>& m) {
    m(module_name)("bias", bias);
    if (groups() > 0) m("group_weight", group_weight)("group_bias", group_bias);
}

template <class T>
void AdaptiveSoftmax<T>::begin_with(std::span<const std::size_t> counts) {
    if (counts.size() != options.vocabulary)
        fail(name, std::to_string(counts.size()) + " counts for a vocabulary of " +
                       std::to_string(options.vocabulary));
    std::vector<double> met(counts.size());
    std::ranges::transform(counts, met.begin(), [](std::size_t n) {
        return static_cast<double>(std::max<std::size_t>(n, 1));
    });
    Tensor<T> words({met.size()}), rare({groups()});
    for (std::size_t w = 0; w < met.size(); ++w) words.data()[w] = static_cast<T>(std::log(met[w]));
    for (std::size_t g = 0; g < groups(); ++g)
        rare.data()[g] = static_cast<T>(
            std::log(std::reduce(met.begin() + static_cast<std::ptrdiff_t>(ends_[g]),
                                 met.begin() + static_cast<std::ptrdiff_t>(ends_[g + 1]))));
    bias.set(words);
    if (groups() > 0) group_bias.set(rare);
}

template <class T>
void AdaptiveSoftmax<T>::check(const Variable<T>& h, const Variable<T>& weight) const {
    const Shape expected{options.vocabulary, options.width};
    if (h.dimension() == 0 || h.shape().back() != options.width || weight.shape() != expected)
        fail(name, "h " + to_string(h.shape()) + " and weight " + to_string(weight.shape()) +
                       "; expected [..., " + std::to_string(options.width) + "] and " +
                       to_string(expected));
}

template <class T>
Variable<T> AdaptiveSoftmax<T>::frequent_logits(const Variable<T>& h,
                                                const Variable<T>& weight) const {
    const Variable<T> words = slice(weight, 0, 0, ends_[0]);
    const Variable<T> biases = slice(bias, 0, 0, ends_[0]);
    if (groups() == 0) return linear(h, words, biases);
    return linear(h, concatenate({words, group_weight}, 0), concatenate({biases, group_bias}, 0));
}

template <class T>
Variable<T> AdaptiveSoftmax<T>::group_logits(const Variable<T>& h, const Variable<T>& weight,
                                             std::size_t g) const {
    const auto own = [&](const Variable<T>& x) { return slice(x, 0, ends_[g], ends_[g + 1]); };
    return linear(h, own(weight), own(bias));
}

template <class T>
Variable<T> AdaptiveSoftmax<T>::loss(const Variable<T>& h, const Variable<T>& weight,
                                     const Indices& targets, Where caller) const {
    const Scope scope(module_name, caller);
    check(h, weight);
    const Shape expected(h.shape().begin(), h.shape().end() - 1);
    if (targets.shape() != expected)
        fail(name, "targets have shape " + to_string(targets.shape()) + ", expected " +
                       to_string(expected));
    const auto words = targets.to_vector();
    std::vector<std::int64_t> first = words;
    std::vector<std::vector<std::int64_t>> rows(groups()), within(groups());
    std::size_t counted = 0;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (words[i] == ignored) continue;
        const auto word = static_cast<std::size_t>(words[i]);
        if (words[i] < 0 || word >= options.vocabulary)
            fail(name, "target " + std::to_string(words[i]) + " at position " + std::to_string(i) +
                           " is outside [0, " + std::to_string(options.vocabulary) + ")");
        ++counted;
        const auto end = std::ranges::upper_bound(ends_, word);
        if (end == ends_.begin()) continue;
        const auto g = static_cast<std::size_t>(end - ends_.begin()) - 1;
        first[i] = static_cast<std::int64_t>(ends_[0] + g);
        rows[g].push_back(static_cast<std::int64_t>(i));
        within[g].push_back(static_cast<std::int64_t>(word - ends_[g]));
    }
    const Variable<T> flat = rows_of(h);
    Variable<T> total =
        cross_entropy(frequent_logits(flat, weight), Indices({first.size()}, std::span(first)));
    for (std::size_t g = 0; g < groups(); ++g) {
        const Shape shape{rows[g].size()};
        if (rows[g].empty()) continue;
        const double fraction = static_cast<double>(rows[g].size()) / static_cast<double>(counted);
        const Variable<T> some = take(flat, Indices(shape, std::span(rows[g])));
        total = total +
                cross_entropy(group_logits(some, weight, g), Indices(shape, std::span(within[g]))) *
                    fraction;
    }
    return total;
}

template <class T>
Variable<T> AdaptiveSoftmax<T>::log_probabilities(const Variable<T>& h, const Variable<T>& weight,
                                                  Where caller) const {
    const Scope scope(module_name, caller);
    check(h, weight);
    const Variable<T> flat = rows_of(h), first = log_softmax(frequent_logits(flat, weight));
    std::vector<Variable<T>> parts{slice(first, 1, 0, ends_[0])};
    for (std::size_t g = 0; g < groups(); ++g)
        parts.push_back(slice(first, 1, ends_[0] + g, ends_[0] + g + 1) +
                        log_softmax(group_logits(flat, weight, g)));
    Shape all = h.shape();
    all.back() = options.vocabulary;
    return reshape(concatenate(parts, 1), all);
}

template class AdaptiveSoftmax<float>;
template class AdaptiveSoftmax<double>;

} // namespace unroll::nn
