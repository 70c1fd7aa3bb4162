#include <unroll/nn/layers/padding.hpp>
#include <unroll/nn/recurrent/scan.hpp>
#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/pointwise.hpp>

namespace unroll::nn::detail {

template <class T>
Variable<T> active(std::span<const std::size_t> lengths, std::size_t t) {
    Tensor<T> mask(Shape{lengths.size(), 1});
    for (std::size_t b = 0; b < lengths.size(); ++b) mask.data()[b] = t < lengths[b] ? T(1) : T(0);
    return mask;
}

template <class T>
Variable<T> choose_active(const OutputSlot<T>& slot, const Variable<T>& active,
                          const Variable<T>& x, const Variable<T>& y,
                          std::span<const std::size_t> lengths) {
    const auto chosen = fuse_into(
        slot, "where", primitive([](auto a, auto x, auto y) { return where(a > 0, x, y); }), active,
        x, y);
    return with_lengths(chosen, lengths, nullptr, 0);
}

template <class T>
Variable<T> locked_dropout(const Variable<T>& x, double p) {
    if (p == 0) return x;
    Shape once = x.shape();
    if (once.size() == 3) once[0] = 1;
    return x * dropout(Variable<T>(Tensor<T>::ones(once)), p);
}

template <class T>
Variable<T> zone_out(const OutputSlot<T>& slot, const Variable<T>& old, const Variable<T>& next,
                     double p) {
    Tape<T>* const tape = training_tape(next);
    if (tape == nullptr)
        return unroll::detail::with_literals(
            fuse_into(slot, "zoneout",
                      named("old next -> mixed",
                            [p](auto old, auto next) { return p * old + (1 - p) * next; }),
                      old, next),
            2, {p});
    Tensor<T> draws(next.shape());
    tape->random().fill_uniform(draws.data(), draws.size(), T(0), T(1));
    return unroll::detail::with_literals(
        fuse_into(slot, "zoneout",
                  named("old next draws -> mixed",
                        [p](auto old, auto next, auto draw) { return where(draw < p, old, next); }),
                  old, next, draws),
        3, {p});
}

template <class T>
void check_projection(std::string_view name, const Variable<T>& z, std::size_t steps,
                      std::size_t batch) {
    if (z.dimension() < 2 || z.shape(0) != steps || z.shape(1) != batch)
        fail(std::string(name).c_str(), "project returned shape " + to_string(z.shape()) +
                                            ", expected [" + std::to_string(steps) + ", " +
                                            std::to_string(batch) + ", ...]");
}

template <class T>
void check_scanned(std::string_view name, const Variable<T>& output, std::size_t steps,
                   std::size_t batch, std::span<const std::size_t> lengths) {
    if (output.dimension() != 3 || output.shape(0) != steps || output.shape(1) != batch)
        fail(std::string(name).c_str(),
             "scan returned an output of shape " + to_string(output.shape()) + ", expected [" +
                 std::to_string(steps) + ", " + std::to_string(batch) + ", width of h]");
    const Tensor<T>& h = output.value();
    for (std::size_t b = 0; b < lengths.size(); ++b)
        for (std::size_t i = 0; lengths[b] < steps && i < h.shape(2); ++i)
            if (h(lengths[b], b, i) != T(0))
                fail(std::string(name).c_str(),
                     "scan returned an output that is not 0 after the end of sequence " +
                         std::to_string(b) +
                         "; pass the options to linear_scan, which reads the lengths");
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template Variable<T> active(std::span<const std::size_t>, std::size_t);                        \
    template Variable<T> choose_active(const OutputSlot<T>&, const Variable<T>&,                   \
                                       const Variable<T>&, const Variable<T>&,                     \
                                       std::span<const std::size_t>);                              \
    template Variable<T> locked_dropout(const Variable<T>&, double);                               \
    template Variable<T> zone_out(const OutputSlot<T>&, const Variable<T>&, const Variable<T>&,    \
                                  double);                                                         \
    template void check_projection(std::string_view, const Variable<T>&, std::size_t,              \
                                   std::size_t);                                                   \
    template void check_scanned(std::string_view, const Variable<T>&, std::size_t, std::size_t,    \
                                std::span<const std::size_t>);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::nn::detail
