#include "trainer.hpp"

#include "interrupts.hpp"

#include <charconv>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <sstream>

#include <unistd.h>

namespace example {

using namespace unroll;

namespace {

// The options that determine the order of batches: part of the state that --resume continues.
constexpr std::pair<const char*, std::size_t TrainingOptions::*> order[]{
    {"batch", &TrainingOptions::batch},
    {"seed", &TrainingOptions::seed},
    {"shards", &TrainingOptions::shards},
    {"steps", &TrainingOptions::steps}};

// ", validation nats 1.2345"
std::string text_of(const Figures& figures) {
    std::string text;
    for (const Figure& figure : figures) text += fmt::format(", {} {}", figure.name, figure.text);
    std::ranges::replace(text, '_', ' ');
    return text;
}

class Run {
public:
    Run(const TrainingOptions& options, const Task& task, const Parameters<float>& parameters)
        : o_(options), task_(task), adam_(parameters, {.learning_rate = options.learning_rate}),
          shards_(options.shards, adam_.parameters(), Random(options.seed).split(1)),
          last_(static_cast<std::uint64_t>(
              std::ceil(options.epochs * static_cast<double>(task.batches)))) {
        checkpoint_.parameters = parameters;
        checkpoint_.optimizer = &adam_;
        if (o_.resume) load();
    }

    int train() {
        task_.begin_epoch(batch_ / task_.batches);
        // No state is carried over between epochs.
        if (batch_ % task_.batches != 0) task_.carry_on(checkpoint_.tensors);
        double next_report = (std::floor(10 * done()) + 1) / 10;
        keep_state();
        try {
            for (bool first = true; done() < 1 && !interrupted(); first = false) {
                const std::size_t batch = batch_ % task_.batches;
                if (batch == 0 && !first) task_.begin_epoch(batch_ / task_.batches);
                step(batch);
                keep_state();
                if (watch_.seconds() - saved_ > 60 * o_.save_every) save_on_the_way();
                if (done() < next_report) continue;
                next_report += 0.1;
                report();
            }
        } catch (const std::bad_alloc&) {
            rescue(fmt::format("out of memory in batch {}; use a smaller --batch", batch_));
        } catch (const std::exception& error) {
            rescue(error.what());
        }
        return finish(done() < 1);
    }

private:
    // The completed fraction of the run, in [0, 1], by epochs or by minutes.
    double done() const {
        return last_ > 0 ? static_cast<double>(batch_) / static_cast<double>(last_)
                         : seconds() / (60 * o_.minutes);
    }
    double seconds() const { return earlier_ + watch_.seconds(); }
    double speed() const { return units_ / (watch_.seconds() - measuring_); }

    void step(std::size_t batch) {
        const double warm = std::min(1.0, static_cast<double>(adam_.steps() + 1) / 50);
        const double falling = 0.5 * (1 + std::cos(3.141592653589793 * done()));
        adam_.set_learning_rate(o_.learning_rate * warm * (falling * 0.98 + 0.02));
        const double loss =
            shards_.backward([&](std::size_t shard) { return task_.loss(shard, batch); }, {},
                             {.allow_non_finite = true});
        if (!std::isfinite(loss))
            fail("train", fmt::format("the loss of batch {} is {}, which is not finite; a lower "
                                      "--learning-rate may help",
                                      batch_, loss));
        optim::clip_norm(adam_.parameters(), o_.clip);
        recent_ += loss;
        ++counted_;
        whole_ = false;
        adam_.step();
        whole_ = true;
        ++batch_;
        units_ += o_.units > 0 ? o_.units : static_cast<double>(o_.batch);
        progress_.show(done(),
                       fmt::format("loss {:.4f}  {:.0f} {}/s",
                                   recent_ / static_cast<double>(counted_), speed(), o_.unit));
    }

    void report() {
        const double loss = recent_ / static_cast<double>(counted_), began = watch_.seconds();
        const Figures figures = task_.metrics();
        measuring_ += watch_.seconds() - began;
        const double epoch = static_cast<double>(batch_) / static_cast<double>(task_.batches);
        progress_.note(
            fmt::format("epoch {:.2f}: training loss {:.4f}{}", epoch, loss, text_of(figures)));
        std::vector<std::string> names{"epoch", "training_loss"};
        std::vector<double> row{epoch, loss};
        for (const Figure& figure : figures) {
            names.push_back(figure.name);
            row.push_back(figure.value);
        }
        names.insert(names.end(), {"learning_rate", "seconds"});
        row.insert(row.end(), {adam_.learning_rate(), seconds()});
        if (!curves_) curves_.emplace(names);
        curves_->add(row);
        recent_ = 0;
        counted_ = 0;
    }

    int finish(bool early) {
        const double seconds_trained = seconds(), units_per_second = speed();
        const std::string saved = save_somewhere();
        if (curves_ && !o_.csv.empty()) write_file_atomically(o_.csv, curves_->csv());
        if (curves_ && !o_.svg.empty()) {
            std::vector<std::string> shown{"training_loss"};
            const Figures figures = task_.metrics();
            if (!figures.empty()) shown.push_back(figures[0].name);
            write_file_atomically(o_.svg, curves_->svg("Training", shown));
        }
        if (early)
            progress_.note(fmt::format("interrupted; saved in {}, --resume continues", saved));
        print_result(task_.result(), {{o_.unit + "_per_second", units_per_second, 0},
                                      {"seconds", seconds_trained, 1},
                                      {"batches", batch_},
                                      {"model", saved}});
        return saved != o_.out ? 1 : early ? 130 : 0;
    }

    std::string shard_name(std::size_t shard) const { return "shard" + std::to_string(shard); }

    // Saves the state that a batch changes besides parameters and optimiser, so that a failed batch
    // can be undone. Without --minutes the elapsed time is not saved, so that identical runs write
    // identical files.
    void keep_state() {
        checkpoint_.metadata = task_.metadata;
        checkpoint_.metadata["position"] =
            fmt::format("{} {:.3f}", batch_, last_ > 0 ? 0.0 : seconds());
        checkpoint_.metadata["run.batches"] = std::to_string(task_.batches);
        for (const auto& [name, member] : order)
            checkpoint_.metadata[std::string("run.") + name] = std::to_string(o_.*member);
        for (std::size_t s = 0; s < o_.shards; ++s)
            checkpoint_.metadata[shard_name(s)] =
                optim::to_metadata(shards_.tape(s).random().state());
        checkpoint_.tensors = task_.carried();
    }

    void save_on_the_way() {
        try {
            checkpoint_.save(o_.out);
        } catch (const std::exception& error) {
            progress_.note(fmt::format("{}; training continues", error.what()));
        }
        saved_ = watch_.seconds();
    }

    // Saves the state and returns the path: --out, otherwise in the current or the temporary
    // folder.
    std::string save_somewhere() {
        namespace fs = std::filesystem;
        std::string problem;
        const std::string other =
            fmt::format("saved-{}-{}", getpid(), fs::path(o_.out).filename().string());
        std::error_code no_folder;
        for (const fs::path& path : {fs::path(o_.out), fs::current_path(no_folder) / other,
                                     fs::temp_directory_path(no_folder) / other}) {
            try {
                checkpoint_.save(path);
                if (!problem.empty())
                    progress_.note(fmt::format("{}\nsaved in {} instead; move it to {}", problem,
                                               path.string(), o_.out));
                return path;
            } catch (const std::exception& error) {
                problem += (problem.empty() ? "" : "\n") + std::string(error.what());
            }
        }
        fail("train", problem);
    }

    [[noreturn]] void rescue(const std::string& problem) {
        if (!whole_ || batch_ == began_) fail("train", problem);
        fail("train", fmt::format("{}\nThe previous state is saved in {}, --resume continues",
                                  problem, save_somewhere()));
    }

    void load() {
        checkpoint_.load(o_.out);
        const auto& batches = checkpoint_.metadata["run.batches"];
        if (batches != std::to_string(task_.batches))
            fail("train",
                 fmt::format("the run in '{}' has {} batches per epoch, this one {}: resume "
                             "with the same data, or start again without --resume",
                             o_.out, batches, task_.batches));
        const std::string& position = checkpoint_.metadata["position"];
        std::istringstream in(position);
        const bool is_signed =
            position.find_first_of("+-") != position.npos; // >> would wrap around
        if (is_signed || !(in >> batch_ >> earlier_) || !(in >> std::ws).eof())
            fail("train", fmt::format("'{}' does not contain the position of its run", o_.out));
        began_ = batch_;
        for (std::size_t s = 0; s < o_.shards; ++s)
            shards_.tape(s).set_random(
                Random::restore(optim::random_state(checkpoint_.metadata[shard_name(s)])));
    }

    const TrainingOptions& o_;
    const Task& task_;
    optim::Adam<float> adam_;
    optim::DataParallel<float> shards_;
    optim::Checkpoint<float> checkpoint_;
    std::uint64_t last_;
    std::uint64_t batch_ = 0; // completed batches
    double earlier_ = 0;      // seconds of the run before it was resumed
    Stopwatch watch_;
    Progress progress_;
    std::optional<Curves> curves_;
    double recent_ = 0, measuring_ = 0, units_ = 0, saved_ = 0;
    std::size_t counted_ = 0;
    std::uint64_t began_ = 0;
    bool whole_ = true; // parameters and optimiser are not being modified
};

} // namespace

void TrainingOptions::options(CLI::App& command, const std::string& of_a_batch) {
    const auto positive = [&](const std::string& name, auto& value, const std::string& about) {
        return command.add_option(name, value, about)->check(CLI::PositiveNumber);
    };
    positive("--batch", batch, of_a_batch);
    positive("--learning-rate", learning_rate, "peak learning rate of Adam's cosine schedule");
    positive("--clip", clip, "clip the norm of the gradient at this value");
    auto* const by_time = positive("--minutes", minutes, "training time");
    auto* const by_epochs =
        positive("--epochs", epochs, "passes over the data, instead of --minutes");
    by_time->each([this](const std::string&) { epochs = 0; });
    by_epochs->excludes(by_time);
    (epochs > 0 ? by_time : by_epochs)->default_str("");
    positive("--shards", shards, "parts of a batch that run in parallel");
    command.add_option("--threads", threads, "threads; 0: one per core");
    command.add_option("--seed", seed, "seed of weights, order and dropout");
    command.add_option("-o,--out", out, "file of the model and of the state for --resume");
    positive("--save-every", save_every, "minutes between saves of the state");
    command.add_option("--csv", csv, "write metrics over time as a table");
    command.add_option("--svg", svg, "draw metrics over time");
    command.add_flag("--resume", resume, "continue the run saved in --out");
    inspection.options(command);
    this->command = &command;
}

void TrainingOptions::continue_order() {
    const auto saved = SafetensorsFile::read(out).metadata();
    for (const auto& [name, member] : order) {
        const auto found = saved.find(std::string("run.") + name);
        const std::string text = found == saved.end() ? "" : found->second;
        const char* const end = text.data() + text.size();
        std::uint64_t before = 0;
        const auto [stop, error] = std::from_chars(text.data(), end, before);
        const bool is_valid = before > 0 || member == &TrainingOptions::seed;
        if (error != std::errc() || stop != end || !is_valid)
            fail("train", fmt::format("'{}' does not contain the --{} of its run", out, name));
        const auto* const option =
            command ? command->get_option_no_throw(fmt::format("--{}", name)) : nullptr;
        if (option && option->count() > 0 && this->*member != before)
            fail("train", fmt::format("the run in '{}' has --{} {}, the command line has {}: omit "
                                      "the option, or start again without --resume",
                                      out, name, before, this->*member));
        this->*member = before;
    }
}

int train(const TrainingOptions& options, const Task& task, const Parameters<float>& parameters) {
    finish_on_interrupt();
    if (options.batch % options.shards != 0)
        fail("train", fmt::format("a batch of {} cannot be split into {} equal shards (--shards)",
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
    // Weights and the optimiser's two moments.
    const OutputLock lock(options.out, 3 * sizeof(float) * count);
    for (const auto& path : {options.csv, options.svg})
        if (!path.empty()) require_writable(path);
    return Run(options, task, parameters).train();
}

} // namespace example
