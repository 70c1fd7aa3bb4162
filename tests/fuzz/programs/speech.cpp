#include "../../../examples/speech/training.hpp"
#include "../readers.hpp"

namespace {

const fuzz::AddModel model("speech", [](const std::string& path) {
    const speech::Loaded loaded(path);
    const std::vector<speech::Utterance> utterances{{std::vector<float>(4000, 0.1f), {}}};
    const auto recognised =
        speech::recognise(*loaded.model, loaded.filterbank, utterances, {.beam = 2});
    speech::timed_words(loaded.alphabet, recognised[0], 0.01);
});

} // namespace
