#pragma once

#include <unroll/core/base/list.hpp>
#include <unroll/optim/parameter_list.hpp>
#include <unroll/optim/resumable.hpp>

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace unroll::optim {

struct EmaOptions {
    double decay = 0.999;
    // Uses min(decay, (1 + t) / (10 + t)) for the update t, from 1, so that the initial values are
    // forgotten sooner.
    bool warm_up = false;
};

// Exponential moving averages of parameters (Polyak and Juditsky 1992):
// average = decay average + (1 - decay) value. The first update copies the values. Includes frozen
// parameters and running statistics.
//   optim::Ema<float> ema(adam.parameters(), {.decay = 0.999});
//   adam.step();
//   ema.update();
//   {
//       const auto averaged = ema.swap_in(); // evaluate with the averages
//   }
template <class T = float>
class Ema final : public Resumable<T> {
public:
    using typename Resumable<T>::State;
    class Swapped;

    // Throws Error for a decay outside of [0, 1), and for two parameters with the same path.
    explicit Ema(const Parameters<T>& parameters, const EmaOptions& options = {},
                 Where where = Where::current());
    Ema(const Ema& other);
    Ema(Ema&&) noexcept = default;
    Ema& operator=(Ema other) noexcept;

    const Parameters<T>& parameters() const override { return parameters_; }
    // Adds the current values; once after every step of the optimiser. Throws Error while averages
    // are swapped in.
    void update(Where where = Where::current());
    // Gives the parameters their averages until the returned object is destroyed, which restores
    // the values: training in between is lost.
    [[nodiscard]] Swapped swap_in(Where where = Where::current()) const;

    // The averages, "decoder.out.weight". Throws Error while they are swapped in: a checkpoint
    // would store them as the parameters.
    State state() const override;
    std::string mismatches(const State& state) const override;

private:
    void assign(const State& state) override;
    // The parameters must have their own values.
    void require_not_swapped(const Op& op) const;

    List<NamedParameter<T>> parameters_;
    List<Tensor<T>> averages_; // by parameter
    EmaOptions options_;
    std::shared_ptr<std::size_t> swapped_ = std::make_shared<std::size_t>(0); // shared by copies
};

// Restores the values of parameters at the end of its scope.
template <class T>
class Ema<T>::Swapped {
public:
    Swapped(Swapped&&) noexcept = default;
    Swapped& operator=(Swapped&&) = delete;
    ~Swapped();

private:
    friend class Ema;
    Swapped(const Ema& ema);

    std::vector<std::pair<ParameterRef<T>, Tensor<T>>> values_;
    std::shared_ptr<std::size_t> swapped_;
};

extern template class Ema<float>;
extern template class Ema<double>;

} // namespace unroll::optim
