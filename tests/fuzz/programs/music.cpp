#include "../readers.hpp"

#define main main_of_music
#include "../../../examples/music/main.cpp"

namespace {

const fuzz::AddModel model("music", [](const std::string& path) {
    const auto model = example::load<music::Settings, music::Model>(path).model;
    music::Sampling{.path = path, .length = 3}.draw(model);
});

} // namespace
