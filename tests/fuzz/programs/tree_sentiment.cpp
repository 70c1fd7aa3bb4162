#include "../readers.hpp"

#define main main_of_tree_sentiment
#include "../../../examples/tree_sentiment/main.cpp"

namespace {

const fuzz::AddModel model("tree_sentiment", [](const std::string& path) {
    using namespace tree_sentiment;
    const auto [settings, model] = example::load<Settings, Model>(path);
    const auto tree = nn::parse_tree("(3 (2 It) (3 (2 is) (4 great)))", path, 1);
    model(Batch(Numbered({tree}, settings.words), std::array<std::size_t, 1>{}));
});

} // namespace
