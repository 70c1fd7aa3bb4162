#include "../readers.hpp"

#define main main_of_moving_digits
#include "../../../examples/moving_digits/main.cpp"

namespace {

const fuzz::AddModel model("moving_digits", [](const std::string& path) {
    using namespace moving_digits;
    static const auto digits = example::digits_of("", false);
    const auto [settings, model] = example::load<Settings, Model>(path);
    model(Variable(test_clips(digits, std::array<std::size_t, 1>{}, settings).frames));
});

} // namespace
