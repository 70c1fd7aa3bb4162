#include "model.hpp"

#include <cstdio>

namespace moving_digits {

struct Training : example::TrainingOptions {
    std::string data;
    Settings model;

    Training() {
        batch = 64;
        minutes = 3;
        out = "moving_digits.safetensors";
    }
    void fields(example::Fields& f) {
        f.takes("DATA", data, "folder", example::Existing::folder);
        model.fields(f);
        TrainingOptions::fields(f, "clips in a batch");
    }
};

int train(Training o) {
    if (o.resume) o.model = example::read<Settings>(o.out);
    const Digits learned = example::digits_of(o.data, true),
                 test = example::digits_of(o.data, false);
    nn::seed(o.seed);
    Model<float> model(o.model);
    std::printf("%zu digits to learn, %zu to test; %zu parameters\n", learned.size(), test.size(),
                nn::parameter_count(model));
    example::Task task;
    task.unit = "clips";
    // Nothing is chosen by these figures: the run ends when its time is over.
    task.glance = [&] { return figures(model, o.model, test, 1000); };
    task.result = [&] { return figures(model, o.model, test, test.size()); };
    task.words = example::words(o.model);
    const auto loss = [&](Tape<float>& tape, std::span<const std::size_t> which) {
        return model.loss(tape,
                          Clips<float>(learned, which, o.model, Random(tape.random().next())));
    };
    return example::learn(o, {learned.size(), o.batch, o.seed}, task, loss, example::named(model));
}

int check_gradients(Training o) {
    nn::seed(o.seed);
    o.model.hidden = 3;
    o.model.frames = std::min<std::size_t>(o.model.frames, 3);
    Model<double> model(o.model);
    const Clips<double> clips(example::drawn_digits(2, Random(1)), std::vector<std::size_t>{0, 1},
                              o.model, Random(1));
    return o.inspection.check([&](Tape<double>& tape) { return model.loss(tape, clips); },
                              nn::named_parameters(model));
}

int run_eval(const std::string& path, const std::string& data) {
    const auto [settings, model] = example::load<Settings, Model<float>>(path);
    const Digits test = example::digits_of(data, false);
    example::print_figures(figures(model, settings, test, test.size()),
                           {{"clips", std::to_string(test.size())}});
    return 0;
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

int watch(const std::string& path, const std::string& data, std::size_t first, std::size_t count) {
    const auto [settings, model] = example::load<Settings, Model<float>>(path);
    const Digits test = example::digits_of(data, false);
    if (first >= test.size())
        fail("moving_digits",
             "there is no clip " + std::to_string(first) + ", only " + std::to_string(test.size()));
    std::size_t right = 0, all = 0;
    look(model, settings, test, first, std::min(test.size(), first + count),
         [&](const auto& clips, const auto& answers) {
             const auto digits = topk(softmax(answers.digits), 1);
             const auto ways = topk(softmax(answers.ways), 1);
             for (std::size_t b = 0; b < clips.digits.size(); ++b, ++all) {
                 show(clips, b);
                 const auto digit = digits.indices(b, 0), way = ways.indices(b, 0);
                 right += digit == clips.digits(b) && way == clips.ways(b);
                 std::printf("clip %zu: a %d (%.2f) that goes %s (%.2f); it is a %d that goes %s\n",
                             first + all, static_cast<int>(digit),
                             static_cast<double>(digits.values(b, 0)), names[way],
                             static_cast<double>(ways.values(b, 0)),
                             static_cast<int>(clips.digits(b)), names[clips.ways(b)]);
             }
         });
    example::print_result({{"right", std::to_string(right)}, {"clips", std::to_string(all)}});
    return 0;
}

} // namespace moving_digits

int main(int argc, char** argv) {
    using namespace moving_digits;
    example::Commands program(
        "moving_digits",
        "Digits that move: frames to a label, or two, which digit it is and which way it goes. "
        "Reads the four idx files of MNIST in a folder; without one, it draws digits of its own.",
        {"train mnist --minutes 3", "train mnist --frames 1 --out still.safetensors",
         "eval moving_digits.safetensors mnist",
         "watch moving_digits.safetensors mnist --first 10 --count 3"});
    program.train("learn clips that are drawn as it goes", train, check_gradients);
    std::string path, data;
    std::size_t first = 0, count = 3;
    example::Fields shared;
    shared.model(path).takes("DATA", data, "folder", example::Existing::folder);
    program
        .add("eval", "accuracy on clips of the test digits", [&] { return run_eval(path, data); })
        .takes(shared);
    program
        .add("watch", "show clips and what they are taken for",
             [&] { return watch(path, data, first, count); })
        .takes(shared)
        .takes("--first", first, "number of a clip")
        .takes("--count", count, "how many");
    return program.run(argc, argv);
}
