#include <unroll/core/autograd/backward/pass.hpp>
#include <unroll/core/base/error.hpp>
#include <unroll/core/check/statistics.hpp>
#include <unroll/optim/optimizer.hpp>
#include <unroll/optim/parameter_list.hpp>

#include <algorithm>
#include <cmath>

namespace unroll::optim {

namespace {

constexpr const char* updates_name = "updates";

void require_not_negative(const Op& op, const char* what, double value) {
    if (!(value >= 0 && std::isfinite(value)))
        fail(op, std::string("the ") + what + " must be at least 0 and finite, got " +
                     std::to_string(value));
}

// Whether the value is a valid number of updates.
template <class T>
bool is_count(const Tensor<T>& x) {
    return x.size() == 1 && x.item() >= 0 && static_cast<double>(x.item()) < 0x1p63 &&
           std::floor(x.item()) == x.item();
}

} // namespace

template <class T>
Optimizer<T>::Held::Held(const ParameterRef<T>& p, std::size_t count) : parameter(p) {
    for (std::size_t i = 0; i < count; ++i) slots.push_back(Tensor<T>::zeros(p.shape()));
    ++p.parameter().optimizers;
}

template <class T>
Optimizer<T>::Held::Held(const Held& other)
    : parameter(other.parameter), updates(other.updates), factor(other.factor),
      weight_decay(other.weight_decay) {
    for (const Tensor<T>& slot : other.slots) slots.push_back(slot.copy());
    if (parameter.body() != nullptr) ++parameter.parameter().optimizers;
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
Optimizer<T>::Held::~Held() {
    if (parameter.body() != nullptr) --parameter.parameter().optimizers;
}

template <class T>
Optimizer<T>::Optimizer(const Op& op, const Parameters<T>& parameters, const UpdateOptions& options,
                        std::vector<std::string> slots)
    : parameters_(each_once(parameters)), options_(options), learning_rate_(options.learning_rate),
      slot_names_(std::move(slots)) {
    require_not_negative(op, "learning rate", options.learning_rate);
    require_not_negative(op, "weight decay", options.weight_decay);
    require_distinct_paths(op, parameters_);
    for (const auto& parameter : parameters_) held_.emplace_back(parameter, slot_names_.size());
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
    Parameters<T> all = parameters_;
    all.insert(all.end(), parameters.begin(), parameters.end());
    all = each_once(all);
    require_distinct_paths(op, all);
    held_.reserve(all.size());
    for (std::size_t i = held_.size(); i < all.size(); ++i)
        held_.emplace_back(all[i], slot_names_.size());
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
void Optimizer<T>::require_listed(const Op& op) const {
    const auto& last = LastPass<T>::of_this_thread();
    if (last.unheld.empty() || allows_unlisted_) return;
    if (std::none_of(held_.begin(), held_.end(),
                     [&](const Held& h) { return h.parameter.parameter().pass == last.number; }))
        return; // that pass concerned another optimiser
    std::vector<ParameterRef<T>> unheld;
    for (const auto& p : last.unheld)
        if (p.parameter().optimizers == 0 && p.is_trainable() && p.has_gradient())
            unheld.push_back(p);
    if (unheld.empty()) return;
    fail(op, "parameters that no optimiser holds received gradients and would never be "
             "trained: " +
                 names_of(unheld) +
                 ". List them in members() and construct the optimiser after the last layer was "
                 "replaced (a copy of a model has parameters of its own), add them to an optimiser "
                 "(add_group), or freeze them with "
                 "set_trainable(false); allow_unlisted(true) disables this check");
}

template <class T>
bool Optimizer<T>::step(Where where) {
    const Op op("step", where);
    require_listed(op);
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
    if (!any)
        fail(op, std::string("no parameter has a gradient. Was backward called on a loss that "
                             "depends on the optimiser's parameters, computed while a Tape<") +
                     (std::same_as<T, double> ? "double" : "float") +
                     "> recorded? Are they frozen, or was their layer replaced after the "
                     "optimiser was constructed?");
    ++steps_;
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
std::map<std::string, Tensor<T>> Optimizer<T>::state() const {
    std::map<std::string, Tensor<T>> all;
    for (std::size_t i = 0; i < held_.size(); ++i) {
        const std::string path = parameters_[i].path + ".";
        for (std::size_t s = 0; s < slot_names_.size(); ++s)
            all[path + slot_names_[s]] = held_[i].slots[s].copy();
        all[path + updates_name] = Tensor<T>::scalar(static_cast<T>(held_[i].updates));
    }
    return all;
}

template <class T>
void Optimizer<T>::restore(const std::map<std::string, Tensor<T>>& state, std::uint64_t steps,
                           Where where) {
    std::map<std::string, Shape> own;
    for (const auto& p : parameters_) {
        for (const auto& slot : slot_names_) own[p.path + "." + slot] = p.shape();
        own[p.path + "." + updates_name] = Shape();
    }
    std::string problems;
    for (const auto& [name, shape] : own) {
        const auto found = state.find(name);
        if (found == state.end())
            problems += "\n  missing: " + name + " " + to_string(shape);
        else if (found->second.shape() != shape)
            problems += "\n  misshaped: " + name + " is " + to_string(found->second.shape()) +
                        ", expected " + to_string(shape);
        else if (name.ends_with(std::string(".") + updates_name) && !is_count(found->second))
            problems += "\n  " + name + " is not a valid number of updates";
    }
    for (const auto& [name, tensor] : state)
        if (!own.contains(name))
            problems += "\n  unexpected: " + name + " " + to_string(tensor.shape());
    if (!problems.empty())
        fail(Op("restore", where), "the state does not match the parameters:" + problems);
    for (std::size_t i = 0; i < held_.size(); ++i) {
        const std::string path = parameters_[i].path + ".";
        for (std::size_t s = 0; s < slot_names_.size(); ++s)
            held_[i].slots[s].assign(state.at(path + slot_names_[s]));
        held_[i].updates = static_cast<std::uint64_t>(state.at(path + updates_name).item());
    }
    steps_ = steps;
}

template class Optimizer<float>;
template class Optimizer<double>;

} // namespace unroll::optim
