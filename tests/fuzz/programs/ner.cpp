#include "../readers.hpp"

#define main main_of_ner
#include "../../../examples/ner/main.cpp"

namespace {

const fuzz::AddModel model("ner", [](const std::string& path) {
    ner::run_tag(path, {"He lives in Paris"});
});

const fuzz::Add sentences("ner", [](const std::string& path) {
    const auto sentences = unroll::nn::read_entities(path);
    ner::Settings settings;
    settings.number(sentences);
    ner::Batch(sentences, std::array<std::size_t, 1>{}, settings, true);
});

} // namespace
