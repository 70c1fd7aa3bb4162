#include "../readers.hpp"

#define main main_of_char_lm
#include "../../../examples/char_lm/main.cpp"

namespace {

const fuzz::AddModel model("char_lm", [](const std::string& path) {
    char_lm::run_sample(path, "a", {.temperature = 0.8, .max_length = 4}, 1);
});

// The options that every program takes from a saved run.
const fuzz::Add run("run", [](const std::string& path) {
    example::TrainingOptions options;
    options.out = path;
    options.continue_order();
});

} // namespace
