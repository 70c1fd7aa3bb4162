#include <unroll/core/autograd/backward/pass.hpp>
#include <unroll/core/base/error.hpp>
#include <unroll/core/base/evaluating.hpp>
#include <unroll/core/kernels/product.hpp>
#include <unroll/core/kernels/threads.hpp>
#include <unroll/optim/parallel.hpp>
#include <unroll/optim/parameter_list.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include <fmt/format.h>

namespace unroll::optim {

template <class T>
DataParallel<T>::DataParallel(std::size_t count, const Parameters<T>& parameters,
                              const Random& random, Where where)
    : parameters_(each_once(parameters)) {
    if (count == 0) fail(Op("DataParallel", where), "at least one shard is needed");
    for (std::size_t p = 0; p < parameters_.size(); ++p) index_[parameters_[p].body()] = p;
    for (std::size_t i = 0; i < count; ++i) {
        tapes_.push_back(idle_tape<T>());
        tapes_.back()->set_random(random.split(i));
        tapes_.back()->keep_gradients_apart(true);
    }
}

template <class T>
std::vector<Tensor<T>> DataParallel<T>::gradients_of_shards(const Op& op) const {
    std::vector<Tensor<T>> all(parameters_.size() * size());
    std::vector<ParameterRef<T>> unknown;
    for (std::size_t shard = 0; shard < size(); ++shard)
        for (auto& [parameter, gradient] : tapes_[shard]->parameter_gradients()) {
            if (!gradient.storage()) continue;
            const auto found = index_.find(parameter.body());
            if (found != index_.end())
                all[found->second * size() + shard] = std::move(gradient);
            else if (std::find(unknown.begin(), unknown.end(), parameter) == unknown.end())
                unknown.push_back(parameter);
        }
    if (!unknown.empty())
        fail(op, "the loss depends on parameters that were not passed to DataParallel: " +
                     names_of(unknown) +
                     ". List them in members(), construct DataParallel after the last layer was "
                     "replaced, or freeze them with set_trainable(false)");
    return all;
}

template <class T>
double DataParallel<T>::backward(const Loss& loss, std::span<const double> weights,
                                 BackwardOptions options, Where where) {
    const Op op("DataParallel", where);
    if (!weights.empty() && weights.size() != size())
        fail(op,
             std::to_string(weights.size()) + " weights for " + std::to_string(size()) + " shards");
    const double total = weights.empty() ? static_cast<double>(size())
                                         : std::accumulate(weights.begin(), weights.end(), 0.0);
    for (const double w : weights)
        if (!(w >= 0) || !(total > 0) || !std::isfinite(total))
            fail(op, "weights must be at least 0 with a finite, positive sum, got " +
                         fmt::to_string(w) + " of " + fmt::to_string(total));
    const auto weight = [&](std::size_t i) { return (weights.empty() ? 1.0 : weights[i]) / total; };

    std::vector<double> losses(size());
    const bool is_evaluating = Evaluating::is_on();
    const auto run = [&](std::size_t i) {
        std::optional<Evaluating> guard; // also on threads that the caller's does not hold for
        if (is_evaluating) guard.emplace();
        Tape<T>& tape = *tapes_[i];
        tape.clear();
        const Recording<T> recording(tape);
        const Variable<T> result = loss(i);
        if (result.size() != 1)
            fail(op, "the loss of shard " + std::to_string(i) + " must be a scalar, got shape " +
                         to_string(result.shape()));
        losses[i] = static_cast<double>(result.item());
        tape.backward(result, Tensor<T>::full(result.shape(), static_cast<T>(weight(i))), options,
                      where);
    };
    if (size() == 1) {
        const threads::ParallelRegion region;
        run(0);
    } else {
        threads::for_shards(size(), run);
    }

    // Each parameter is summed by one thread, in shard order.
    const std::vector<Tensor<T>> gradients = gradients_of_shards(op);
    threads::for_shards(parameters_.size(), [&](std::size_t p) {
        const ParameterRef<T>& parameter = parameters_[p];
        for (std::size_t shard = 0; shard < size(); ++shard) {
            const Tensor<T>& gradient = gradients[p * size() + shard];
            if (!gradient.storage()) continue;
            Tensor<T>& sum = parameter.gradient_buffer();
            if (!parameter.has_gradient()) sum.fill(T(0));
            parameter.mark_gradient();
            add_into(sum, gradient, T(1));
        }
    });
    auto& pass = LastPass<T>::begin();
    for (std::size_t p = 0; p < parameters_.size(); ++p)
        for (std::size_t shard = 0; shard < size(); ++shard)
            if (gradients[p * size() + shard].storage()) {
                pass.add(parameters_[p]);
                break;
            }
    double mean = 0;
    for (std::size_t i = 0; i < size(); ++i) mean += losses[i] * weight(i);
    return mean;
}

template class DataParallel<float>;
template class DataParallel<double>;

} // namespace unroll::optim
