#include "model.hpp"

#include <cstdio>

namespace caption {

// Drawn ones, where there is no folder.
Split pictures_of(const std::string& folder) {
    return split(folder.empty() ? drawn_pictures() : read_pictures(folder));
}

// BLEU of up to 1 to 4 words together, and the share of captions without a fault, in percent.
example::Figures figures(const Model<float>& model, const nn::Vocabulary& vocabulary,
                         const std::vector<Picture>& pictures, std::size_t beam) {
    const auto written = describe(model, vocabulary, pictures, beam);
    nn::Bleu scores[] = {nn::Bleu(1), nn::Bleu(2), nn::Bleu(3), nn::Bleu(4)};
    double right = 0;
    for (std::size_t i = 0; i < written.size(); ++i) {
        for (auto& score : scores) score.add(written[i].words, std::span(&pictures[i].caption, 1));
        right += written[i].words == pictures[i].caption;
    }
    example::Figures all;
    for (std::size_t n = 0; n < 4; ++n)
        all.emplace_back("bleu" + std::to_string(n + 1), 100 * scores[n].score());
    all.emplace_back("exact", 100 * right / static_cast<double>(pictures.size()));
    return all;
}

struct Training : example::TrainingOptions {
    std::string data;
    Settings model;
    std::size_t shift = 2;
    double smoothing = 0.1;
    Split pictures;
    std::vector<std::vector<std::int64_t>> captions;

    Training()
        : TrainingOptions{.batch = 64,
                          .learning_rate = 2e-3,
                          .clip = 5,
                          .minutes = 10,
                          .out = "caption.safetensors",
                          .unit = "pictures"} {}
    void options(CLI::App& command) {
        command.add_option("DATA", data, "folder")->check(CLI::ExistingDirectory);
        model.fields(command);
        command.add_option("--smoothing", smoothing, "share of a word that all words divide")
            ->check(CLI::Range(0.0, 0.99));
        command.add_option("--shift", shift, "move pictures at random by up to so many pixels")
            ->check(CLI::Range(0, 8));
        TrainingOptions::options(command, "pictures in a batch");
    }
    void shrink() {
        model.channels = 2;
        model.hidden = 4;
        model.width = 3;
        shift = 0;
    }
    std::string prepare() {
        pictures = pictures_of(data);
        std::vector<nn::Tokens> words;
        for (const auto& picture : pictures.learned) words.push_back(picture.caption);
        if (!resume) model.words = nn::Vocabulary(words);
        captions = model.words.encode_all(words, nn::Vocabulary::Ends::end);
        return fmt::format("{} pictures to learn, {} held out; {} words", pictures.learned.size(),
                           pictures.held_out.size(), model.words.size());
    }
    // Not by length: statistics of a batch are to be those of all pictures.
    nn::ShuffledBatches source() const { return {captions.size(), batch, seed}; }
    template <class T>
    Variable<T> loss(const Model<T>& net, example::Numbers which) const {
        const auto x = batch_of<T>(pictures.learned, which, shift, &current_random<T>());
        return net.loss(Variable(x), nn::pad_sequences(captions, which, -100).numbers, smoothing);
    }
    // Nothing is chosen by these: the run ends when its time is over.
    example::Figures figures(const Model<float>& net, bool last) const {
        auto all = caption::figures(net, model.words, pictures.held_out, 1);
        if (!last) return all;
        for (const auto& one : caption::figures(net, model.words, pictures.held_out, 4))
            all.emplace_back(one.name + "_beam", one.value);
        return all;
    }
};

std::string sentence_of(const nn::Tokens& words) {
    std::string text;
    for (const auto& word : words) text += (text.empty() ? "" : " ") + word;
    return text;
}

void run_eval(const std::string& path, const std::string& data, std::size_t beam) {
    const auto [settings, model] = example::load<Settings, Model>(path);
    const auto held_out = pictures_of(data).held_out;
    example::print_result(figures(model, settings.words, held_out, beam),
                          {{"beam", beam}, {"pictures", held_out.size()}});
}

void run_caption(const std::string& path, const std::string& data, std::size_t first,
                 std::size_t count, std::size_t beam, const std::string& svg) {
    const auto [settings, model] = example::load<Settings, Model>(path);
    const auto held_out = pictures_of(data).held_out;
    std::vector<Picture> some;
    for (const std::size_t i : example::some_of("caption", held_out.size(), first, count))
        some.push_back(held_out[i]);
    if (!svg.empty() && settings.attention == "none")
        fail("caption", "a model without attention does not look anywhere");
    const auto written = describe(model, settings.words, some, beam);
    std::size_t right = 0;
    for (std::size_t i = 0; i < some.size(); ++i) {
        right += written[i].words == some[i].caption;
        std::printf("picture %zu: %s (it is: %s)\n", first + i,
                    sentence_of(written[i].words).c_str(), sentence_of(some[i].caption).c_str());
    }
    if (!svg.empty())
        write_file_atomically(svg, looked_svg(some[0], written[0].words, written[0].weights));
    example::print_result({{"right", right}, {"pictures", some.size()}});
}

} // namespace caption

int main(int argc, char** argv) {
    using namespace caption;
    example::Commands program(
        "caption",
        "Says in words what small pictures show. Reads a folder with pictures and their captions; "
        "without one, it draws shapes of its own. A tenth of what there is to be seen is held out.",
        {"train caption_emoji --minutes 10",
         "train caption_emoji --attention none --out none.safetensors",
         "eval caption.safetensors caption_emoji --beam 4",
         "caption caption.safetensors caption_emoji --first 20 --count 5",
         "caption caption.safetensors caption_emoji --first 7 --svg looked.svg"});
    program.train("learn from pictures with captions", example::train<Training, Model>);
    std::string path, data, svg;
    std::size_t beam = 4, first = 0, count = 10;
    const auto shared = [&](CLI::App& command) {
        command.add_option("DATA", data, "folder")->check(CLI::ExistingDirectory);
        command.add_option("--beam", beam, "hypotheses that are followed; 1: greedy")
            ->check(CLI::Range(1, 1000));
    };
    CLI::App* command = program.add("eval", "BLEU and exact matches of what was held out", path,
                                    [&] { return run_eval(path, data, beam); });
    shared(*command);

    command = program.add("caption", "pictures that were held out", path,
                          [&] { return run_caption(path, data, first, count, beam, svg); });
    shared(*command);
    command->add_option("--first", first, "number of a picture");
    command->add_option("--count", count, "how many")->check(CLI::PositiveNumber);
    command->add_option("--svg", svg, "draw where the model looked in the first one");

    return program.run(argc, argv);
}
