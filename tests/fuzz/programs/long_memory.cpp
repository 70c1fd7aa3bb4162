#include "../readers.hpp"

#define main main_of_long_memory
#include "../../../examples/long_memory/main.cpp"

namespace {

const fuzz::AddModel model("long_memory", [](const std::string& path) {
    const auto [settings, model] = example::load<long_memory::Settings, long_memory::Model>(path);
    long_memory::figures(model, settings, 1, 1);
});

} // namespace
