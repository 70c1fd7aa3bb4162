#include "../readers.hpp"

#define main main_of_names
#include "../../../examples/names/main.cpp"

namespace {

const fuzz::AddModel model("names", [](const std::string& path) {
    names::run_sample(path, 2, {.max_length = 4}, 1);
    fuzz::accepts([&] { names::run_classify(path, "Anna"); });
});

const fuzz::Add lines("names", [](const std::string& path) {
    for (const auto& line : names::read_named_lines({path}))
        unroll::nn::split_characters(line.text);
});

} // namespace
