#include <unroll/core/base/error.hpp>
#include <unroll/core/kernels/product.hpp>
#include <unroll/core/kernels/threads.hpp>
#include <unroll/optim/parallel.hpp>

#include <numeric>

namespace unroll::optim {

template <class T>
Shards<T>::Shards(std::size_t count, Parameters<T> parameters, Random random)
    : parameters_(std::move(parameters)) {
    if (count == 0) fail("Shards", "at least one shard is needed");
    for (std::size_t i = 0; i < count; ++i) {
        tapes_.push_back(idle_tape<T>());
        tapes_.back()->set_random(random.split(i));
        tapes_.back()->keep_gradients_apart(true);
    }
}

template <class T>
double Shards<T>::backward(const Loss& loss, std::span<const double> weights) {
    if (!weights.empty() && weights.size() != size())
        fail("Shards",
             std::to_string(weights.size()) + " weights for " + std::to_string(size()) + " shards");
    const double total = weights.empty() ? static_cast<double>(size())
                                         : std::accumulate(weights.begin(), weights.end(), 0.0);
    const auto share = [&](std::size_t i) { return (weights.empty() ? 1.0 : weights[i]) / total; };

    std::vector<double> losses(size());
    const auto run = [&](std::size_t i) {
        Tape<T>& tape = *tapes_[i];
        tape.clear();
        const Recording<T> recording(tape);
        const Variable<T> result = loss(i);
        losses[i] = static_cast<double>(result.item());
        tape.backward(result, Tensor<T>::full(result.shape(), static_cast<T>(share(i))));
    };
    if (size() == 1) {
        const threads::Team team;
        run(0);
    } else {
        threads::for_shards(size(), run);
    }

    // Each parameter is added up by one thread, in the order of the shards.
    std::vector<std::vector<typename Tape<T>::ParameterGradient>> gradients;
    for (const auto& tape : tapes_) gradients.push_back(tape->parameter_gradients());
    threads::for_shards(parameters_.size(), [&](std::size_t p) {
        for (const auto& shard : gradients) {
            for (const auto& [parameter, gradient] : shard) {
                if (parameter != parameters_[p] || !gradient.storage()) continue;
                Tensor<T>& sum = parameter.gradient_buffer();
                if (!parameter.has_gradient()) sum.fill(T(0));
                parameter.mark_gradient();
                add_into(sum, gradient, T(1));
            }
        }
    });
    double mean = 0;
    for (std::size_t i = 0; i < size(); ++i) mean += losses[i] * share(i);
    return mean;
}

template class Shards<float>;
template class Shards<double>;

} // namespace unroll::optim
