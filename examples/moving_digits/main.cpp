#include "model.hpp"

#include <cstdio>

namespace moving_digits {

struct Training : example::TrainingOptions {
    std::string data;
    Settings model;
    Digits training, test;

    Training()
        : TrainingOptions{.batch = 64, .out = "moving_digits.safetensors", .unit = "clips"} {}
    void options(CLI::App& command) {
        command.add_option("DATA", data, "folder")->check(CLI::ExistingDirectory);
        model.fields(command);
        TrainingOptions::options(command, "clips in a batch");
    }
    void shrink() {
        model.hidden = 3;
        model.frames = std::min<std::size_t>(model.frames, 3);
    }
    std::string prepare() {
        training = example::digits_of(data, true);
        test = example::digits_of(data, false);
        return fmt::format("{} training digits, {} test digits", training.size(), test.size());
    }
    nn::ShuffledBatches source() const { return {training.size(), batch, seed}; }
    template <class T>
    Variable<T> loss(const Model<T>& net, example::Numbers which) const {
        return net.loss(Clips<T>(training, which, model, Random(current_random<T>().next())));
    }
    // Not used for model selection: the run ends when its time is over.
    example::Figures figures(const Model<float>& net, bool last) const {
        return moving_digits::figures(net, model, test, last ? test.size() : test.size() / 10);
    }
};

void run_eval(const std::string& path, const std::string& data) {
    const auto [settings, model] = example::load<Settings, Model>(path);
    const Digits test = example::digits_of(data, false);
    example::print_result(figures(model, settings, test, test.size()), {{"clips", test.size()}});
}

// The first, the middle and the last frame of clip b of a batch, side by side.
void show(const Clips<float>& clips, std::size_t b) {
    const std::size_t batch = clips.digits.size(), frames = clips.frames.shape(0) / batch;
    for (std::size_t y = 0; y < side; y += 2, std::printf("\n"))
        for (const std::size_t t : {std::size_t{0}, frames / 2, frames - 1}) {
            const float* const row = clips.frames.data() + ((t * batch + b) * side + y) * side;
            for (std::size_t x = 0; x < side; ++x)
                std::printf("%c", " .:-=+*#%@"[static_cast<int>((row[x] + row[side + x]) * 4.5f)]);
            std::printf(" | ");
        }
}

void watch(const std::string& path, const std::string& data, std::size_t first, std::size_t count) {
    const auto [settings, model] = example::load<Settings, Model>(path);
    const Digits test = example::digits_of(data, false);
    const auto which = example::some_of("clips", test.size(), first, count);
    const auto clips = test_clips(test, which, settings);
    const auto logits = model(Variable(clips.frames));
    const auto digits = topk(softmax(logits.digits), 1),
               directions = topk(softmax(logits.directions), 1);
    std::size_t correct = 0;
    for (std::size_t b = 0; b < which.size(); ++b) {
        show(clips, b);
        const auto digit = digits.indices(b, 0), direction = directions.indices(b, 0);
        correct += digit == clips.digits(b) && direction == clips.directions(b);
        std::printf("clip %zu: digit %ld (%.2f), direction %s (%.2f); correct: %ld, %s\n", which[b],
                    digit, static_cast<double>(digits.values(b, 0)), names[direction],
                    static_cast<double>(directions.values(b, 0)), clips.digits(b),
                    names[clips.directions(b)]);
    }
    example::print_result({{"correct", correct}, {"clips", which.size()}});
}

} // namespace moving_digits

int main(int argc, char** argv) {
    using namespace moving_digits;
    example::Commands program(
        "moving_digits",
        "Classifies video clips of moving digits by digit and direction. "
        "Reads the four idx files of MNIST from a folder; without one, it generates digits.",
        {"train mnist --minutes 3", "train mnist --frames 1 --out still.safetensors",
         "eval moving_digits.safetensors mnist",
         "watch moving_digits.safetensors mnist --first 10 --count 3"});
    program.train("train on generated clips", example::train<Training, Model>);
    std::string path, data;
    std::size_t first = 0, count = 3;
    const auto shared = [&](CLI::App& command) {
        command.add_option("DATA", data, "folder")->check(CLI::ExistingDirectory);
    };
    CLI::App* command = program.add("eval", "accuracy on clips of the test digits", path,
                                    [&] { return run_eval(path, data); });
    shared(*command);

    command = program.add("watch", "show clips with their predicted classes", path,
                          [&] { return watch(path, data, first, count); });
    shared(*command);
    command->add_option("--first", first, "number of the first clip");
    command->add_option("--count", count, "number of clips");

    return program.run(argc, argv);
}
