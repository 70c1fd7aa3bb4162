#include <unroll/nn/initialize.hpp>
#include <unroll/nn/options.hpp>
#include <unroll/nn/recurrent/cell.hpp>
#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/matrix.hpp>
#include <unroll/ops/pointwise.hpp>

#include <cmath>
#include <string>

namespace unroll::nn {

template <class T>
CellParameters<T>::CellParameters(const Op& cell, std::size_t input, std::size_t hidden,
                                  std::size_t gates, bool layer_norm, std::size_t output)
    : input(input), hidden(hidden), gates(gates), output(output > 0 ? output : hidden),
      module_name(cell.name) {
    require_sizes(cell, {{"input", input}, {"hidden", hidden}});
    const double bound = 1.0 / std::sqrt(static_cast<double>(hidden));
    const auto fresh = [&](const char* name, const Shape& shape) {
        return Parameter<T>(name, uniform<T>(shape, bound, next_stream()));
    };
    weight_ih = fresh("weight_ih", {gates * hidden, input});
    weight_hh = fresh("weight_hh", {gates * hidden, this->output});
    bias_ih = fresh("bias_ih", {gates * hidden});
    bias_hh = fresh("bias_hh", {gates * hidden});
    if (!layer_norm) return;
    norm_ih.emplace(gates * hidden);
    norm_hh.emplace(gates * hidden);
}

template <class T>
void CellParameters<T>::members(Members<T>& m) {
    m(module_name)("weight_ih", weight_ih)("weight_hh", weight_hh)("bias_ih", bias_ih)("bias_hh",
                                                                                       bias_hh);
    if (norm_ih) m("norm_ih", *norm_ih)("norm_hh", *norm_hh);
}

template <class T>
Variable<T> CellParameters<T>::inputs(const Variable<T>& x, const Variable<T>& bias) const {
    return norm_ih ? (*norm_ih)(linear(x, weight_ih)) + bias : linear(x, weight_ih, bias);
}

template <class T>
Variable<T> CellParameters<T>::read(const Variable<T>& h, const StepContext<T>& context) const {
    return context.mask ? h * *context.mask : h;
}

template <class T>
Variable<T> CellParameters<T>::recurrent_weight(const StepContext<T>& context) const {
    return context.weight_hh ? *context.weight_hh : Variable<T>(weight_hh);
}

template <class T>
Variable<T> CellParameters<T>::add_recurrent(const Variable<T>& z, const Variable<T>& h,
                                             const StepContext<T>& context) const {
    const Variable<T> masked_h = read(h, context), weight = recurrent_weight(context);
    return norm_hh ? z + (*norm_hh)(linear(masked_h, weight)) : add_linear(z, masked_h, weight);
}

namespace detail {

thread_local constinit bool LayerRuns::active_ = false;

CellScope::CellScope(const ModuleName& cell, Part part, Where caller) {
    struct Projected {
        const ModuleName* cell;
        std::uint64_t within, scope;
    };
    static thread_local constinit Projected last{};
    if (LayerRuns::active()) return;
    const Scope* const outer = Scope::current();
    const std::uint64_t within = outer != nullptr ? outer->serial() : 0;
    if (part == Part::step && last.cell == &cell && last.within == within)
        scope_.emplace(cell, caller, last.scope);
    else
        scope_.emplace(cell, caller);
    last = part == Part::project ? Projected{&cell, within, scope_->serial()} : Projected{};
}

template <class T>
void check_step(std::string_view name, std::span<const char* const> names,
                std::span<const Variable<T>> old, std::span<const Variable<T>> next) {
    for (std::size_t s = 0; s < old.size(); ++s) {
        if (next[s].body() == nullptr)
            fail(std::string(name).c_str(), std::string("step returned no ") + names[s] +
                                                ": it must return all " +
                                                std::to_string(old.size()) + " states");
        if (next[s].shape() == old[s].shape()) continue;
        fail(std::string(name).c_str(),
             std::string("step returned ") + names[s] + " of shape " + to_string(next[s].shape()) +
                 ", expected " + to_string(old[s].shape()) +
                 "; a cell whose states are not `hidden` wide needs a member widths()");
    }
}

void refuse_stored(std::string_view name) {
    fail(std::string(name).c_str(),
         "step stored a value in StepContext::h but returned a different h; store the h that is "
         "returned, or nothing");
}

template <class T>
Variable<T> copy_to(const OutputSlot<T>& slot, const Variable<T>& x) {
    return unroll::detail::with_notation(fuse_into(
                                             slot, "copy", [](auto x) { return x; }, x),
                                         Notation::same);
}

} // namespace detail

#define UNROLL_INSTANTIATE(T)                                                                      \
    template struct CellParameters<T>;                                                             \
    template void detail::check_step(std::string_view, std::span<const char* const>,               \
                                     std::span<const Variable<T>>, std::span<const Variable<T>>);  \
    template Variable<T> detail::copy_to(const OutputSlot<T>&, const Variable<T>&);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::nn
