#pragma once

#include <unroll/core/autograd/record.hpp>
#include <unroll/nn/layers/layers.hpp>
#include <unroll/ops/order/linear_scan.hpp>

#include <algorithm>
#include <array>
#include <concepts>
#include <iterator>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

namespace unroll::nn {

// A recurrent cell is one step of a recurrent network, a function of an input and a state. The
// input is projected for many steps at once, before the first step:
//   project: x [..., input] -> z [..., any width] each row independently
//   step:    z [B, ...], state -> new state, h first, each [B, its width]
// A state is a State<T, N>; a cell whose only state is h may take and return a Variable instead.
// Nothing else is required. Optional members, and their defaults:
//   value_type      the scalar type: default, that of the arguments of step
//   states          N: default, that of the arguments of step, or 1 if step is a template
//   name            for errors and graph drawings: default, the name of the type
//   state_names     of each state, h first, for the same: default, h, and c
//                   or state 1, state 2, ...
//   Options         the type of RecurrentOptions::cell: default, an empty struct
//   widths()        the width of each state: default, RecurrentOptions::hidden
//   members(m)      its parameters: default, none
//   a third argument of step, a StepContext: default, the scan copies h to its slot
//   scan(z, state, options)  all steps of z [T, B, ...] at once, as a Scanned: default, a loop over
//                   step. For states that are a linear scan, which step() then is for T = 1
// A layer constructs its cells as Cell(input, hidden, options), or without options if the cell has
// no such type. See docs/recurrent.md.

// h, and any other tensors that a cell carries from step to step.
template <class T, std::size_t N>
using State = std::array<Variable<T>, N>;

// What a cell with scan() returns.
template <class T, std::size_t N>
struct Scanned {
    Variable<T> output; // [T, B, width of h], 0 after the end of a sequence
    State<T, N> state;  // after the last step, each [B, its width]
};

// Optional third argument of a step.
template <class T = float>
struct StepContext {
    // Output slots for results that later operations read as one tensor: the new h, exactly as the
    // step returns it, and the recurrent pre-activations of cells with `recurrent_gates`.
    OutputSlot<T> h;
    OutputSlot<T> recurrent;
    // Replaces weight_hh; and a mask that multiplies h in the recurrent product. Null: none.
    const Variable<T>* weight_hh = nullptr;
    const Variable<T>* mask = nullptr;
};

namespace detail {

// The type of the last argument of a member function, ignoring contexts: a state, or the x of
// project. void if the function is missing, a template or overloaded.
template <class F>
struct Argument {
    using type = void;
};
template <class R, class C, class X>
struct Argument<R (C::*)(X) const> {
    using type = std::remove_cvref_t<X>;
};
template <class R, class C, class Z, class S, class... Rest>
struct Argument<R (C::*)(Z, S, Rest...) const> {
    using type = std::remove_cvref_t<S>;
};
template <class R, class C, class... X>
struct Argument<R (C::*)(X...) const noexcept> : Argument<R (C::*)(X...) const> {};
template <class C>
auto step_state() {
    if constexpr (requires { &C::step; })
        return Argument<decltype(&C::step)>();
    else
        return Argument<void>();
}
template <class C>
auto project_input() {
    if constexpr (requires { &C::project; })
        return Argument<decltype(&C::project)>();
    else
        return Argument<void>();
}
template <class C>
using StepState = typename decltype(step_state<C>())::type;
template <class C>
using ProjectInput = typename decltype(project_input<C>())::type;

template <class S>
inline constexpr std::size_t state_count = 1;
template <class T, std::size_t N>
inline constexpr std::size_t state_count<State<T, N>> = N;

template <class S>
struct ScalarOfState {};
template <class S>
requires requires { typename S::value_type; }
struct ScalarOfState<S> {
    using type = typename S::value_type;
};
template <class T, std::size_t N>
struct ScalarOfState<State<T, N>> {
    using type = T;
};

template <class C>
auto cell_scalar_of() {
    if constexpr (HasValueType<C>)
        return std::type_identity<typename C::value_type>();
    else if constexpr (requires { typename ScalarOfState<StepState<C>>::type; })
        return ScalarOfState<StepState<C>>();
    else if constexpr (requires { typename ScalarOfState<ProjectInput<C>>::type; })
        return ScalarOfState<ProjectInput<C>>();
    else if constexpr (ListsMembers<C, float> || ListsMembers<C, double>)
        return ScalarOf<C>();
    else
        return std::type_identity<float>();
}

// "LstmCell", of "const char* ... [with C = app::LstmCell<double>; ...]".
constexpr std::string_view bare_name(std::string_view function) {
    function.remove_prefix(function.find("C = ") + 4);
    function = function.substr(0, function.find_first_of("<;]"));
    const std::size_t colon = function.rfind(':');
    return colon == std::string_view::npos ? function : function.substr(colon + 1);
}

} // namespace detail

template <class C>
using cell_scalar = typename decltype(detail::cell_scalar_of<C>())::type;

template <class C>
constexpr std::size_t cell_states() {
    if constexpr (requires { C::states; })
        return C::states;
    else
        return detail::state_count<detail::StepState<C>>;
}

template <class C>
using cell_state = State<cell_scalar<C>, cell_states<C>()>;

template <class C>
using cell_options = typename detail::OptionsOf<C>::type;

template <class C>
constexpr std::string_view cell_name() {
    if constexpr (requires { C::name; })
        return C::name;
    else
        return detail::bare_name(__PRETTY_FUNCTION__);
}

// The names of the states, h first.
template <class C>
constexpr auto cell_state_names() {
    constexpr std::size_t count = cell_states<C>();
    std::array<const char*, count> names{};
    if constexpr (requires { C::state_names; }) {
        static_assert(std::size(C::state_names) == count,
                      "state_names of a recurrent cell must name each of its states, h first");
        std::copy_n(std::begin(C::state_names), std::min(std::size(C::state_names), count),
                    names.begin());
    } else {
        constexpr const char* defaults[] = {"h",       "state 1", "state 2", "state 3",
                                            "state 4", "state 5", "state 6", "state 7"};
        for (std::size_t s = 0; s < count; ++s) names[s] = s < 8 ? defaults[s] : "state";
        if (count == 2) names[1] = "c";
    }
    return names;
}

namespace detail {

// The new state, as step returns it, from a state as step takes it.
template <class C, class T, std::size_t N>
auto call_step(const C& cell, const Variable<T>& z, const State<T, N>& state,
               const StepContext<T>& context) {
    if constexpr (requires { cell.step(z, state, context); })
        return cell.step(z, state, context);
    else if constexpr (requires { cell.step(z, state); })
        return cell.step(z, state);
    else if constexpr (N == 1 && requires { cell.step(z, state[0], context); })
        return cell.step(z, state[0], context);
    else if constexpr (N == 1 && requires { cell.step(z, state[0]); })
        return cell.step(z, state[0]);
}

// Whether cell.project(x) gives a variable, and cell.step(z, state) a state of the same kind.
template <class C, class T = cell_scalar<C>>
inline constexpr bool has_project = requires(const C& cell, const Variable<T>& x) {
    { cell.project(x) } -> std::convertible_to<Variable<T>>;
    requires !OfOtherType<std::remove_cvref_t<decltype(cell.project(x))>, T>;
};
template <class C, class T = cell_scalar<C>, class S = cell_state<C>>
inline constexpr bool has_step = [] {
    using Result =
        decltype(call_step(std::declval<const C&>(), std::declval<const Variable<T>&>(),
                           std::declval<const S&>(), std::declval<const StepContext<T>&>()));
    return std::is_convertible_v<Result, S> ||
           (cell_states<C>() == 1 && std::is_convertible_v<Result, Variable<T>>);
}();

template <class C, class T = cell_scalar<C>, class S = cell_state<C>>
inline constexpr bool has_scan = requires(const C& cell, const Variable<T>& z, const S& state,
                                          const LinearScanOptions& o) {
    { cell.scan(z, state, o) } -> std::same_as<Scanned<T, cell_states<C>()>>;
};

} // namespace detail

// Variable<T> project(const Variable<T>& x) const
// State<T, N> step(const Variable<T>& z, const State<T, N>& state) const
template <class C>
concept Cell = detail::has_project<C> && detail::has_step<C>;

namespace detail {

// Reports in one static_assert what a type lacks as a cell.
template <class C>
consteval bool require_cell() {
    using T = cell_scalar<C>;
    using S = cell_state<C>;
    constexpr bool takes_x = requires(const C& cell, const Variable<T>& x) { cell.project(x); };
    // In the order of call_step: a step that takes anything is called with a state.
    constexpr bool takes = [] {
        if constexpr (requires(const C& cell, const Variable<T>& z, const S& state,
                               const StepContext<T>& context) { cell.step(z, state, context); })
            return true;
        else if constexpr (requires(const C& cell, const Variable<T>& z, const S& state) {
                               cell.step(z, state);
                           })
            return true;
        else if constexpr (cell_states<C>() != 1)
            return false;
        else
            return requires(const C& cell, const Variable<T>& z, const StepContext<T>& context) {
                cell.step(z, z, context);
            }
        || requires(const C& cell, const Variable<T>& z) { cell.step(z, z); };
    }();
    static_assert(takes_x, "a recurrent cell needs a public function Variable<T> project(const "
                           "Variable<T>& x) const, with the T of step()");
    static_assert(!takes_x || has_project<C>,
                  "project() of a recurrent cell must return a Variable<T>, with the T of its x");
    static_assert(!has_project<C> || takes,
                  "a recurrent cell needs a public function State<T, N> step(const Variable<T>& z, "
                  "const State<T, N>& state) const; or Variable<T> for State<T, 1>");
    static_assert(!has_project<C> || !takes || has_step<C>,
                  "step() of a recurrent cell must return what it takes: the new State<T, N>, or a "
                  "Variable<T> if h is its only state");
    return true;
}

template <Cell C>
C make_cell(std::size_t input, std::size_t hidden, const cell_options<C>& options, Where where) {
    if constexpr (std::is_constructible_v<C, std::size_t, std::size_t, cell_options<C>>) {
        return construct<C>(where, input, hidden, options);
    } else {
        constexpr bool is_made = std::is_constructible_v<C, std::size_t, std::size_t> &&
                                 std::is_same_v<cell_options<C>, NoOptions>;
        static_assert(
            is_made,
            "a recurrent layer constructs its cells as Cell(input, hidden), or as Cell(input, "
            "hidden, options) if there is a type Cell::Options");
        if constexpr (is_made) return construct<C>(where, input, hidden);
    }
}

// The width of each state, h first.
template <Cell C>
std::array<std::size_t, cell_states<C>()> widths(const C& cell, std::size_t hidden) {
    std::array<std::size_t, cell_states<C>()> all;
    if constexpr (requires { cell.widths(); })
        all = cell.widths();
    else
        all.fill(hidden);
    return all;
}

// For cells with `recurrent_gates`, the width of their recurrent pre-activations; otherwise 0.
template <Cell C>
std::size_t recurrent_width(const C& cell) {
    if constexpr (requires { C::recurrent_gates; })
        return C::recurrent_gates * cell.hidden;
    else
        return 0;
}

// Throws Error unless the state returned by step has the shapes of the state that it received.
template <class T>
void check_step(std::string_view name, std::span<const char* const> names,
                std::span<const Variable<T>> old, std::span<const Variable<T>> next);
[[noreturn]] void refuse_stored(std::string_view name);

template <class T>
Variable<T> copy_to(const OutputSlot<T>& slot, const Variable<T>& x);

// One step whose new h is stored in context.h, or in its own memory.
template <Cell C, class T, std::size_t N>
State<T, N> step(const C& cell, const Variable<T>& z, const State<T, N>& state,
                 const StepContext<T>& context = {}) {
    State<T, N> next;
    if constexpr (std::is_convertible_v<decltype(call_step(cell, z, state, context)), State<T, N>>)
        next = call_step(cell, z, state, context);
    else
        next[0] = call_step(cell, z, state, context);
    static constexpr auto names = cell_state_names<C>();
    check_step<T>(cell_name<C>(), names, state, next);
    return next;
}
// One step whose new h ends up in a slot of `buffer`, stored there by the step or copied.
template <Cell C, class T, std::size_t N>
State<T, N> step_into(const Buffer<T>& buffer, const OutputSlot<T>& slot, const C& cell,
                      const Variable<T>& z, const State<T, N>& state, StepContext<T>& context) {
    bool is_taken = false;
    context.h = slot;
    context.h.is_taken = &is_taken;
    State<T, N> next = step(cell, z, state, context);
    context.h = {};
    if (!is_taken)
        copy_to(slot, next[0]);
    else if (!buffer.holds(slot, next[0]))
        refuse_stored(cell_name<C>());
    return next;
}

} // namespace detail

namespace detail {

// For its scope, this thread runs a layer, which opens the scopes of its steps: cells open none.
class LayerRuns {
public:
    LayerRuns() : outer_(std::exchange(active_, true)) {}
    ~LayerRuns() { active_ = outer_; }
    LayerRuns(const LayerRuns&) = delete;
    LayerRuns& operator=(const LayerRuns&) = delete;
    static bool active() { return active_; }

private:
    static thread_local constinit bool active_;
    bool outer_;
};

// The scope of a cell in a user's loop: one for project() and the step() after it.
class CellScope {
public:
    enum class Part { project, step };
    CellScope(const ModuleName& cell, Part part, Where caller);

private:
    std::optional<Scope> scope_;
};

} // namespace detail

// Base of the cells in this folder: G gates, h of width `output`. Weights have PyTorch's names,
// shapes and order of gates. Derived cells support weight dropout and state dropout.
template <class T = float>
struct CellParameters {
    std::size_t input = 0, hidden = 0, gates = 0, output = 0;
    Parameter<T> weight_ih;        // [G hidden, input]
    Parameter<T> weight_hh;        // [G hidden, output]
    Parameter<T> bias_ih, bias_hh; // [G hidden]
    // With layer normalisation: LN(W_ih x) and LN(W_hh h) replace the products  (Ba et al. 2016)
    std::optional<LayerNorm<T>> norm_ih, norm_hh;

    // Initialises uniformly within 1 / sqrt(hidden), as PyTorch does. `cell`: the class, and the
    // line that constructs it. Throws Error for an input or hidden width of 0.
    CellParameters(const Op& cell, std::size_t input, std::size_t hidden, std::size_t gates,
                   bool layer_norm, std::size_t output = 0);
    void members(Members<T>& m);

    ModuleName module_name;

protected:
    Variable<T> inputs(const Variable<T>& x, const Variable<T>& bias) const; // W_ih x + bias
    // z + W_hh h
    Variable<T> add_recurrent(const Variable<T>& z, const Variable<T>& h,
                              const StepContext<T>& context) const;
    Variable<T> read(const Variable<T>& h, const StepContext<T>& context) const;
    Variable<T> recurrent_weight(const StepContext<T>& context) const;
};

namespace detail {

// Whether a cell supports StepContext::weight_hh and StepContext::mask.
template <class C, class T = cell_scalar<C>, class S = cell_state<C>>
inline constexpr bool has_recurrent_weight = [] {
    if constexpr (!std::is_base_of_v<CellParameters<T>, C>)
        return false;
    else
        return requires(const C& cell, const Variable<T>& z, const S& state,
                        const StepContext<T>& context) {
            cell.step(z, state, context);
        }
    || requires(const C& cell, const Variable<T>& z, const StepContext<T>& context) {
        cell.step(z, z, context);
    };
}();

} // namespace detail

} // namespace unroll::nn
