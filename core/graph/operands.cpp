#include <unroll/core/graph/operands.hpp>

#include <algorithm>
#include <cstdint>

namespace unroll::graph::detail {

namespace {

std::uintptr_t address(const void* p) { return reinterpret_cast<std::uintptr_t>(p); }

// C++'s operators, by the names of their operations.
const char* operator_of(const std::string& operation) {
    static constexpr std::pair<const char*, const char*> all[] = {
        {"add", " + "}, {"subtract", " − "}, {"multiply", "·"}, {"divide", " / "}, {"pow", "^"}};
    for (const auto& [name, text] : all)
        if (operation == name) return text;
    return nullptr;
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
    return Drawn{use.value, use.name != nullptr ? use.name : "constant", use.layout, false, false};
}

template <class T>
std::vector<std::string> literals(const Tape<T>& tape, NodeId id) {
    std::vector<std::string> all(tape.node(id).input_count);
    bool any = false;
    for (const ConstantUse& use : tape.constants_of(id)) {
        if (use.input >= all.size()) continue;
        if (use.is_literal())
            all[use.input] = Formula::Term::of_number(use.number).text, any = true;
        else if (use.is_beside_inputs())
            all[use.input] = use.name;
    }
    if (!any) all.clear();
    return all;
}

std::string call_text(const std::string& operation, const std::vector<std::string>& literals) {
    if (literals.empty()) return operation;
    std::vector<std::string> arguments = literals;
    const auto brought = std::count(arguments.begin(), arguments.end(), "");
    for (std::size_t i = 0; i < arguments.size(); ++i)
        if (arguments[i].empty())
            arguments[i] = brought == 1 ? "x" : "x" + std::to_string(i + 1);
        else if (arguments[i][0] == '-')
            arguments[i].replace(0, 1, "−");
    if (const char* const sign = operator_of(operation); sign != nullptr && arguments.size() == 2) {
        const bool is_power = operation == "pow";
        for (const std::size_t i : {0, 1})
            if (arguments[i].starts_with("−") && (i == 1 || is_power))
                arguments[i] = "(" + arguments[i] + ")";
        return arguments[0] + sign + arguments[1];
    }
    std::string text = operation + "(";
    for (const std::string& argument : arguments)
        text += (&argument == &arguments.front() ? "" : ", ") + argument;
    return text + ")";
}

template class Operands<float>;
template class Operands<double>;
template std::vector<std::string> literals(const Tape<float>&, NodeId);
template std::vector<std::string> literals(const Tape<double>&, NodeId);

} // namespace unroll::graph::detail
