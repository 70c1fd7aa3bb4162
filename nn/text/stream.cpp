#include <unroll/core/base/scope.hpp>
#include <unroll/nn/text/stream.hpp>

#include <algorithm>

#include <fmt/format.h>

namespace unroll::nn {

TextStream::TextStream(std::span<const std::int64_t> text, std::size_t columns, std::size_t steps,
                       Where where)
    : text_(text), columns_(columns), steps_(steps) {
    const Called here(where);
    if (columns == 0 || steps == 0)
        fail("TextStream",
             fmt::format("expected at least 1 column and 1 step, got {} and {}", columns, steps));
    if (text.size() < 2 * columns)
        fail("TextStream", fmt::format("a text of {} tokens is too short for {} columns: expected "
                                       "at least 2 tokens for each",
                                       text.size(), columns));
    length_ = (text.size() - 1) / columns;
}

std::pair<Indices, Indices> TextStream::batch(std::size_t i, std::size_t begin, std::size_t end,
                                              Where where) const {
    const Called here(where);
    if (i >= batches() || begin > end || end > columns_)
        fail("TextStream", fmt::format("columns [{}, {}) of batch {} are out of range: there are "
                                       "{} columns and {} batches",
                                       begin, end, i, columns_, batches()));
    const std::size_t first = i * steps_, steps = std::min(steps_, length_ - first);
    Indices x({steps, end - begin}), y({steps, end - begin});
    for (std::size_t t = 0; t < steps; ++t)
        for (std::size_t c = begin; c < end; ++c) {
            const std::size_t at = c * length_ + first + t, to = t * (end - begin) + c - begin;
            x.data()[to] = text_[at];
            y.data()[to] = text_[at + 1];
        }
    return {x, y};
}

} // namespace unroll::nn
