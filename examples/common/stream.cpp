#include "stream.hpp"

namespace example {

using namespace unroll;

Stream::Stream(std::span<const std::int64_t> text, std::size_t columns, std::size_t steps)
    : text_(text), columns_(columns), steps_(steps) {
    if (columns == 0 || steps == 0) fail("train", "batch and steps must be at least 1");
    if (text.size() < columns * 2)
        fail("train", "a text of " + std::to_string(text.size()) + " symbols is too short for " +
                          std::to_string(columns) + " columns");
    length_ = (text.size() - 1) / columns;
    batches_ = (length_ + steps - 1) / steps;
}

std::pair<Indices, Indices> Stream::batch(std::size_t i, std::size_t begin, std::size_t end) const {
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

CarriedStates::CarriedStates(std::size_t shards, Task& task) : states_(shards) {
    task.begin_epoch = [this](std::uint64_t) {
        for (auto& state : states_) state = {};
    };
    task.carried = [this] {
        std::map<std::string, Tensor<float>> kept;
        for_each([&](const std::string& name, const Tensor<float>& state) {
            if (state.storage()) kept[name] = state;
        });
        return kept;
    };
    task.carry_on = [this](const std::map<std::string, Tensor<float>>& kept) {
        for_each([&](const std::string& name, Tensor<float>& state) {
            const auto found = kept.find(name);
            if (found != kept.end()) state = found->second;
        });
    };
}

} // namespace example
