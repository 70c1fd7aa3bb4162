#include "model.hpp"

#include <cstdio>

namespace caption {

// Synthetic images if no folder is given.
Split images_of(const std::string& folder) {
    return split(folder.empty() ? synthetic_images() : read_images(folder));
}

// BLEU-1 to BLEU-4, and the fraction of exact matches, in percent.
example::Figures figures(const Model<float>& model, const nn::Vocabulary& vocabulary,
                         const std::vector<Image>& images, std::size_t beam) {
    const auto written = describe(model, vocabulary, images, beam);
    nn::Bleu scores[] = {nn::Bleu(1), nn::Bleu(2), nn::Bleu(3), nn::Bleu(4)};
    double correct = 0;
    for (std::size_t i = 0; i < written.size(); ++i) {
        for (auto& score : scores) score.add(written[i].words, std::span(&images[i].caption, 1));
        correct += written[i].words == images[i].caption;
    }
    example::Figures all;
    for (std::size_t n = 0; n < 4; ++n)
        all.emplace_back("bleu" + std::to_string(n + 1), 100 * scores[n].score());
    all.emplace_back("exact", 100 * correct / static_cast<double>(images.size()));
    return all;
}

struct Training : example::TrainingOptions {
    std::string data;
    Settings model;
    std::size_t shift = 2;
    double smoothing = 0.1;
    Split images;
    std::vector<std::vector<std::int64_t>> captions;

    Training()
        : TrainingOptions{.batch = 64,
                          .learning_rate = 2e-3,
                          .clip = 5,
                          .minutes = 10,
                          .out = "caption.safetensors",
                          .unit = "images"} {}
    void options(CLI::App& command) {
        command.add_option("DATA", data, "folder")->check(CLI::ExistingDirectory);
        model.fields(command);
        command.add_option("--smoothing", smoothing, "label smoothing")
            ->check(CLI::Range(0.0, 0.99));
        command.add_option("--shift", shift, "largest random translation, in pixels")
            ->check(CLI::Range(0, 8));
        TrainingOptions::options(command, "images in a batch");
    }
    void shrink() {
        model.channels = 2;
        model.hidden = 4;
        model.width = 3;
        shift = 0;
    }
    std::string prepare() {
        images = images_of(data);
        std::vector<nn::Tokens> words;
        for (const auto& image : images.training) words.push_back(image.caption);
        if (!resume) model.words = nn::Vocabulary(words);
        captions = model.words.encode_all(words, nn::Vocabulary::Ends::end);
        return fmt::format("{} training images, {} held out; {} words", images.training.size(),
                           images.held_out.size(), model.words.size());
    }
    // Not by length: batch statistics must be representative of all images.
    nn::ShuffledBatches source() const { return {captions.size(), batch, seed}; }
    template <class T>
    Variable<T> loss(const Model<T>& net, example::Numbers which) const {
        const auto x = batch_of<T>(images.training, which, shift, &current_random<T>());
        return net.loss(Variable(x), nn::pad_sequences(captions, which, -100).numbers, smoothing);
    }
    // Not used for model selection: the run ends when its time is over.
    example::Figures figures(const Model<float>& net, bool last) const {
        auto all = caption::figures(net, model.words, images.held_out, 1);
        if (!last) return all;
        for (const auto& one : caption::figures(net, model.words, images.held_out, 4))
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
    const auto held_out = images_of(data).held_out;
    example::print_result(figures(model, settings.words, held_out, beam),
                          {{"beam", beam}, {"images", held_out.size()}});
}

void run_caption(const std::string& path, const std::string& data, std::size_t first,
                 std::size_t count, std::size_t beam, const std::string& svg) {
    const auto [settings, model] = example::load<Settings, Model>(path);
    const auto held_out = images_of(data).held_out;
    std::vector<Image> some;
    for (const std::size_t i : example::some_of("caption", held_out.size(), first, count))
        some.push_back(held_out[i]);
    if (!svg.empty() && settings.attention == "none")
        fail("caption", "a model without attention has no weights to draw");
    const auto written = describe(model, settings.words, some, beam);
    std::size_t correct = 0;
    for (std::size_t i = 0; i < some.size(); ++i) {
        correct += written[i].words == some[i].caption;
        std::printf("image %zu: %s (correct: %s)\n", first + i,
                    sentence_of(written[i].words).c_str(), sentence_of(some[i].caption).c_str());
    }
    if (!svg.empty())
        write_file_atomically(svg, attention_svg(some[0], written[0].words, written[0].weights));
    example::print_result({{"correct", correct}, {"images", some.size()}});
}

} // namespace caption

int main(int argc, char** argv) {
    using namespace caption;
    example::Commands program(
        "caption",
        "Captions small images. Reads a folder of images with captions; "
        "without one, it generates shapes. A tenth of the captions is held out.",
        {"train caption_emoji --minutes 10",
         "train caption_emoji --attention none --out none.safetensors",
         "eval caption.safetensors caption_emoji --beam 4",
         "caption caption.safetensors caption_emoji --first 20 --count 5",
         "caption caption.safetensors caption_emoji --first 7 --svg attention.svg"});
    program.train("train on images with captions", example::train<Training, Model>);
    std::string path, data, svg;
    std::size_t beam = 4, first = 0, count = 10;
    const auto shared = [&](CLI::App& command) {
        command.add_option("DATA", data, "folder")->check(CLI::ExistingDirectory);
        command.add_option("--beam", beam, "beam width; 1: greedy")->check(CLI::Range(1, 1000));
    };
    CLI::App* command = program.add("eval", "BLEU and exact matches of the held-out images", path,
                                    [&] { return run_eval(path, data, beam); });
    shared(*command);

    command = program.add("caption", "caption held-out images", path,
                          [&] { return run_caption(path, data, first, count, beam, svg); });
    shared(*command);
    command->add_option("--first", first, "number of the first image");
    command->add_option("--count", count, "number of images")->check(CLI::PositiveNumber);
    command->add_option("--svg", svg, "draw the attention weights of the first image");

    return program.run(argc, argv);
}
