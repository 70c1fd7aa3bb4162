#include <unroll/nn/layers/padding.hpp>
#include <unroll/nn/losses/tagger.hpp>
#include <unroll/nn/options.hpp>
#include <unroll/nn/text/batches.hpp>
#include <unroll/ops/loss.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>

#include <algorithm>
#include <numeric>

namespace unroll::nn {

namespace {

LinearOptions head_options(const TaggerOptions& o, Where where) {
    require_sizes(Op("Tagger", where), {{"input", o.input}, {"tags", o.tags}});
    return {.input = o.input, .output = o.tags};
}

} // namespace

template <class T>
Tagger<T>::Tagger(const TaggerOptions& o, Where where) : head(head_options(o, where), where) {
    if (o.crf) crf.emplace(CrfOptions{.tags = o.tags, .constraints = o.constraints}, where);
}

template <class T>
Variable<T> Tagger<T>::loss(const Variable<T>& h, const Indices& tags, Lengths lengths,
                            Where caller) const {
    const Scope scope(module_name, caller);
    const Variable<T> scores = head(without_padding(h, lengths, Op::unplaced("Tagger")));
    if (crf) {
        const auto ends = checked_lengths(Op::unplaced("Tagger"), h.shape(0), h.shape(1), lengths);
        const auto steps = std::accumulate(ends.begin(), ends.end(), std::size_t{0});
        return crf->loss(scores, tags, lengths) *
               (static_cast<T>(ends.size()) / static_cast<T>(std::max<std::size_t>(steps, 1)));
    }
    const Mask active = active_steps(Op::unplaced("Tagger"), h.shape(0), h.shape(1), lengths);
    if (tags.shape() != active.shape())
        fail("Tagger", "tags have shape " + to_string(tags.shape()) + ", expected " +
                           to_string(active.shape()));
    Indices counted = tags.copy();
    for (std::size_t i = 0; i < counted.size(); ++i)
        if (!active.data()[i]) counted.data()[i] = -100;
    return cross_entropy(scores, counted, {.ignored = -100});
}

template <class T>
std::vector<std::vector<std::int64_t>> Tagger<T>::decode(const Variable<T>& h, Lengths lengths,
                                                         Where caller) const {
    const Scope scope(module_name, caller);
    const Variable<T> scores = head(without_padding(h, lengths, Op::unplaced("Tagger")));
    if (!crf) return unpad_sequences(argmax(scores), lengths);
    std::vector<std::vector<std::int64_t>> tags;
    for (auto& path : crf->decode(scores.value(), lengths)) tags.push_back(std::move(path.tags));
    return tags;
}

template <class T>
void Tagger<T>::members(Members<T>& m) {
    m(module_name)("head", head);
    if (crf) m("crf", *crf);
}

template class Tagger<float>;
template class Tagger<double>;

} // namespace unroll::nn
