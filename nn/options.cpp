#include <unroll/nn/options.hpp>

#include <algorithm>

#include <fmt/format.h>

namespace unroll::nn {

void require_sizes(const Op& layer,
                   std::initializer_list<std::pair<const char*, std::size_t>> sizes) {
    if (std::ranges::none_of(sizes, [](const auto& size) { return size.second == 0; })) return;
    std::string names, values;
    std::size_t left = sizes.size();
    for (const auto& [name, value] : sizes) {
        --left;
        const char* const after = left > 1 ? ", " : left == 1 ? " and " : "";
        names += name + std::string(after);
        values += std::to_string(value) + after;
    }
    fail(layer, names + " must be at least 1, got " + values);
}

void require_fraction(const Op& layer, const char* name, double value) {
    if (!(value >= 0 && value <= 1))
        fail(layer, fmt::format("{} must be in [0, 1], got {}", name, value));
}

} // namespace unroll::nn
