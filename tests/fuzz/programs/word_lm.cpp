#include "../readers.hpp"

#define main main_of_word_lm
#include "../../../examples/word_lm/main.cpp"

namespace {

const fuzz::AddModel model("word_lm", [](const std::string& path) {
    word_lm::run_score(path, {"the cat"}, false);
    word_lm::run_next(path, "the", 3);
});

} // namespace
