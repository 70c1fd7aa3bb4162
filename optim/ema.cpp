#include <unroll/core/kernels/loops.hpp>
#include <unroll/optim/ema.hpp>

#include <algorithm>

#include <fmt/format.h>

namespace unroll::optim {

template <class T>
Ema<T>::Ema(const Parameters<T>& parameters, const EmaOptions& options, Where where)
    : parameters_(each_once(parameters)), options_(options) {
    const Op op("Ema", where);
    if (!(options.decay >= 0 && options.decay < 1))
        fail(op, "decay must be in [0, 1), got " + fmt::to_string(options.decay));
    require_distinct_paths(op, parameters_);
    for (const auto& p : parameters_) averages_.push_back(p.value().copy());
}

template <class T>
Ema<T>::Ema(const Ema& other)
    : Resumable<T>(other), parameters_(other.parameters_), options_(other.options_),
      swapped_(other.swapped_) {
    for (const Tensor<T>& average : other.averages_) averages_.push_back(average.copy());
}

template <class T>
Ema<T>& Ema<T>::operator=(Ema other) noexcept {
    std::swap(this->steps_, other.steps_);
    std::swap(parameters_, other.parameters_);
    std::swap(averages_, other.averages_);
    std::swap(options_, other.options_);
    std::swap(swapped_, other.swapped_);
    return *this;
}

template <class T>
void Ema<T>::update(Where where) {
    const Op op("update", where);
    if (parameters_.empty())
        fail(op, "the average has no parameters: it was moved from or constructed from an empty "
                 "list");
    require_not_swapped(op);
    const auto t = static_cast<double>(++this->steps_);
    const double decay =
        options_.warm_up ? std::min(options_.decay, (1 + t) / (10 + t)) : options_.decay;
    const auto take = static_cast<T>(1 - decay);
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
        Tensor<T>& average = averages_[i];
        if (t == 1)
            average.assign(parameters_[i].value());
        else
            map_elements(
                average.shape(),
                std::array{InputOperand<T>(average), InputOperand<T>(parameters_[i].value())},
                std::array{OutputOperand<T>(average)},
                [=](auto a, auto w) { return a + (w - a) * take; }); // exact for a = w
    }
}

template <class T>
typename Ema<T>::Swapped Ema<T>::swap_in(Where where) const {
    if (parameters_.empty())
        fail(Op("swap_in", where), "the average has no parameters: it was moved from or "
                                   "constructed from an empty list");
    return Swapped(*this);
}

template <class T>
Ema<T>::Swapped::Swapped(const Ema& ema) : swapped_(ema.swapped_) {
    for (const auto& p : ema.parameters_) values_.emplace_back(p, p.value().copy());
    ++*swapped_;
    for (std::size_t i = 0; i < values_.size(); ++i) values_[i].first.set(ema.averages_[i]);
}

template <class T>
Ema<T>::Swapped::~Swapped() {
    if (swapped_ == nullptr) return; // moved from
    for (auto& [parameter, value] : values_) parameter.set(value);
    --*swapped_;
}

template <class T>
void Ema<T>::require_not_swapped(const Op& op) const {
    if (*swapped_ != 0)
        fail(op, "the parameters have their averages until the result of swap_in() is destroyed");
}

template <class T>
typename Ema<T>::State Ema<T>::state() const {
    require_not_swapped(Op::unplaced("Ema"));
    State all;
    for (std::size_t i = 0; i < parameters_.size(); ++i)
        all[parameters_[i].path] = averages_[i].copy();
    return all;
}

template <class T>
std::string Ema<T>::mismatches(const State& state) const {
    require_not_swapped(Op::unplaced("Ema"));
    std::map<std::string, Shape> own;
    for (const auto& p : parameters_) own[p.path] = p.shape();
    return this->compare(own, state);
}

template <class T>
void Ema<T>::assign(const State& state) {
    for (std::size_t i = 0; i < parameters_.size(); ++i)
        averages_[i].assign(state.at(parameters_[i].path));
}

template class Ema<float>;
template class Ema<double>;

} // namespace unroll::optim
