#include "../common/chart.hpp"
#include "../common/program.hpp"

#include <unroll/unroll.hpp>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <limits>
#include <numeric>

#include <CLI/CLI.hpp>

namespace vanishing {

using namespace unroll;
using example::number;

constexpr double nothing = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t symbols = 4; // of the first letter, and as many others of the noise

struct Settings {
    std::size_t length = 30, hidden = 32, batch = 32, steps = 3000;
    double rate = 3e-3, clip = 1, radius = 1.6, minutes = 3;
    std::uint64_t seed = 1;
    std::string out = "vanishing";
};

// Sequences of letters [T, B]: the first is to be named at the end, the others are noise.
struct Batch {
    Indices x, first;
};

Batch draw(const Settings& o, Random& random) {
    Batch batch{Indices({o.length, o.batch}), Indices({o.batch})};
    for (std::size_t i = 0; i < batch.x.size(); ++i)
        batch.x.data()[i] =
            static_cast<std::int64_t>(random.below(symbols) + (i < o.batch ? 0 : symbols));
    for (std::size_t b = 0; b < o.batch; ++b) batch.first.data()[b] = batch.x.data()[b];
    return batch;
}

template <class Cell>
struct Model {
    using value_type = float;
    nn::Embedding<float> embed;
    nn::Recurrent<Cell> net;
    nn::Linear<float> head;

    Model(const Settings& o, typename Cell::Options cell)
        : embed({.vocabulary = 2 * symbols, .width = 2 * symbols}),
          net({.input = 2 * symbols, .hidden = o.hidden, .cell = cell}),
          head({.input = o.hidden, .output = symbols}) {}

    Variable<float> operator()(Tape<float>& tape, const Batch& batch) const {
        return head(select(net(embed(tape, batch.x)).output, 0, batch.x.shape(0) - 1));
    }
    void members(nn::Members<float>& m) { m("embed", embed)("net", net)("head", head); }
};

// Norms of the loss's gradient at h_t, by the distance from the last step, and what is learned.
struct Course {
    std::string name, shown;
    std::vector<double> before, after, losses;
    double accuracy = 0;
    std::string error; // where the training broke off
};

template <class Cell>
std::vector<double> reach(Model<Cell>& model, const Batch& batch) {
    Tape<float> tape;
    const Statistics<float> statistics(tape);
    tape.backward(cross_entropy(model(tape, batch), batch.first));
    for (auto* parameter : parameters(model)) parameter->clear_gradient();
    // The gradient of h is what arrives at the first result of the cell's last operation.
    std::string last;
    for (const GradientRow& row : statistics.steps()) last = row.name;
    std::vector<double> norms;
    for (const GradientRow& row : statistics.steps())
        if (row.name == last && row.output == 0) norms.insert(norms.begin(), row.gradient.norm);
    return norms;
}

template <class Cell>
double accuracy(const Model<Cell>& model, const Settings& o) {
    Random random = Random(o.seed).split(2);
    Tape<float> tape;
    tape.set_recording(false);
    std::size_t right = 0, all = 0;
    for (int i = 0; i < 20; ++i) {
        const Batch batch = draw(o, random);
        const Indices named = argmax(model(tape, batch));
        for (std::size_t b = 0; b < o.batch; ++b, ++all)
            right += named.data()[b] == batch.first.data()[b];
    }
    return static_cast<double>(right) / static_cast<double>(all);
}

// The same batch once more in checking mode, which names the operation and the time step.
template <class Cell>
std::string diagnosis(const Model<Cell>& model, const Batch& batch) {
    Tape<float> tape;
    const Checking<float> checking(tape);
    try {
        tape.backward(cross_entropy(model(tape, batch), batch.first));
    } catch (const Error& error) {
        return error.what();
    }
    return "the weights overflowed";
}

class Study {
public:
    explicit Study(const Settings& settings) : o_(settings) {}

    // `start` is given the recurrent weights; clip 0: none.
    template <class Cell, class Optimizer>
    Course train(std::string name, std::string shown, typename Cell::Options cell, double clip,
                 double rate, const std::function<void(Parameter<float>&)>& start = {}) {
        nn::seed(o_.seed);
        Model<Cell> model(o_, cell);
        if (start) start(model.net.cells()[0].weight_hh);
        Random random = Random(o_.seed).split(1);
        const Batch shown_batch = draw(o_, random);
        Course course{std::move(name), std::move(shown), reach(model, shown_batch), {}, {}, 0, ""};
        Optimizer optimizer(parameters(model), {.rate = rate});
        optimizer.on_non_finite(optim::NonFinite::skip);
        Tape<float> tape;
        const double end = 60 * o_.minutes * static_cast<double>(++run_) / runs;
        for (std::size_t step = 0; step < o_.steps && !example::interrupted(); ++step) {
            if (step > 0 && watch_.seconds() > end) break;
            const Batch batch = draw(o_, random);
            tape.clear();
            const auto loss = cross_entropy(model(tape, batch), batch.first);
            course.losses.push_back(static_cast<double>(loss.item()));
            tape.backward(loss);
            if (clip > 0) optim::clip_norm(optimizer.parameters(), clip);
            if (!optimizer.step()) {
                course.error = diagnosis(model, batch);
                break;
            }
            const double part = static_cast<double>(step + 1) / static_cast<double>(o_.steps);
            progress_.show((run_ - 1 + part) / runs,
                           course.shown + ": loss " + number(course.losses.back(), 4));
        }
        if (course.losses.empty()) return course;
        course.after = reach(model, shown_batch);
        course.accuracy = accuracy(model, o_);
        progress_.note(course.shown + ": loss " + number(std::abs(course.losses.back()), 4) + ", " +
                       number(100 * course.accuracy, 1) + " % right after " +
                       std::to_string(course.losses.size()) + " steps" +
                       (course.error.empty() ? "" : "; broke off: " + course.error));
        return course;
    }

private:
    static constexpr double runs = 9;
    Settings o_;
    int run_ = 0;
    example::Stopwatch watch_;
    example::Progress progress_;
};

// Losses as points of a line, means of so many at a time that some two hundred are left.
example::Line loss_line(const Course& course, int colour, bool dashed = false) {
    example::Line line{course.shown, {}, {}, colour, dashed};
    const std::size_t window = std::max<std::size_t>(course.losses.size() / 200, 1);
    for (std::size_t i = 0; i + window <= course.losses.size(); i += window) {
        const auto from = course.losses.begin() + static_cast<std::ptrdiff_t>(i);
        line.x.push_back(static_cast<double>(i));
        line.y.push_back(std::accumulate(from, from + static_cast<std::ptrdiff_t>(window), 0.0) /
                         static_cast<double>(window));
    }
    return line;
}

example::Line reach_line(const std::string& name, const std::vector<double>& norms, int colour,
                         bool dashed) {
    example::Line line{name, {}, norms, colour, dashed};
    for (std::size_t d = 0; d < norms.size(); ++d) line.x.push_back(static_cast<double>(d));
    return line;
}

// Sequences of numbers as columns, the shorter ones filled with NaN.
std::string table(const std::string& first, const std::vector<std::string>& names,
                  const std::vector<const std::vector<double>*>& columns) {
    std::vector<std::string> header{first};
    header.insert(header.end(), names.begin(), names.end());
    example::Curves curves(header);
    std::size_t longest = 0;
    for (const auto* column : columns) longest = std::max(longest, column->size());
    for (std::size_t i = 0; i < longest; ++i) {
        std::vector<double> row{static_cast<double>(i)};
        for (const auto* column : columns)
            row.push_back(i < column->size() ? std::abs((*column)[i]) : nothing);
        curves.add(row);
    }
    return curves.csv();
}

void write(const Settings& o, const std::vector<Course>& courses, std::size_t compared) {
    example::Chart reach{"How far back the gradient of the loss reaches",
                         "steps back from the end, T - t",
                         "norm of the gradient at h(t)",
                         true,
                         {}};
    example::Chart loss{"Learning to name the first of " + std::to_string(o.length) + " letters",
                        "training step",
                        "loss in nats",
                        false,
                        {}};
    example::Chart clipping{"Gradients that explode, and what clipping does",
                            "training step",
                            "loss in nats",
                            true,
                            {}};
    std::vector<std::string> reach_names, loss_names;
    std::vector<const std::vector<double>*> reaches, losses;
    for (std::size_t i = 0; i < courses.size(); ++i) {
        const Course& course = courses[i];
        const auto colour = static_cast<int>(i < compared ? i : compared + (i - compared) / 2);
        const bool clipped = i >= compared && (i - compared) % 2 == 1;
        loss_names.push_back(course.name);
        losses.push_back(&course.losses);
        if (i < compared)
            loss.lines.push_back(loss_line(course, colour));
        else
            clipping.lines.push_back(loss_line(course, colour, !clipped));
        if (i < compared || !clipped)
            reach.lines.push_back(reach_line(course.shown + (i < compared ? ", at first" : ""),
                                             course.before, colour, true));
        if (i < compared)
            reach.lines.push_back(reach_line(course.shown, course.after, colour, false));
        for (const auto& [when, norms] :
             {std::pair("_before", &course.before), {"_after", &course.after}}) {
            reach_names.push_back(course.name + when);
            reaches.push_back(norms);
        }
    }
    const std::string folder = o.out + "/";
    write_file_atomically(folder + "gradients.svg", reach.svg());
    write_file_atomically(folder + "gradients.csv", table("distance", reach_names, reaches));
    write_file_atomically(folder + "loss.svg", loss.svg());
    write_file_atomically(folder + "clipping.svg", clipping.svg());
    write_file_atomically(folder + "loss.csv", table("step", loss_names, losses));
}

int run(const Settings& o) {
    example::catch_interrupts();
    std::filesystem::create_directories(o.out);
    using Rnn = nn::RnnCell<float>;
    using Adam = optim::Adam<float>;
    using Sgd = optim::Sgd<float>;
    const auto orthogonal = [](double radius) {
        return [radius](Parameter<float>& weight) {
            const Variable<float> start = nn::orthogonal<float>(weight.shape(), nn::next_stream());
            weight.set((start * radius).value());
        };
    };
    const example::Stopwatch watch;
    Study study(o);
    std::vector<Course> all;
    all.push_back(study.train<Rnn, Adam>("rnn_tanh", "RNN, tanh", {}, o.clip, o.rate));
    all.push_back(study.train<Rnn, Adam>("rnn_relu", "RNN, ReLU", {.relu = true}, o.clip, o.rate));
    all.push_back(study.train<Rnn, Adam>("rnn_orthogonal", "RNN, orthogonal", {}, o.clip, o.rate,
                                         orthogonal(1)));
    all.push_back(
        study.train<nn::LstmCell<float>, Adam>("lstm", "LSTM", {.forget_bias = 2}, o.clip, o.rate));
    all.push_back(study.train<nn::GruCell<float>, Adam>("gru", "GRU", {}, o.clip, o.rate));
    const std::size_t compared = all.size();
    for (const bool relu : {true, false})
        for (const double clip : {0.0, o.clip}) {
            const std::string ending = clip > 0 ? "clipped" : "unclipped";
            const std::string what = relu ? "ReLU" : "tanh";
            all.push_back(study.train<Rnn, Sgd>((relu ? "relu_" : "tanh_") + ending,
                                                what + " × " + number(o.radius, 1) + ", " + ending,
                                                {.relu = relu}, clip, 0.1, orthogonal(o.radius)));
        }
    write(o, all, compared);
    std::vector<std::pair<std::string, std::string>> result;
    for (const Course& course : all)
        result.emplace_back(course.name, course.error.empty() ? number(course.accuracy, 3) : "nan");
    result.insert(result.end(), {{"seconds", number(watch.seconds(), 1)}, {"out", o.out}});
    example::print_result(result);
    return example::interrupted() ? 130 : 0;
}

} // namespace vanishing

int main(int argc, char** argv) {
    vanishing::Settings o;
    CLI::App app{
        "How far back through time gradients reach: trains five recurrent networks to name "
        "the first letter of a sequence at its end, and two whose gradients explode, with "
        "and without clipping. Writes charts and tables into a folder."};
    app.footer("Examples:\n"
               "  vanishing\n"
               "  vanishing --length 60 --steps 6000 --minutes 5 --out far\n"
               "  vanishing --radius 2 --clip 0.5");
    const auto count = [&](const char* name, std::size_t& value, std::size_t least,
                           const char* what) {
        app.add_option(name, value, what)
            ->capture_default_str()
            ->check(CLI::Range(least, std::size_t{1} << 20));
    };
    count("--length", o.length, 2, "letters in a sequence");
    count("--hidden", o.hidden, 1, "width of a network");
    count("--batch", o.batch, 1, "sequences in a training step");
    count("--steps", o.steps, 1, "training steps of each network");
    for (const auto& [name, value, what] :
         {std::tuple("--rate", &o.rate, "Adam's rate"),
          std::tuple("--clip", &o.clip, "largest norm of the gradient, where it is clipped"),
          std::tuple("--radius", &o.radius, "spectral radius of recurrent weights that explode"),
          std::tuple("--minutes", &o.minutes, "the most that training may take")})
        app.add_option(name, *value, what)->capture_default_str()->check(CLI::PositiveNumber);
    app.add_option("--seed", o.seed, "of weights and sequences")->capture_default_str();
    app.add_option("-o,--out", o.out, "folder for charts and tables")->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    try {
        return vanishing::run(o);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "vanishing: %s\n", error.what());
        return 1;
    }
}
