#include <unroll/nn/attention/seq2seq.hpp>

#include <cmath>

namespace unroll::nn {

double linear_decay(std::size_t i, double start, double slope, double lowest) {
    return std::max(start - slope * static_cast<double>(i), lowest);
}
double exponential_decay(std::size_t i, double k) { return std::pow(k, static_cast<double>(i)); }
double inverse_sigmoid_decay(std::size_t i, double k) {
    return k / (k + std::exp(static_cast<double>(i) / k));
}

template <class T>
KeyValues<T> FixedContext<T>::prepare(const Variable<T>& summary, const Mask&) const {
    detail::check_memory("FixedContext", summary.shape(), options.memory, {});
    if (summary.shape(0) != 1)
        fail("FixedContext", "the summary has shape " + to_string(summary.shape()) +
                                 ", expected [1, B, " + std::to_string(options.memory) + "]");
    const Variable<T> value = swapaxes(summary, 0, 1);
    const Variable<T> context = slice(value, 2, 0, context_width());
    return {context, context, {}};
}

template <class T>
AttentionOutput<T> FixedContext<T>::operator()(const Variable<T>& queries,
                                               const KeyValues<T>& memory) const {
    const std::size_t steps = queries.shape(0), batch = queries.shape(1);
    return {broadcast_to(swapaxes(memory.values, 0, 1), {steps, batch, context_width()}),
            Tensor<T>::ones({steps, batch, 1})};
}

template <class T>
AttentionOutput<T> FixedContext<T>::step(const Variable<T>& query, const KeyValues<T>& memory,
                                         const Variable<T>&) const {
    return {squeeze(memory.values, 1), Tensor<T>::ones({query.shape(0), 1})};
}

namespace detail {

template <class T>
DecoderInputs<T>::DecoderInputs(const Indices& targets, std::size_t batch, std::int64_t start,
                                TeacherForcing forcing)
    : targets_(targets), start_(start), forcing_(forcing) {
    if (targets.dimension() != 2 || targets.shape(1) != batch)
        fail("Decoder", "targets have shape " + to_string(targets.shape()) + ", expected [T, " +
                            std::to_string(batch) + "]");
    if (!(forcing.teacher_forcing_ratio >= 0 && forcing.teacher_forcing_ratio <= 1))
        fail("Decoder", "teacher_forcing_ratio must be in [0, 1], got " +
                            std::to_string(forcing.teacher_forcing_ratio));
}

template <class T>
Indices DecoderInputs<T>::operator()(std::size_t t, const Variable<T>& logits) const {
    Indices tokens = Indices::full({targets_.shape(1)}, start_);
    if (t == 0) return tokens;
    for (std::size_t b = 0; b < tokens.size(); ++b)
        if (targets_(t - 1, b) >= 0) tokens.data()[b] = targets_(t - 1, b);
    if (forcing_.teacher_forcing_ratio == 1) return tokens;
    Random& random = current_random<T>();
    const bool sampled = forcing_.feedback == TeacherForcing::Feedback::sampled;
    const Tensor<T> p = sampling_distribution(log_softmax(Variable<T>(logits.value())).value(),
                                              {.temperature = sampled ? 1.0 : 0.0});
    for (std::size_t b = 0; b < tokens.size(); ++b) {
        if (random.uniform() < forcing_.teacher_forcing_ratio) continue;
        double left = sampled ? random.uniform() : 0.0;
        for (std::size_t v = 0; v < p.shape(1) && left >= 0; ++v) {
            const double probability = p(b, v);
            if (probability == 0) continue;
            tokens.data()[b] = static_cast<std::int64_t>(v);
            left -= probability;
        }
    }
    return tokens;
}

template <class T>
Variable<T> embedded(const Parameter<T>& weight, const Indices& tokens, const Indices& shown) {
    const Op op = Op::unplaced("Embedding");
    const Composite composite(op);
    return unroll::detail::with_operand(take<T>(weight, tokens, op), "indices", shown, &composite);
}

void check_decoder(const Op& op, std::size_t vocabulary, std::size_t width, std::size_t layers,
                   double dropout, std::int64_t start) {
    require_sizes(op, {{"vocabulary", vocabulary}, {"width", width}, {"layers", layers}});
    require_fraction(op, "dropout", dropout);
    if (start < 0 || static_cast<std::size_t>(start) >= vocabulary)
        fail(op, "the start token is " + std::to_string(start) + " of a vocabulary of " +
                     std::to_string(vocabulary));
}

} // namespace detail

#define UNROLL_INSTANTIATE(T)                                                                      \
    template class FixedContext<T>;                                                                \
    template class detail::DecoderInputs<T>;                                                       \
    template Variable<T> detail::embedded(const Parameter<T>&, const Indices&, const Indices&);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::nn
