#include "../common/commands.hpp"
#include "../common/interrupts.hpp"
#include "../common/program.hpp"
#include "model.hpp"

#include <cstdio>
#include <filesystem>
#include <functional>

namespace vanishing {

class Study {
public:
    explicit Study(const Settings& settings) : o_(settings) {}

    // `start` initialises the recurrent weights; clip 0: no clipping.
    template <class Cell, class Optimizer>
    Run train(std::string name, std::string shown, typename Cell::Options cell, double clip,
              double learning_rate, const std::function<void(Parameter<float>&)>& start = {}) {
        nn::seed(o_.seed);
        Model<Cell> model(o_, cell);
        if (start) start(model.net.cells()[0].weight_hh);
        Random random = Random(o_.seed).split(1);
        const Batch shown_batch = draw(o_, random);
        Run run;
        run.name = std::move(name);
        run.shown = std::move(shown);
        run.before = gradient_norms(model, shown_batch, o_.out + "/" + run.name + ".svg");
        Optimizer optimizer(parameters(model), {.learning_rate = learning_rate});
        const double end = 60 * o_.minutes * static_cast<double>(++run_) / runs;
        for (std::size_t step = 0; step < o_.steps && !example::interrupted(); ++step) {
            if (step > 0 && watch_.seconds() > end) break;
            const Batch batch = draw(o_, random);
            Tape tape;
            const auto loss = cross_entropy(model(batch), batch.first);
            run.losses.push_back(static_cast<double>(loss.item()));
            try {
                tape.backward(loss);
                if (clip > 0) optim::clip_norm(optimizer.parameters(), clip);
                optimizer.step();
            } catch (const Error&) { // loss or gradient is not finite
                run.error = diagnosis(model, batch);
                break;
            }
            const double part = static_cast<double>(step + 1) / static_cast<double>(o_.steps);
            progress_.show((run_ - 1 + part) / runs,
                           run.name + ": loss " + fmt::format("{:.4f}", run.losses.back()));
        }
        if (run.losses.empty()) return run;
        run.after = gradient_norms(model, shown_batch);
        if (run.error.empty()) run.accuracy = accuracy(model, o_);
        const std::string steps = std::to_string(run.losses.size()) + " steps";
        if (run.error.empty())
            progress_.note(run.name + ": loss " + fmt::format("{:.4f}", run.losses.back()) + ", " +
                           fmt::format("{:.1f}", 100 * run.accuracy) + " % correct after " + steps);
        else
            progress_.note(run.name + ": stopped after " + steps + "; checking mode reports\n  " +
                           run.error);
        return run;
    }

private:
    static constexpr double runs = 9;
    Settings o_;
    int run_ = 0;
    example::Stopwatch watch_;
    example::Progress progress_;
};

// Values over their index, as means over windows so that at most `points` are drawn.
Chart::Line averaged(const std::string& name, const std::vector<double>& values, std::size_t points,
                     int colour, bool dashed) {
    Chart::Line line{.name = name, .colour = colour, .dashed = dashed};
    const std::size_t window = (values.size() + points - 1) / std::max<std::size_t>(points, 1);
    for (std::size_t i = 0; i < values.size(); i += window) {
        const std::size_t end = std::min(i + window, values.size());
        double sum = 0;
        for (std::size_t j = i; j < end; ++j) sum += values[j];
        line.add(static_cast<double>(i), sum / static_cast<double>(end - i));
    }
    return line;
}

Chart::Line loss_line(const std::string& name, std::vector<double> losses, int colour,
                      bool dashed = false) {
    return averaged(name, losses, 200, colour, dashed);
}

// Relative to the gradient at the last step, so that losses of different magnitude are comparable.
Chart::Line gradient_line(const std::string& name, std::vector<double> norms, int colour,
                          bool dashed = false) {
    const double end = norms.empty() ? 1 : norms[0];
    for (double& norm : norms) norm /= end;
    return averaged(name, norms, norms.size(), colour, dashed);
}

// The runs before `compared` learn the task; of the runs after it every second one is clipped.
void write(const Settings& o, const std::vector<Run>& runs, std::size_t compared) {
    const std::string steps = "training step", nats = "loss in nats";
    Chart gradients{.title = "Gradient of the loss over the distance in time",
                    .x = "steps back from the end, T − t",
                    .y = "gradient at h(t), relative to that at h(T)",
                    .logarithmic = true};
    Chart loss{.title = "Classifying the first of " + std::to_string(o.length) + " letters",
               .x = steps,
               .y = nats};
    Chart explosion{.title = "The first steps of a ReLU network whose gradients explode",
                    .x = steps,
                    .y = nats,
                    .logarithmic = true};
    Chart clipping{.title = "A tanh network whose gradients explode", .x = steps, .y = nats};
    Curves norms, losses;
    for (std::size_t i = 0; i < runs.size(); ++i) {
        const Run& run = runs[i];
        const bool learns = i < compared, clipped = (i - compared) % 2 == 1;
        norms.add_column(run.name + "_before", run.before);
        norms.add_column(run.name + "_after", run.after);
        losses.add_column(run.name, run.losses);
        const auto colour = static_cast<int>(learns ? i : compared + (i - compared) / 2);
        if (learns || !clipped)
            gradients.lines.push_back(
                gradient_line(run.shown + ", initially", run.before, colour, true));
        if (learns) {
            gradients.lines.push_back(gradient_line(run.shown, run.after, colour));
            loss.lines.push_back(loss_line(run.shown, run.losses, colour));
            continue;
        }
        const std::string name = run.shown + (clipped ? ", clipped" : ", unclipped");
        if (i < compared + 2) {
            const std::size_t shown = std::min<std::size_t>(run.losses.size(), 20);
            explosion.lines.push_back(loss_line(
                name, {run.losses.begin(), run.losses.begin() + static_cast<std::ptrdiff_t>(shown)},
                clipped ? 0 : 1, !clipped));
        } else {
            clipping.lines.push_back(loss_line(name, run.losses, clipped ? 0 : 1, !clipped));
        }
    }
    const std::string folder = o.out + "/";
    write_file_atomically(folder + "gradients.svg", gradients.svg());
    write_file_atomically(folder + "loss.svg", loss.svg());
    write_file_atomically(folder + "explosion.svg", explosion.svg());
    write_file_atomically(folder + "clipping.svg", clipping.svg());
    write_file_atomically(folder + "gradients.csv", norms.csv("distance"));
    write_file_atomically(folder + "loss.csv", losses.csv("step"));
}

int run(const Settings& o) {
    example::finish_on_interrupt();
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
    std::vector<Run> all;
    all.push_back(study.train<Rnn, Adam>("rnn_tanh", "RNN, tanh", {}, o.clip, o.learning_rate));
    all.push_back(
        study.train<Rnn, Adam>("rnn_relu", "RNN, ReLU", {.relu = true}, o.clip, o.learning_rate));
    all.push_back(study.train<Rnn, Adam>("rnn_orthogonal", "RNN, orthogonal", {}, o.clip,
                                         o.learning_rate, orthogonal(1)));
    all.push_back(study.train<nn::LstmCell<float>, Adam>("lstm", "LSTM", {.forget_bias = 2}, o.clip,
                                                         o.learning_rate));
    all.push_back(study.train<nn::GruCell<float>, Adam>("gru", "GRU", {}, o.clip, o.learning_rate));
    const std::size_t compared = all.size();
    for (const bool relu : {true, false})
        for (const double clip : {0.0, o.clip}) {
            const std::string what = relu ? "ReLU" : "tanh";
            all.push_back(study.train<Rnn, Sgd>(std::string(relu ? "relu" : "tanh") +
                                                    (clip > 0 ? "_clipped" : "_unclipped"),
                                                what + " × " + fmt::format("{:.1f}", o.radius),
                                                {.relu = relu}, clip, 0.1, orthogonal(o.radius)));
        }
    write(o, all, compared);
    example::Figures result;
    for (const Run& run : all) result.emplace_back(run.name, run.accuracy, 3);
    result.insert(result.end(), {{"seconds", watch.seconds(), 1}, {"out", o.out}});
    example::print_result(result);
    return example::interrupted() ? 130 : 0;
}

int inspect(Settings o) {
    nn::seed(o.seed);
    Random random = Random(o.seed).split(1);
    if (o.inspection.draws()) {
        const Model<nn::LstmCell<float>> model(o, {.forget_bias = 2});
        const Batch batch = draw(o, random);
        return o.inspection.draw([&] { return cross_entropy(model(batch), batch.first); });
    }
    o.hidden = o.length = o.batch = 5;
    const Batch batch = draw(o, random);
    Model<nn::LstmCell<double>> model(o, {.forget_bias = 2});
    return o.inspection.check([&] { return cross_entropy(model(batch), batch.first); },
                              parameters(model));
}

} // namespace vanishing

int main(int argc, char** argv) {
    using namespace vanishing;
    example::Commands program(
        "vanishing",
        "Vanishing and exploding gradients: trains five recurrent networks to classify the "
        "first letter of a sequence at its end, and two whose gradients explode, with and without "
        "clipping. Writes charts, tables and the graphs coloured by the norms of their gradients "
        "initially into a folder. --dump-graph and --check-gradients apply to the LSTM.",
        {"", "--length 60 --steps 6000 --minutes 5 --out far", "--radius 2 --clip 0.5"});
    Settings o;
    o.options(*program.add("", "", [&] {
        return o.inspection.draws() || o.inspection.checks() ? inspect(o) : run(o);
    }));
    return program.run(argc, argv);
}
