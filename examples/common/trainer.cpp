#include "trainer.hpp"

#include "chart.hpp"
#include "interrupts.hpp"

#include <cmath>
#include <cstdio>
#include <sstream>

namespace example {

using namespace unroll;

namespace {

// The progress of a run.
struct Position {
    std::uint64_t batch = 0;
    double seconds = 0;

    std::string text() const { return fmt::format("{} {:.3f}", batch, seconds); }
    static Position from(const std::string& text) {
        Position p;
        if (!(std::istringstream(text) >> p.batch >> p.seconds))
            fail("train",
                 fmt::format("expected batches and seconds of the saved run, got '{}'", text));
        return p;
    }
};

// ", validation nats 1.2345"
std::string text_of(const Figures& figures) {
    std::string text;
    for (const auto& [name, value] : figures) text += fmt::format(", {} {:.4f}", name, value);
    std::ranges::replace(text, '_', ' ');
    return text;
}

class Run {
public:
    Run(const TrainingOptions& options, const Task& task, const Parameters<float>& parameters)
        : o_(options), task_(task), adam_(parameters, {.learning_rate = options.rate}),
          shards_(options.shards, adam_.parameters(), Random(options.seed).split(1)),
          last_(static_cast<std::uint64_t>(
              std::ceil(options.epochs * static_cast<double>(task.batches)))) {
        checkpoint_.parameters = parameters;
        checkpoint_.optimizer = &adam_;
        if (o_.resume) load();
    }

    int train() {
        task_.begin_epoch(position_.batch / task_.batches);
        // Between epochs there is nothing to carry on: each starts afresh.
        if (position_.batch % task_.batches != 0) task_.carry_on(checkpoint_.tensors);
        double next_report = (std::floor(10 * done()) + 1) / 10;
        for (bool first = true; done() < 1 && !interrupted(); first = false) {
            const std::size_t batch = position_.batch % task_.batches;
            if (batch == 0 && !first) task_.begin_epoch(position_.batch / task_.batches);
            step(batch);
            if (done() < next_report) continue;
            next_report += 0.1;
            report();
        }
        return finish(done() < 1);
    }

private:
    // The done part of the run, in [0, 1]: of its epochs, or of its minutes.
    double done() const {
        return last_ > 0 ? static_cast<double>(position_.batch) / static_cast<double>(last_)
                         : seconds() / (60 * o_.minutes);
    }
    double seconds() const { return position_.seconds + watch_.seconds(); }
    double speed() const { return units_ / (watch_.seconds() - measuring_); }

    void step(std::size_t batch) {
        const double warm = std::min(1.0, static_cast<double>(adam_.steps() + 1) / 50);
        const double falling = 0.5 * (1 + std::cos(3.141592653589793 * done()));
        adam_.set_learning_rate(o_.rate * warm * (falling * 0.98 + 0.02));
        recent_ += shards_.backward([&](std::size_t shard) { return task_.loss(shard, batch); });
        ++counted_;
        optim::clip_norm(adam_.parameters(), o_.clip);
        adam_.step();
        ++position_.batch;
        units_ += task_.units > 0 ? task_.units : static_cast<double>(o_.batch);
        progress_.show(done(), "loss " +
                                   fmt::format("{:.4f}", recent_ / static_cast<double>(counted_)) +
                                   "  " + fmt::format("{:.0f}", speed()) + " " + task_.unit + "/s");
    }

    void report() {
        const double loss = recent_ / static_cast<double>(counted_), began = watch_.seconds();
        const Figures figures = task_.metrics();
        measuring_ += watch_.seconds() - began;
        const double epoch =
            static_cast<double>(position_.batch) / static_cast<double>(task_.batches);
        progress_.note("epoch " + fmt::format("{:.2f}", epoch) + ": training loss " +
                       fmt::format("{:.4f}", loss) + text_of(figures));
        if (!curves_) {
            std::vector<std::string> names{"epoch", "training_loss"};
            for (const auto& [name, value] : figures) names.push_back(name);
            names.insert(names.end(), {"rate", "seconds"});
            curves_.emplace(names);
        }
        std::vector<double> row{epoch, loss};
        for (const auto& [name, value] : figures) row.push_back(value);
        row.insert(row.end(), {adam_.learning_rate(), seconds()});
        curves_->add(row);
        recent_ = 0;
        counted_ = 0;
    }

    int finish(bool early) {
        const double seconds_trained = seconds();
        save(seconds_trained);
        if (curves_ && !o_.csv.empty()) write_file_atomically(o_.csv, curves_->csv());
        if (curves_ && !o_.svg.empty()) {
            std::vector<std::string> shown{"training_loss"};
            const Figures figures = task_.metrics();
            if (!figures.empty()) shown.push_back(figures[0].first);
            write_file_atomically(o_.svg, curves_->svg("Training", shown));
        }
        if (early)
            progress_.note(fmt::format("interrupted; saved in {}, --resume continues", o_.out));
        std::vector<std::pair<std::string, std::string>> result;
        for (const auto& [name, value] : task_.result())
            result.emplace_back(name, fmt::format("{:.4f}", value));
        result.insert(result.end(), {{task_.unit + "_per_second", fmt::format("{:.0f}", speed())},
                                     {"seconds", fmt::format("{:.1f}", seconds_trained)},
                                     {"batches", std::to_string(position_.batch)},
                                     {"model", o_.out}});
        print_result(result);
        return early ? 130 : 0;
    }

    std::string shard_name(std::size_t shard) const { return "shard" + std::to_string(shard); }

    void save(double seconds_trained) {
        checkpoint_.metadata = task_.metadata;
        checkpoint_.metadata["position"] = Position{position_.batch, seconds_trained}.text();
        for (std::size_t s = 0; s < o_.shards; ++s)
            checkpoint_.metadata[shard_name(s)] =
                optim::to_metadata(shards_.tape(s).random().state());
        checkpoint_.tensors = task_.carried();
        checkpoint_.save(o_.out);
    }

    void load() {
        checkpoint_.load(o_.out);
        position_ = Position::from(checkpoint_.metadata["position"]);
        for (std::size_t s = 0; s < o_.shards; ++s)
            shards_.tape(s).set_random(
                Random::restore(optim::random_state(checkpoint_.metadata[shard_name(s)])));
    }

    const TrainingOptions& o_;
    const Task& task_;
    optim::Adam<float> adam_;
    optim::Shards<float> shards_;
    optim::Checkpoint<float> checkpoint_;
    std::uint64_t last_;
    Position position_;
    Stopwatch watch_;
    Progress progress_;
    std::optional<Curves> curves_;
    double recent_ = 0, measuring_ = 0, units_ = 0;
    std::size_t counted_ = 0;
};

} // namespace

void TrainingOptions::options(CLI::App& command, const std::string& of_a_batch) {
    const auto positive = [&](const std::string& name, auto& value, const std::string& about) {
        return command.add_option(name, value, about)->check(CLI::PositiveNumber);
    };
    positive("--batch", batch, of_a_batch);
    positive("--rate", rate, "Adam's learning rate, which follows a cosine schedule");
    positive("--clip", clip, "largest norm of the gradient");
    auto* const by_time = positive("--minutes", minutes, "how long to train");
    auto* const by_epochs = positive("--epochs", epochs, "passes over the data, not minutes");
    by_time->each([this](const std::string&) { epochs = 0; });
    by_epochs->excludes(by_time);
    (epochs > 0 ? by_time : by_epochs)->default_str("");
    positive("--shards", shards, "parts of a batch that run in parallel");
    command.add_option("--threads", threads, "threads; 0: one for each core");
    command.add_option("--seed", seed, "of weights, order and dropout");
    command.add_option("-o,--out", out, "the model, with all that --resume needs");
    command.add_option("--csv", csv, "write metrics over time as a table");
    command.add_option("--svg", svg, "draw metrics over time");
    command.add_flag("--resume", resume, "continue the run that is saved in --out");
    inspection.options(command);
}

int train(const TrainingOptions& options, const Task& task, const Parameters<float>& parameters) {
    finish_on_interrupt();
    if (options.batch % options.shards != 0)
        fail("train", fmt::format("a batch of {} cannot be cut into {} equal shards (--shards)",
                                  options.batch, options.shards));
    if (options.threads > 0) threads::set(options.threads);
    std::size_t count = 0;
    for (const auto& parameter : parameters) count += parameter.size();
    std::printf("%s; %zu parameters; %zu threads\n", task.about.c_str(), count, threads::count());
    std::fflush(stdout);
    if (options.inspection.draws()) {
        task.begin_epoch(0);
        return options.inspection.draw([&] { return task.loss(0, 0); });
    }
    return Run(options, task, parameters).train();
}

} // namespace example
