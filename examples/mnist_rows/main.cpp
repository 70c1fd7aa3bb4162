#include "../common/digits.hpp"
#include "../common/learning.hpp"

#include <optional>

namespace mnist_rows {

using namespace unroll;
constexpr std::ptrdiff_t side = example::digit_side, classes = 10;

struct Settings : example::NetworkOptions {
    static constexpr const char* program = "mnist_rows";
    bool pixels = false;

    void fields(example::Fields f) {
        NetworkOptions::fields(f, {"mlp", "rnn", "lstm", "gru"});
        f->add_flag("--bidirectional", bidirectional, "read in both directions");
        f("--pixels", pixels, "784 steps of one pixel");
    }
};

// Logits [B, 10] from the last state of a recurrent network over rows or pixels; of "mlp", from a
// hidden layer over the whole image.
template <class T>
struct Model {
    using value_type = T;
    Settings settings;
    std::optional<example::Network<T>> net;
    std::optional<nn::Linear<T>> layer;
    nn::Linear<T> head;

    explicit Model(const Settings& s) : settings(s), head({.input = s.width(), .output = classes}) {
        if (s.cell == "mlp")
            layer.emplace(nn::LinearOptions{.input = side * side, .output = s.width()});
        else
            net.emplace(s, s.pixels ? 1 : side);
    }
    Variable<T> operator()(const example::Digits& digits, example::Numbers which,
                           std::size_t shift = 0) const {
        const auto rows = Variable(example::rows_of<T>(digits, which, shift, current_random<T>()));
        return head(dropout(seen(rows), settings.dropout));
    }
    Variable<T> seen(const Variable<T>& rows) const { // [28, B, 28]
        if (layer) return relu((*layer)(reshape(swapaxes(rows, 0, 1), {-1, side * side})));
        return net->last(settings.pixels ? reshape(swapaxes(rows, 1, 2), {side * side, -1, 1})
                                         : rows);
    }
    void members(nn::Members<T>& m) {
        if (net) m("net", *net);
        if (layer) m("layer", *layer);
        m("head", head);
    }
};

example::Figures figures(const Model<float>& model, const example::Digits& digits, std::size_t n) {
    nn::ConfusionMatrix predicted(classes);
    double loss = 0;
    example::in_batches(n, 500, [&](const auto& which) {
        const auto y = model(digits, which);
        const Indices labels = example::chosen(digits.labels, which);
        predicted.add(labels, argmax(y));
        loss += static_cast<double>(which.size() * cross_entropy(y, labels).item());
    });
    return {{"test_accuracy", predicted.accuracy()}, {"test_nats", loss / static_cast<double>(n)}};
}

struct Training : example::TrainingOptions {
    std::string data;
    Settings model;
    std::size_t shift = 0;
    example::Digits training, test;

    Training()
        : TrainingOptions{
              .batch = 100, .minutes = 2, .out = "mnist_rows.safetensors", .unit = "digits"} {}
    void options(CLI::App& command) {
        command.add_option("DATA", data, "folder")->check(CLI::ExistingDirectory);
        model.fields(command);
        command.add_option("--shift", shift, "largest random translation, in pixels")
            ->check(CLI::Range(0, 8));
        TrainingOptions::options(command, "digits in a batch");
    }
    void shrink() { model.hidden = 3; }
    std::string prepare() {
        training = example::digits_of(data, true);
        test = example::digits_of(data, false);
        return fmt::format("{} training digits, {} test digits", training.size(), test.size());
    }
    nn::ShuffledBatches source() const { return {training.size(), batch, seed}; }
    template <class T>
    Variable<T> loss(const Model<T>& net, example::Numbers which) const {
        return cross_entropy(net(training, which, shift), example::chosen(training.labels, which));
    }
    example::Figures figures(const Model<float>& net, bool last) const {
        return mnist_rows::figures(net, test, last ? test.size() : test.size() / 10);
    }
};

void predict(const std::string& path, const std::string& data, std::size_t first,
             std::size_t count) {
    const auto model = example::load<Settings, Model>(path).model;
    const auto test = example::digits_of(data, false);
    const auto which = example::some_of("digits", test.size(), first, count);
    const auto likely = topk(softmax(model(test, which)), 1);
    std::size_t correct = 0;
    for (std::size_t b = 0; b < which.size(); ++b) {
        const auto predicted_class = likely.indices(b, 0), label = test.labels[which[b]];
        correct += predicted_class == label;
        std::printf("%sdigit %zu: %ld with probability %.4f; correct: %ld\n",
                    example::drawn(test, which[b]).c_str(), which[b], predicted_class,
                    static_cast<double>(likely.values(b, 0)), label);
    }
    example::print_result({{"correct", correct}, {"digits", which.size()}});
}

} // namespace mnist_rows

int main(int argc, char** argv) {
    using namespace mnist_rows;
    example::Commands program(
        "mnist_rows",
        "Classifies digits row by row or pixel by pixel (many to one). Reads the four idx "
        "files of MNIST from a folder; without one, it generates digits.",
        {"train mnist --cell lstm", "train mnist --cell mlp",
         "train mnist --cell lstm --bidirectional --epochs 8",
         "train mnist --pixels --hidden 64 --memory 784 --learning-rate 5e-3 --minutes 45",
         "eval mnist_rows.safetensors mnist",
         "predict mnist_rows.safetensors mnist --first 10 --count 3"});
    program.train("train on digits", example::train<Training, Model>);
    std::string path, data;
    std::size_t first = 0, count = 5;
    const auto shared = [&](CLI::App& command) {
        command.add_option("DATA", data, "folder")->check(CLI::ExistingDirectory);
    };
    CLI::App* command = program.add("eval", "accuracy on the test digits", path, [&] {
        const auto test = example::digits_of(data, false);
        const auto model = example::load<Settings, Model>(path).model;
        example::print_result(figures(model, test, test.size()), {{"digits", test.size()}});
    });
    shared(*command);

    command = program.add("predict", "show digits with their predicted classes", path,
                          [&] { return predict(path, data, first, count); });
    shared(*command);
    command->add_option("--first", first, "number of the first digit");
    command->add_option("--count", count, "number of digits");

    return program.run(argc, argv);
}
