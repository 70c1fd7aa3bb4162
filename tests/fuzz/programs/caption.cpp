#include "../readers.hpp"

#define main main_of_caption
#include "../../../examples/caption/main.cpp"

namespace {

const fuzz::AddModel model("caption", [](const std::string& path) {
    static const std::vector images(1, caption::synthetic_images()[0]);
    const auto [settings, model] = example::load<caption::Settings, caption::Model>(path);
    caption::describe(model, settings.words, images, 2);
});

} // namespace
