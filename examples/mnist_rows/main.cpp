#include "model.hpp"

#include <cstdio>

namespace mnist_rows {

struct Training : example::TrainingOptions {
    std::string data;
    Settings model;
    std::size_t shift = 0;

    Training() {
        batch = 100;
        minutes = 2;
        out = "mnist_rows.safetensors";
    }
    void fields(example::Fields& f) {
        f.takes("DATA", data, "folder", example::Existing::folder);
        model.fields(f);
        f.takes("--shift", shift, "move images at random by up to so many pixels",
                example::Between{0, 8});
        TrainingOptions::fields(f, "digits in a batch");
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
    const auto loss = [&](Tape<float>& tape, std::span<const std::size_t> which) {
        const Batch<float> batch(learned, which, o.model.pixels, o.shift, &tape.random());
        return cross_entropy(model(tape.constant(batch.x)), batch.y);
    };
    example::Task task;
    task.unit = "digits";
    // Nothing is chosen by these figures: the run ends when its time is over.
    task.glance = [&] { return figures(model, o.model.pixels, test, 1000); };
    task.result = [&] { return figures(model, o.model.pixels, test, test.size()); };
    task.words = example::words(o.model);
    return example::learn(o, {learned.size(), o.batch, o.seed}, task, loss, example::named(model));
}

int check_gradients(Training o) {
    nn::seed(o.seed);
    o.model.hidden = 3;
    Model<double> model(o.model);
    const Digits digits = example::drawn_digits(2, Random(1));
    // Rows of the middle; a long sequence of pixels takes a check long and shows no more.
    const Tensor<double> x =
        Batch<double>(digits, std::vector<std::size_t>{0, 1}, o.model.pixels).x;
    const std::size_t steps = x.shape(0), shown = o.model.cell == "mlp" ? steps : 6;
    const Indices y({2}, {1, 7});
    return o.inspection.check(
        [&](Tape<double>& tape) {
            const std::size_t begin = (steps - shown) / 2;
            return cross_entropy(model(tape.constant(x.slice(0, begin, begin + shown))), y);
        },
        nn::named_parameters(model));
}

int run_eval(const std::string& path, const std::string& data) {
    const auto [settings, model] = example::load<Settings, Model<float>>(path);
    const Digits test = example::digits_of(data, false);
    example::print_figures(figures(model, settings.pixels, test, test.size()),
                           {{"digits", std::to_string(test.size())}});
    return 0;
}

int predict(const std::string& path, const std::string& data, std::size_t first,
            std::size_t count) {
    const auto [settings, model] = example::load<Settings, Model<float>>(path);
    const Digits test = example::digits_of(data, false);
    if (first >= test.size())
        fail("mnist_rows", "there is no digit " + std::to_string(first) + ", only " +
                               std::to_string(test.size()));
    std::size_t right = 0, all = 0;
    look(model, settings.pixels, test, first, std::min(test.size(), first + count),
         [&](const auto& which, const Variable<float>& logits, const Indices& y) {
             const auto likely = topk(softmax(logits), 1);
             for (std::size_t b = 0; b < which.size(); ++b, ++all) {
                 for (std::size_t i = 0; i < side * side; ++i)
                     std::printf("%c%s", " .:-=+*#%@"[test.image(which[b])[i] * 9 / 255],
                                 i % side == side - 1 ? "\n" : "");
                 const auto said = likely.indices.data()[b];
                 right += said == y.data()[b];
                 std::printf("digit %zu: %d with probability %.4f; it is a %d\n", which[b],
                             static_cast<int>(said), static_cast<double>(likely.values.data()[b]),
                             static_cast<int>(y.data()[b]));
             }
         });
    example::print_result({{"right", std::to_string(right)}, {"digits", std::to_string(all)}});
    return 0;
}

} // namespace mnist_rows

int main(int argc, char** argv) {
    using namespace mnist_rows;
    example::Commands program(
        "mnist_rows",
        "Digits read row by row, or pixel by pixel: many steps to one class. Reads the four idx "
        "files of MNIST in a folder; without one, it draws digits of its own.",
        {"train mnist --cell lstm", "train mnist --cell lstm --bidirectional --epochs 8",
         "train mnist --cell mlp", "train mnist --cell gru --pixels --minutes 30",
         "eval mnist_rows.safetensors mnist",
         "predict mnist_rows.safetensors mnist --first 10 --count 3"});
    program.train("learn digits", train, check_gradients);
    std::string path, data;
    std::size_t first = 0, count = 5;
    example::Fields shared;
    shared.model(path).takes("DATA", data, "folder", example::Existing::folder);
    program.add("eval", "accuracy on the test digits", [&] { return run_eval(path, data); })
        .takes(shared);
    program
        .add("predict", "show digits and what they are taken for",
             [&] { return predict(path, data, first, count); })
        .takes(shared)
        .takes("--first", first, "number of a digit")
        .takes("--count", count, "how many");
    return program.run(argc, argv);
}
