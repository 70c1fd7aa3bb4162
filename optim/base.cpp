#include <unroll/core/base/error.hpp>
#include <unroll/core/check/statistics.hpp>
#include <unroll/optim/base.hpp>

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace unroll::optim {

namespace {

constexpr const char* updates_name = "updates";

void require_not_negative(const Op& op, const char* what, double value) {
    if (!(value >= 0 && std::isfinite(value)))
        fail(op, std::string("the ") + what + " must be at least 0 and finite, got " +
                     fmt::to_string(value));
}

// Whether the value is a valid number of updates.
template <class T>
bool is_count(const Tensor<T>& x) {
    return x.size() == 1 && x.item() >= 0 && static_cast<double>(x.item()) < 0x1p63 &&
           std::floor(x.item()) == x.item();
}

} // namespace

template <class T>
Optimizer<T>::Held::Held(const ParameterRef<T>& p, const std::vector<Slot>& all) : parameter(p) {
    for (const Slot& slot : all) slots.push_back(Tensor<T>::zeros(slot.shape));
}

template <class T>
Optimizer<T>::Held::Held(const Held& other)
    : parameter(other.parameter), updates(other.updates), factor(other.factor),
      weight_decay(other.weight_decay) {
    for (const Tensor<T>& slot : other.slots) slots.push_back(slot.copy());
}

template <class T>
typename Optimizer<T>::Held& Optimizer<T>::Held::operator=(Held other) noexcept {
    std::swap(parameter, other.parameter);
    std::swap(slots, other.slots);
    std::swap(updates, other.updates);
    std::swap(factor, other.factor);
    std::swap(weight_decay, other.weight_decay);
    return *this;
}

template <class T>
Optimizer<T>::Optimizer(const Op& op, const Parameters<T>& parameters, const UpdateOptions& options,
                        Slots slots)
    : parameters_(each_once(parameters)), options_(options), learning_rate_(options.learning_rate),
      slots_(std::move(slots)) {
    require_not_negative(op, "learning rate", options.learning_rate);
    require_not_negative(op, "weight decay", options.weight_decay);
    require_distinct_paths(op, parameters_);
    for (const auto& parameter : parameters_)
        held_.emplace_back(parameter, slots_(parameter.shape()));
}

template <class T>
void Optimizer<T>::set_learning_rate(double learning_rate, Where where) {
    require_not_negative(Op("set_learning_rate", where), "learning rate", learning_rate);
    learning_rate_ = learning_rate;
}

template <class T>
const typename Optimizer<T>::Held& Optimizer<T>::held(const ParameterRef<T>& parameter) const {
    const auto found = std::find_if(held_.begin(), held_.end(),
                                    [&](const Held& h) { return h.parameter == parameter; });
    if (found == held_.end())
        fail("optimizer", "the optimiser does not hold the parameter '" + parameter.name() + "'");
    return *found;
}

template <class T>
double Optimizer<T>::decay_of(const Held& held) const {
    if (held.weight_decay) return *held.weight_decay;
    const bool is_vector = held.parameter.dimension() < 2;
    return is_vector && !options_.decay_vectors ? 0 : options_.weight_decay;
}

template <class T>
double Optimizer<T>::learning_rate(const ParameterRef<T>& parameter) const {
    return learning_rate_ * held(parameter).factor;
}

template <class T>
double Optimizer<T>::weight_decay(const ParameterRef<T>& parameter) const {
    return decay_of(held(parameter));
}

template <class T>
void Optimizer<T>::check_group(const Op& op, const GroupOptions& options) const {
    if (options.learning_rate) {
        require_not_negative(op, "learning rate of a group", *options.learning_rate);
        if (options_.learning_rate == 0)
            fail(op, "the learning rate of a group is proportional to the optimiser's, "
                     "which was initialised with 0");
    }
    if (options.weight_decay)
        require_not_negative(op, "weight decay of a group", *options.weight_decay);
}

template <class T>
void Optimizer<T>::set_group(Held& held, const GroupOptions& options) const {
    held.factor = options.learning_rate ? *options.learning_rate / options_.learning_rate : 1;
    held.weight_decay = options.weight_decay;
}

template <class T>
void Optimizer<T>::add_group(const Parameters<T>& parameters, const GroupOptions& options,
                             Where where) {
    const Op op("add_group", where);
    check_group(op, options);
    if (parameters.empty()) fail(op, "the group has no parameters");
    if (!slots_) fail(op, "the optimiser was moved from");
    Parameters<T> all = parameters_;
    all.insert(all.end(), parameters.begin(), parameters.end());
    all = each_once(all);
    require_distinct_paths(op, all);
    held_.reserve(all.size());
    for (std::size_t i = held_.size(); i < all.size(); ++i)
        held_.emplace_back(all[i], slots_(all[i].shape()));
    parameters_ = std::move(all);
    for (Held& h : held_)
        if (std::find(parameters.begin(), parameters.end(), h.parameter) != parameters.end())
            set_group(h, options);
}

template <class T>
void Optimizer<T>::add_group(const std::function<bool(const NamedParameter<T>&)>& predicate,
                             const GroupOptions& options, Where where) {
    Parameters<T> accepted;
    std::copy_if(parameters_.begin(), parameters_.end(), std::back_inserter(accepted), predicate);
    if (accepted.empty())
        fail(Op("add_group", where), "the group's predicate accepts no parameter");
    add_group(accepted, options, where);
}

template <class T>
bool Optimizer<T>::step(Where where) {
    const Op op("step", where);
    if (!allows_unlisted_) require_listed(op, parameters_);
    bool any = false;
    for (const auto& parameter : parameters_) {
        if (!parameter.has_gradient()) continue;
        any = true;
        if (is_finite(parameter.gradient())) continue;
        if (non_finite_ == NonFinite::error)
            fail(op, "the gradient of '" + parameter.path + "' is not finite");
        for (const auto& p : parameters_) p.clear_gradient();
        return false;
    }
    if (parameters_.empty())
        fail(op, "the optimiser holds no parameters: it was moved from or constructed from an "
                 "empty list");
    if (!any) fail_without_gradient(op, parameters_);
    ++this->steps_;
    for (Held& h : held_) {
        if (!h.parameter.has_gradient()) continue;
        if (h.parameter.is_trainable())
            update({learning_rate_ * h.factor, decay_of(h), options_.decoupled, ++h.updates},
                   h.parameter, h.parameter.gradient(), h.slots);
        h.parameter.clear_gradient();
    }
    return true;
}

template <class T>
typename Optimizer<T>::State Optimizer<T>::state() const {
    State all;
    for (std::size_t i = 0; i < held_.size(); ++i) {
        const std::string path = parameters_[i].path + ".";
        const std::vector<Slot> slots = slots_(parameters_[i].shape());
        for (std::size_t s = 0; s < slots.size(); ++s)
            all[path + slots[s].name] = held_[i].slots[s].copy();
        all[path + updates_name] = Tensor<T>::scalar(static_cast<T>(held_[i].updates));
    }
    return all;
}

template <class T>
std::string Optimizer<T>::mismatches(const State& state) const {
    std::map<std::string, Shape> own;
    std::string counts;
    for (const auto& p : parameters_) {
        for (const Slot& slot : slots_(p.shape())) own[p.path + "." + slot.name] = slot.shape;
        const std::string updates = p.path + "." + updates_name;
        own[updates] = Shape();
        const auto found = state.find(updates);
        if (found != state.end() && found->second.shape() == Shape() && !is_count(found->second))
            counts += "\n  " + updates + " is not a valid number of updates";
    }
    return this->compare(own, state) + counts;
}

template <class T>
void Optimizer<T>::assign(const State& state) {
    for (std::size_t i = 0; i < held_.size(); ++i) {
        const std::string path = parameters_[i].path + ".";
        const std::vector<Slot> slots = slots_(parameters_[i].shape());
        for (std::size_t s = 0; s < slots.size(); ++s)
            held_[i].slots[s].assign(state.at(path + slots[s].name));
        held_[i].updates = static_cast<std::uint64_t>(state.at(path + updates_name).item());
    }
}

template class Optimizer<float>;
template class Optimizer<double>;

} // namespace unroll::optim
