#include "inspection.hpp"

#include <unroll/core/files/file.hpp>

#include <algorithm>
#include <cstdio>
#include <map>
#include <optional>

namespace example {

namespace {

using unroll::graph::Color;
using unroll::graph::Fold;

const std::map<std::string, Fold> folds{
    {"none", Fold::none}, {"time", Fold::time}, {"layers", Fold::layers}};
const std::map<std::string, Color> colors{{"kind", Color::kind},
                                          {"module", Color::module},
                                          {"gradient-norm", Color::gradient_norm},
                                          {"time", Color::time},
                                          {"memory", Color::memory}};
using Mode = unroll::GradcheckOptions::Mode;
const std::map<std::string, Mode> modes{
    {"automatic", Mode::automatic}, {"elements", Mode::elements}, {"directions", Mode::directions},
    {"together", Mode::together},   {"taylor", Mode::taylor},     {"transpose", Mode::transpose}};

} // namespace

void Inspection::options(CLI::App& command) {
    command.option_defaults()->group("Inspection");
    command.add_option("--dump-graph", path_,
                       "draw the first batch and stop: .svg, .png, .pdf, .dot or .html");
    const auto named = [&](const std::string& name, auto& value, const auto& names,
                           const std::string& about) {
        return command
            .add_option_function<std::string>(
                name, [&](const std::string& word) { value = names.at(word); }, about)
            ->check(CLI::IsMember(names));
    };
    named("--fold", graph_.fold, folds, "repetitions to draw once")->default_str("time");
    command.add_option("--first-steps", graph_.first_steps,
                       "steps drawn individually at the start");
    command.add_option("--last-steps", graph_.last_steps, "steps drawn individually at the end");
    command.add_option("--depth", graph_.depth, "levels of modules to expand")->default_str("all");
    command.add_option("--budget", graph_.budget, "largest number of nodes")
        ->check(CLI::Range(1, 100000));
    named("--color", graph_.color, colors, "quantity shown by colours")->default_str("kind");
    command.add_flag("--open", graph_.open, "draw the formulas of fused operations");
    command.add_flag("--annotate", graph_.annotate, "write norms, times and bytes into nodes");
    command.add_flag("--left-to-right", graph_.left_to_right, "draw from left to right");
    command.add_flag("!--no-parameters", graph_.parameters, "omit parameters");
    command.add_flag("--check-gradients", checks_,
                     "compare the gradients of a small model with finite differences and stop");
    command.add_option("--check-order", order_, "1: gradients; 2: gradients of gradients")
        ->check(CLI::Range(1, 2));
    named("--check-mode", mode_, modes, "mode of comparison")->default_str("automatic");
    command.add_option("--check-chart", chart_,
                       "compare by Taylor remainders, and draw them as SVG");
    command.add_option("--check-report", report_, "write the comparison as JSON");
    command.option_defaults()->group("Options");
}

int Inspection::draw(const std::function<unroll::Variable<float>()>& loss) const {
    unroll::Tape<float> tape;
    std::optional<unroll::Statistics<float>> statistics;
    std::optional<unroll::Profile<float>> profile;
    unroll::graph::Options how = graph_;
    if (how.annotate || how.color == Color::gradient_norm)
        how.statistics = &statistics.emplace(tape);
    if (how.annotate || how.color == Color::time) how.profile = &profile.emplace(tape);
    tape.keep_gradients_apart(true);
    const auto y = loss();
    if (statistics || profile) tape.backward(y, {.retain = true});
    unroll::graph::write(path_, y, how);
    print_result({{"nodes", tape.size()}, {"picture", path_}});
    return 0;
}

int Inspection::check(const std::function<unroll::Variable<double>()>& loss,
                      const unroll::Parameters<double>& parameters) const {
    const auto report = unroll::gradcheck(loss, {}, parameters,
                                          {.mode = chart_.empty() ? mode_ : Mode::taylor,
                                           .order = static_cast<int>(order_),
                                           .locate = true});
    std::fputs(report.text().c_str(), stdout);
    if (!report_.empty()) unroll::write_file_atomically(report_, report.json());
    if (!chart_.empty()) unroll::write_file_atomically(chart_, report.svg());
    const auto kinks = std::ranges::count(report.entries, unroll::GradcheckReport::Verdict::kink,
                                          [](const auto& entry) { return entry.verdict; });
    print_result({{"passed", report ? "yes" : "no"},
                  {"parameters", report.entries.size()},
                  {"kinks", kinks}});
    return report ? 0 : 1;
}

} // namespace example
