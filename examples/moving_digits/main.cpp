#include "model.hpp"

#include <cstdio>

#include <CLI/CLI.hpp>

namespace moving_digits {

struct Training : example::TrainingOptions {
    std::string data;
    Settings model;

    Training() {
        batch = 64;
        minutes = 3;
        out = "moving_digits.safetensors";
    }
};

Settings settings_of(const std::string& path) {
    const example::Header words(path, "moving_digits");
    Settings s;
    static_cast<example::NetworkOptions&>(s) = example::NetworkOptions::from(words);
    s.frames = words.size("frames");
    s.noise = words.real("noise");
    return s;
}

int train(Training o) {
    if (o.resume) o.model = settings_of(o.out);
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
    task.words = o.model.words("moving_digits");
    task.words["frames"] = std::to_string(o.model.frames);
    task.words["noise"] = example::exact(o.model.noise);
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
    const Settings settings = settings_of(path);
    const Digits test = example::digits_of(data, false);
    example::print_figures(
        figures(example::load<Model<float>>(path, settings), settings, test, test.size()),
        {{"clips", std::to_string(test.size())}});
    return 0;
}

// The first, the middle and the last frame of clip b of a batch, side by side.
void show(const Clips<float>& clips, std::size_t b, std::size_t frames) {
    const std::size_t batch = clips.digits.size();
    for (std::size_t y = 0; y < side; y += 2, std::printf("\n"))
        for (const std::size_t t : {std::size_t{0}, frames / 2, frames - 1}) {
            const float* const row = clips.frames.data() + ((t * batch + b) * side + y) * side;
            for (std::size_t x = 0; x < side; ++x)
                std::printf("%c", " .:-=+*#%@"[static_cast<int>((row[x] + row[side + x]) * 4.5f)]);
            std::printf(" | ");
        }
}

int watch(const std::string& path, const std::string& data, std::size_t first, std::size_t count) {
    const Settings settings = settings_of(path);
    const Digits test = example::digits_of(data, false);
    if (first >= test.size())
        fail("moving_digits",
             "there is no clip " + std::to_string(first) + ", only " + std::to_string(test.size()));
    std::size_t right = 0, all = 0;
    look(example::load<Model<float>>(path, settings), settings, test, first,
         std::min(test.size(), first + count), [&](const auto& clips, const auto& answers) {
             const auto digits = topk(softmax(answers.digits), 1);
             const auto ways = topk(softmax(answers.ways), 1);
             for (std::size_t b = 0; b < clips.digits.size(); ++b, ++all) {
                 show(clips, b, settings.frames);
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
    CLI::App app{"Digits that move: frames to a label, or two, which digit it is and which way it "
                 "goes. Reads the four idx files of MNIST in a folder; without one, it draws "
                 "digits of its own."};
    app.footer("Examples:\n"
               "  moving_digits train mnist --minutes 3\n"
               "  moving_digits train mnist --frames 1 --out still.safetensors\n"
               "  moving_digits eval moving_digits.safetensors mnist\n"
               "  moving_digits watch moving_digits.safetensors mnist --first 10 --count 3");
    app.require_subcommand(1);
    Training o;
    auto* train_command = app.add_subcommand("train", "learn clips that are drawn as it goes");
    train_command->add_option("DATA", o.data, "folder")->check(CLI::ExistingDirectory);
    o.model.add_to(*train_command);
    train_command->add_option("--frames", o.model.frames, "in a clip")
        ->check(CLI::Range(1, 19))
        ->capture_default_str();
    train_command->add_option("--noise", o.model.noise, "share of a frame's pixels, lit at random")
        ->check(CLI::Range(0.0, 1.0))
        ->capture_default_str();
    o.add_to(*train_command, "clips in a batch");
    std::string path, data;
    std::size_t first = 0, count = 3;
    auto* eval_command = app.add_subcommand("eval", "accuracy on clips of the test digits");
    auto* watch_command = app.add_subcommand("watch", "show clips and what they are taken for");
    for (auto* command : {eval_command, watch_command}) {
        command->add_option("MODEL", path)->required()->check(CLI::ExistingFile);
        command->add_option("DATA", data, "folder")->check(CLI::ExistingDirectory);
    }
    watch_command->add_option("--first", first, "number of a clip")->capture_default_str();
    watch_command->add_option("--count", count, "how many")->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    return example::guarded("moving_digits", [&] {
        if (*train_command) return o.inspection.checks() ? check_gradients(o) : train(o);
        return *eval_command ? run_eval(path, data) : watch(path, data, first, count);
    });
}
