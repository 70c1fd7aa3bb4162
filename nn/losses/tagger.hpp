#pragma once

#include <unroll/nn/layers/layers.hpp>
#include <unroll/nn/losses/crf.hpp>

#include <optional>

namespace unroll::nn {

struct TaggerOptions {
    std::size_t input = 0;
    std::size_t tags = 0;
    bool crf = false;                // models transitions between tags,
    TagConstraints constraints = {}; // under these constraints
};

// Predicts a tag for every step from scores W h + b: independently, or as the likeliest path of a
// CRF (Huang, Xu and Yu 2015). h [T, B, input]; h and tags after the end of a sequence are not
// read. Throw Error for invalid shapes, lengths and tags.
template <class T = float>
class Tagger {
public:
    using value_type = T;
    using Lengths = std::span<const std::size_t>;
    explicit Tagger(const TaggerOptions& options, Where where = Where::current());

    // The mean over all steps of -log p, for tags [T, B].
    Variable<T> loss(const Variable<T>& h, const Indices& tags, Lengths lengths = {},
                     Where caller = Where::current()) const;
    // The likeliest tags of each sequence.
    std::vector<std::vector<std::int64_t>> decode(const Variable<T>& h, Lengths lengths = {},
                                                  Where caller = Where::current()) const;
    void members(Members<T>& m);

    Linear<T> head;
    std::optional<Crf<T>> crf;
    ModuleName module_name{"Tagger"};
};

extern template class Tagger<float>;
extern template class Tagger<double>;

} // namespace unroll::nn
