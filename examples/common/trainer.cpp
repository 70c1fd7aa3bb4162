#include "trainer.hpp"

#include "chart.hpp"

#include <cmath>
#include <cstdio>
#include <sstream>

namespace example {

using namespace unroll;

namespace {

// Where a run stands.
struct Position {
    std::uint64_t batch = 0;
    double seconds = 0;

    std::string words() const { return std::to_string(batch) + " " + number(seconds, 3); }
    static Position from(const std::string& words) {
        Position p;
        if (!(std::istringstream(words) >> p.batch >> p.seconds))
            fail("train", "the position '" + words + "' of the run cannot be read");
        return p;
    }
};

std::string told(const Figures& figures) {
    std::string text;
    for (const auto& [name, value] : figures) {
        std::string words = name;
        std::replace(words.begin(), words.end(), '_', ' ');
        text += ", " + words + " " + number(value, 4);
    }
    return text;
}

class Run {
public:
    Run(const TrainingOptions& options, const Task& task,
        const optim::NamedParameters<float>& parameters)
        : o_(options), task_(task), adam_(pointers(parameters), {.learning_rate = options.rate}),
          shards_(options.shards, adam_.parameters(), Random(options.seed).split(1)),
          last_(static_cast<std::uint64_t>(
              std::ceil(options.epochs * static_cast<double>(task.batches)))) {
        checkpoint_.parameters = parameters;
        checkpoint_.optimizer = &adam_;
        if (o_.resume) load();
    }

    int train() {
        const bool resumed = position_.batch > 0;
        task_.begin_epoch(position_.batch / task_.batches);
        if (resumed) task_.carry_on(checkpoint_.tensors);
        double next_report = (std::floor(10 * done()) + 1) / 10;
        for (bool first = true; done() < 1 && !interrupted(); first = false) {
            const std::size_t batch = position_.batch % task_.batches;
            if (batch == 0 && !first) task_.begin_epoch(position_.batch / task_.batches);
            step(batch);
            if (done() < next_report) continue;
            next_report += 0.1;
            report();
        }
        return finish();
    }

private:
    static std::vector<Parameter<float>*> pointers(const optim::NamedParameters<float>& named) {
        std::vector<Parameter<float>*> all;
        for (const auto& [name, parameter] : named) all.push_back(parameter);
        return all;
    }

    // By epochs a run is the same every time; by minutes it depends on the machine.
    double done() const {
        return last_ > 0 ? static_cast<double>(position_.batch) / static_cast<double>(last_)
                         : seconds() / (60 * o_.minutes);
    }
    double seconds() const { return position_.seconds + watch_.seconds(); }
    double speed() const { return units_ / (watch_.seconds() - looking_); }

    void step(std::size_t batch) {
        const double warm = std::min(1.0, static_cast<double>(adam_.steps() + 1) / 50);
        const double falling = 0.5 * (1 + std::cos(3.141592653589793 * done()));
        adam_.set_learning_rate(o_.rate * warm * (falling * 0.98 + 0.02));
        recent_ += shards_.backward(
            [&](std::size_t shard, Tape<float>& tape) { return task_.loss(shard, tape, batch); });
        ++counted_;
        optim::clip_norm(adam_.parameters(), o_.clip);
        adam_.step();
        ++position_.batch;
        units_ += task_.units > 0 ? task_.units : static_cast<double>(o_.batch);
        progress_.show(done(), "loss " + number(recent_ / static_cast<double>(counted_), 4) + "  " +
                                   number(speed(), 0) + " " + task_.unit + "/s");
    }

    void report() {
        const double loss = recent_ / static_cast<double>(counted_), began = watch_.seconds();
        const Figures figures = task_.glance();
        looking_ += watch_.seconds() - began;
        const double epoch =
            static_cast<double>(position_.batch) / static_cast<double>(task_.batches);
        progress_.note("epoch " + number(epoch, 2) + ": training loss " + number(loss, 4) +
                       told(figures));
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

    int finish() {
        const double seconds_trained = seconds();
        save(seconds_trained);
        if (curves_ && !o_.csv.empty()) write_file_atomically(o_.csv, curves_->csv());
        if (curves_ && !o_.svg.empty()) {
            std::vector<std::string> shown{"training_loss"};
            const Figures figures = task_.glance();
            if (!figures.empty()) shown.push_back(figures[0].first);
            write_file_atomically(o_.svg, curves_->svg("Training", shown));
        }
        if (interrupted())
            progress_.note("interrupted; the run is saved in " + o_.out + ", --resume goes on");
        std::vector<std::pair<std::string, std::string>> result;
        for (const auto& [name, value] : task_.result())
            result.emplace_back(name, number(value, 4));
        result.insert(result.end(), {{task_.unit + "_per_second", number(speed(), 0)},
                                     {"seconds", number(seconds_trained, 1)},
                                     {"batches", std::to_string(position_.batch)},
                                     {"model", o_.out}});
        print_result(result);
        return interrupted() ? 130 : 0;
    }

    std::string shard_name(std::size_t shard) const { return "shard" + std::to_string(shard); }

    void save(double seconds_trained) {
        checkpoint_.metadata = task_.words;
        checkpoint_.metadata["position"] = Position{position_.batch, seconds_trained}.words();
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
    double recent_ = 0, looking_ = 0, units_ = 0;
    std::size_t counted_ = 0;
};

} // namespace

void TrainingOptions::fields(Fields& f, const char* what) {
    f.takes("--batch", batch, what, Positive());
    f.takes("--rate", rate, "Adam's rate, which falls along a cosine", Positive());
    f.takes("--clip", clip, "largest norm of the gradient", Positive());
    f.either("--minutes", minutes, "how long to train", "--epochs", epochs,
             "passes over the data, instead of minutes", Positive());
    f.takes("--shards", shards, "parts of a batch that run side by side", Positive());
    f.takes("--threads", threads, "threads; 0: all cores");
    f.takes("--seed", seed, "of weights, order and dropout");
    f.takes("-o,--out", out, "the model, with everything to resume");
    f.takes("--csv", csv, "figures over time as a table");
    f.takes("--svg", svg, "figures over time as a picture");
    f.takes("--resume", resume, "go on with the run saved in --out");
    inspection.fields(f);
}

int train(const TrainingOptions& options, const Task& task,
          const optim::NamedParameters<float>& parameters) {
    catch_interrupts();
    if (options.batch % options.shards != 0)
        fail("train", "a batch of " + std::to_string(options.batch) + " cannot be cut into " +
                          std::to_string(options.shards) + " equal shards");
    if (options.threads > 0) threads::set(options.threads);
    std::size_t count = 0;
    for (const auto& [name, parameter] : parameters) count += parameter->value().size();
    std::printf("%s; %zu parameters; %zu threads\n", task.about.c_str(), count, threads::count());
    if (options.inspection.draws()) {
        task.begin_epoch(0);
        return options.inspection.draw<float>(
            [&](Tape<float>& tape) { return task.loss(0, tape, 0); });
    }
    return Run(options, task, parameters).train();
}

} // namespace example
