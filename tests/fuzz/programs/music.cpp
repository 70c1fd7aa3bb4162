#include "../readers.hpp"

#define main main_of_music
#include "../../../examples/music/main.cpp"

namespace {

const fuzz::AddModel model("music", [](const std::string& path) {
    music::Sampling{.length = 3}.draw(example::load<music::Settings, music::Model>(path).model);
});

} // namespace
