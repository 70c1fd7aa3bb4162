#include <unroll/core/check/checking.hpp>
#include <unroll/core/check/statistics.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

namespace unroll {

namespace {

template <class T>
constexpr T infinity = std::numeric_limits<T>::infinity();

std::string short_text(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.5g", std::isnan(value) ? std::abs(value) : value);
    return text;
}

// "inf at [1, 3] of [2, 4]": the first NaN, or else the first element equal to `otherwise`.
template <class T>
std::string where_not_finite(const Tensor<T>& x, const Range& range, T otherwise) {
    const Tensor<T> dense = x.contiguous();
    const auto* end = dense.data() + dense.size();
    const auto* found = std::find_if(
        dense.data(), end, [&](T v) { return range.nans > 0 ? std::isnan(v) : v == otherwise; });
    auto rest = static_cast<std::size_t>(found - dense.data());
    Shape at = x.shape();
    for (std::size_t a = at.size(); a-- > 0; rest /= x.shape(a)) at[a] = rest % x.shape(a);
    return short_text(static_cast<double>(*found)) + (at.empty() ? "" : " at " + to_string(at)) +
           " of " + to_string(x.shape());
}

template <class T>
std::string first_not_finite(const Tensor<T>& x) {
    const Range range = range_of(x);
    return where_not_finite(x, range, range.plus > 0 ? infinity<T> : -infinity<T>);
}

// "[2, 3] is in [0, 1.5] except for 2 nan, the first at [0, 1]"
template <class T>
std::string range_text(const Tensor<T>& x) {
    const Range r = range_of(x);
    std::string text = to_string(x.shape());
    if (x.size() == 0) return text + " is empty";
    const std::size_t others = r.nans + r.plus + r.minus;
    if (others < x.size())
        text += " is in [" + short_text(r.least) + ", " + short_text(r.largest) + "]";
    if (others == 0) return text;
    text += others < x.size() ? " except for" : " contains only";
    const char* comma = " ";
    for (const auto& [count, name] :
         {std::pair(r.nans, " nan"), std::pair(r.plus, " inf"), std::pair(r.minus, " -inf")}) {
        if (count == 0) continue;
        text += comma + std::to_string(count) + name;
        comma = ", ";
    }
    if (r.nans > 0 && others < x.size()) text += ", the first " + first_not_finite(x);
    return text;
}

template <class T>
bool share_memory(const Tensor<T>& a, const Tensor<T>& b) {
    return a.storage() == b.storage() && a.data() == b.data();
}

std::string among(const char* what, std::size_t number, std::size_t count) {
    return what + (count > 1 ? " " + std::to_string(number) : std::string());
}

} // namespace

template <class T>
unsigned char& Checking<T>::mark(NodeId id) {
    if (id >= marks_.size()) marks_.resize(2 * std::size_t{id} + 1, 0);
    return marks_[id];
}

template <class T>
void Checking<T>::throw_non_finite(const Node<T>& node, const std::string& problem) const {
    const Tape<T>& tape = *this->tape();
    fail(node.op, problem, tape.scope_path(node.scope), tape.caller(node.scope));
}

template <class T>
std::string Checking<T>::input_name(const Node<T>& node, std::size_t input) const {
    std::string text = "input " + std::to_string(input);
    const Tape<T>& tape = *this->tape();
    NodeId id = node.inputs[input];
    if (id == no_node) return text + ", a constant, of ";
    // Views that are part of the same composite have its name.
    const auto composite = tape.composite(node.operation);
    while (composite != 0 && tape.composite(id) == composite && tape.node(id).is_view)
        id = tape.node(id).inputs[0];
    const Node<T>& from = tape.node(id);
    if (from.parameter != nullptr)
        return text + ", the parameter '" + from.parameter->name() + "', of ";
    if (from.input_count > 0) return text + ", from '" + from.op.name + "', of ";
    return text + ", '" + from.op.name + "', of ";
}

template <class T>
std::string Checking<T>::inputs_text(const Node<T>& node, Inputs inputs, Values results) const {
    std::string text;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        const Tensor<T>& value = inputs[i]->value();
        const bool overwritten = std::any_of(results.begin(), results.end(), [&](const auto& r) {
            return share_memory(r.value(), value);
        });
        text += "; " + input_name(node, i) +
                (overwritten ? to_string(value.shape()) + " was overwritten by the result"
                             : range_text(value));
    }
    return text;
}

template <class T>
void Checking<T>::check_parameters(const Node<T>& node, Inputs inputs) {
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        const NodeId id = node.inputs[i];
        if (id == no_node || this->tape()->node(id).parameter == nullptr) continue;
        if ((mark(id) & looked_at) != 0) continue;
        const Tensor<T>& value = this->tape()->node(id).parameter->value();
        if (!is_finite(value)) throw_non_finite(node, input_name(node, i) + range_text(value));
        mark(id) |= looked_at;
    }
}

template <class T>
bool Checking<T>::was_infinite(const Node<T>& node, Inputs inputs, Values results, Mark sign) {
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        const Tensor<T>& value = inputs[i]->value();
        const bool overwritten = std::any_of(results.begin(), results.end(), [&](const auto& r) {
            return share_memory(r.value(), value);
        });
        if (overwritten) {
            const NodeId id = node.inputs[i];
            if (id != no_node && (mark(this->tape()->node(id).root) & sign) != 0) return true;
        } else {
            const Range range = range_of(value);
            if ((sign == plus_infinity ? range.plus : range.minus) > 0) return true;
        }
    }
    return false;
}

// The operations that passed on an accepted infinity, from the one that it came from.
template <class T>
std::string Checking<T>::origin_text(const Node<T>& node) {
    const Tape<T>& tape = *this->tape();
    const auto accepted = [&](const Node<T>& from) -> const Node<T>* {
        for (std::uint32_t i = 0; i < from.input_count; ++i) {
            if (from.inputs[i] == no_node) continue;
            const Node<T>& input = tape.node(from.inputs[i]);
            if ((mark(input.root) & (plus_infinity | minus_infinity)) != 0) return &input;
        }
        return nullptr;
    };
    std::string passed_on;
    const Node<T>* origin = nullptr;
    std::string_view last;
    for (const Node<T>* next = accepted(node); next != nullptr; next = accepted(*next)) {
        // A composite consists of several operations of one name.
        if (origin != nullptr && origin->op.name != std::string_view(next->op.name))
            passed_on = ", '" + std::string(origin->op.name) + "'" + passed_on;
        origin = next;
    }
    if (origin == nullptr) return "";
    std::string text = "; the infinity comes from '" + std::string(origin->op.name) + "'";
    if (origin->op.where.line() != 0) text += " at " + to_string(origin->op.where);
    if (!passed_on.empty()) text += ", by way of" + passed_on.substr(1);
    return text;
}

template <class T>
void Checking<T>::recorded(NodeId first, Inputs inputs, Values results) {
    const Node<T>& node = this->tape()->node(first);
    check_parameters(node, inputs);
    for (std::size_t i = 0; i < results.size(); ++i) {
        const Tensor<T>& value = results[i].value();
        if (is_finite(value)) continue;
        const Range range = range_of(value);
        const auto is_meant = [&](std::size_t count, Mark sign) {
            if (count == 0) return true;
            if (!was_infinite(node, inputs, results, sign)) return false;
            mark(this->tape()->node(first + static_cast<NodeId>(i)).root) |= sign;
            return true;
        };
        const bool plus = is_meant(range.plus, plus_infinity);
        if (plus && is_meant(range.minus, minus_infinity) && range.nans == 0) continue;
        throw_non_finite(node,
                         among("the value", i, results.size()) + " is " +
                             where_not_finite(value, range, plus ? -infinity<T> : infinity<T>) +
                             inputs_text(node, inputs, results) + origin_text(node));
    }
}

template <class T>
void Checking<T>::before_rule(NodeId first, Values gradients) {
    const Tape<T>& tape = *this->tape();
    const Node<T>& node = tape.node(first);
    received_.clear();
    for (std::size_t i = 0; i < gradients.size(); ++i) {
        const Tensor<T>& gradient =
            received_.emplace_back(gradients[i].has_value() ? gradients[i].value() : Tensor<T>());
        // Contributions are checked after each rule, so this gradient was passed to backward().
        if (gradient.storage() && !is_finite(gradient))
            throw_non_finite(node,
                             "the gradient passed to backward is " + first_not_finite(gradient));
    }
    for (std::uint32_t i = 0; i < node.input_count; ++i) {
        if (node.inputs[i] == no_node) continue;
        const Node<T>& input = tape.node(node.inputs[i]);
        if (input.parameter == nullptr || input.gradient != nullptr ||
            tape.keeps_gradients_apart() || !input.parameter->has_gradient)
            continue;
        if (!is_finite(input.parameter->gradient))
            throw_non_finite(node, "the parameter '" + input.parameter->name() +
                                       "' already had a gradient that is " +
                                       first_not_finite(input.parameter->gradient));
    }
}

template <class T>
void Checking<T>::after_rule(NodeId first) {
    const Tape<T>& tape = *this->tape();
    const Node<T>& node = tape.node(first);
    for (std::uint32_t i = 0; i < node.input_count; ++i) {
        if (node.inputs[i] == no_node) continue;
        const StridedView& part = tape.node(node.inputs[i]).view;
        const Gradient<T>* buffer = tape.node(tape.node(node.inputs[i]).root).gradient;
        if (buffer == nullptr || !buffer->storage) continue;
        const Tensor<T> gradient = buffer->at(part);
        if (is_finite(gradient)) continue;
        std::string text = input_name(node, i);
        text.resize(text.size() - std::string(", of ").size() + 1);
        text = "the gradient of " + text + " is " + first_not_finite(gradient);
        for (std::size_t r = 0; r < received_.size(); ++r)
            if (received_[r].storage())
                text += "; " + among("the incoming gradient", r, received_.size()) + ", of " +
                        range_text(received_[r]);
        throw_non_finite(node, text + kept_text(node));
    }
    received_.clear();
}

// The saved tensors of the rule, by their names in the operation.
template <class T>
std::string Checking<T>::kept_text(const Node<T>& node) const {
    std::string text;
    for (const Saved<T>& kept : node.rule->kept()) {
        const Tensor<T>& value = kept.value();
        const auto* end = node.inputs + node.input_count;
        const auto* input = std::find(node.inputs, end, kept.node);
        const NodeId result = kept.node - node.operation;
        if (kept.node != no_node && input != end)
            text += "; " + input_name(node, static_cast<std::size_t>(input - node.inputs));
        else if (kept.node != no_node && kept.node >= node.operation && result < node.outputs)
            text += "; " + among("the value", result, node.outputs) + ", of ";
        else
            text += "; a constant, of ";
        text += range_text(value);
    }
    return text;
}

template <class T>
void Checking<T>::leaf(NodeId id, const Tensor<T>& gradient) {
    if (!is_finite(gradient))
        throw_non_finite(this->tape()->node(id),
                         "the gradient passed to backward is " + first_not_finite(gradient));
}

template <class T>
void Checking<T>::cleared() {
    marks_.clear();
    received_.clear();
}

template class Checking<float>;
template class Checking<double>;

} // namespace unroll
