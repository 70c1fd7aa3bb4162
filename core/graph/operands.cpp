#include <unroll/core/graph/operands.hpp>

#include <algorithm>
#include <cstdint>

namespace unroll::graph::detail {

namespace {

std::uintptr_t address(const void* p) { return reinterpret_cast<std::uintptr_t>(p); }

// Between two operands; null for an operation that is written by its name.
const char* sign_of(Notation notation) {
    switch (notation) {
    case Notation::sum: return " + ";
    case Notation::difference: return " − ";
    case Notation::product: return "·";
    case Notation::quotient: return " / ";
    case Notation::power: return "^";
    default: return nullptr;
    }
}

} // namespace

template <class T>
Operands<T>::Operands(const Tape<T>& tape) : tape_(tape) {
    for (const NamedConstant& named : tape.named_constants()) names_[named.value] = &named;
}

// The smallest named tensor that contains all elements of the operand; null if there are several.
// Names given before the use come first.
template <class T>
const TensorName* Operands<T>::tensor_around(const ConstantUse& use) const {
    const TensorName* const before = tensor_around(use, true);
    return before != nullptr ? before : tensor_around(use, false);
}

template <class T>
const TensorName* Operands<T>::tensor_around(const ConstantUse& use, bool is_before) const {
    const auto [low, high] = extent(use.layout->shape, use.layout->strides);
    const auto at = [&](std::ptrdiff_t element) {
        return address(use.data) + static_cast<std::uintptr_t>(element * use.width);
    };
    const TensorName* found = nullptr;
    std::uintptr_t smallest = ~std::uintptr_t{0};
    for (const TensorName& named : tape_.named_tensors()) {
        const std::uintptr_t begin = address(named.first), end = address(named.last);
        if ((use.node >= named.since) != is_before || at(low) < begin || at(high - 1) > end)
            continue;
        // Memory that the use did not hold may have been another tensor's then.
        if (!is_before && (!use.storage || use.storage != named.storage)) continue;
        const bool is_same = at(low) == begin && use.layout->shape == named.layout->shape;
        const std::uintptr_t size = is_same ? 0 : end - begin + 1;
        if (size > smallest || (!is_before && is_same && smallest == 0)) continue;
        found = size < smallest || is_same ? &named : nullptr;
        smallest = size;
    }
    return found;
}

template <class T>
std::optional<typename Operands<T>::Drawn> Operands<T>::find(const ConstantUse& use) const {
    if (const auto named = names_.find(use.value); named != names_.end()) {
        const LayoutRef& layout = named->second->layout;
        return Drawn{use.value, named->second->name, layout, true,
                     layout->size != use.layout->size};
    }
    if (const TensorName* const named = tensor_around(use))
        return Drawn{address(named), named->name, named->layout, true,
                     named->layout->size != use.layout->size};
    if (use.is_literal()) return std::nullopt;
    const char* const name = use.name != nullptr ? use.name : is_zero(use) ? "zeros" : "constant";
    return Drawn{use.value, name, use.layout, false, false};
}

// Of an initial state, for instance. Large tensors are not read.
template <class T>
bool Operands<T>::is_zero(const ConstantUse& use) {
    constexpr std::ptrdiff_t most = 1 << 16;
    const auto [low, high] = extent(use.layout->shape, use.layout->strides);
    const auto* const data = static_cast<const T*>(use.data);
    return use.storage && low < high && high - low <= most &&
           std::all_of(data + low, data + high, [](T x) { return x == 0; });
}

template <class T>
void Operands<T>::add_arguments(Item& item, NodeId id, bool is_part) const {
    const auto at = [&](std::uint32_t position) -> std::string& {
        if (position >= item.arguments.size()) item.arguments.resize(position + 1);
        return item.arguments[position];
    };
    bool has_captured = false;
    for (const ConstantUse& use : tape_.constants_of(id)) {
        if (use.input == ConstantUse::not_an_input) continue;
        const bool is_captured = use.data == nullptr;
        has_captured = has_captured || is_captured;
        if (!find(use) && (is_captured || !is_part))
            at(use.input) = Formula::Term::of_number(use.number).text, item.has_literals = true;
        else if (use.is_beside_inputs())
            at(use.input) = use.name;
    }
    // Those of a Composite may be others than those of its first operation.
    const std::size_t count = tape_.node(id).input_count;
    if (!is_part && !(has_captured && tape_.composite(id) != 0) && item.arguments.size() < count)
        item.arguments.resize(count);
}

void merge_arguments(Item& item, const Item& other) {
    for (std::size_t i = 0; i < std::min(item.arguments.size(), other.arguments.size()); ++i)
        if (item.arguments[i] != other.arguments[i] && !other.arguments[i].empty())
            item.arguments[i] = "…";
}

std::string operand_name(const Item& item, std::uint32_t number) {
    if (number < item.operands.size()) return item.operands[number];
    return std::count(item.arguments.begin(), item.arguments.end(), "") == 1
               ? "x"
               : "x" + std::to_string(number + 1);
}

std::string call_text(const Item& item, const std::string& name) {
    std::vector<std::string> arguments = item.arguments;
    const char* const sign = arguments.size() == 2 ? sign_of(item.notation) : nullptr;
    const bool has_roles = std::count(arguments.begin(), arguments.end(), "") !=
                           static_cast<std::ptrdiff_t>(arguments.size());
    if (!item.has_literals && !(item.names_operands && (sign != nullptr || has_roles))) return name;
    for (std::uint32_t i = 0; i < arguments.size(); ++i)
        if (arguments[i].empty())
            arguments[i] = operand_name(item, i);
        else if (arguments[i][0] == '-')
            arguments[i].replace(0, 1, "−");
    if (sign != nullptr) {
        for (const std::size_t i : {0, 1})
            if (arguments[i].starts_with("−") && (i == 1 || item.notation == Notation::power))
                arguments[i] = "(" + arguments[i] + ")";
        return arguments[0] + sign + arguments[1];
    }
    std::string text = name + "(";
    for (const std::string& argument : arguments)
        text += (&argument == &arguments.front() ? "" : ", ") + argument;
    return text + ")";
}

template class Operands<float>;
template class Operands<double>;

} // namespace unroll::graph::detail
