#include "graph_options.hpp"

#include <map>

#include <CLI/CLI.hpp>

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

template <class Value>
void choice(CLI::App& command, const char* name, Value& value,
            const std::map<std::string, Value>& names, const char* about) {
    std::vector<std::string> words;
    for (const auto& [word, meaning] : names) words.push_back(word);
    command
        .add_option_function<std::string>(
            name, [&value, &names](const std::string& word) { value = names.at(word); }, about)
        ->check(CLI::IsMember(words));
}

} // namespace

void GraphOptions::add_to(CLI::App& command, bool dump) {
    const char* group = "Drawing";
    const auto before = command.get_options().size();
    if (dump)
        command.add_option("--dump-graph", path,
                           "draw the first batch: .svg, .png, .pdf, .dot or .html");
    choice(command, "--fold", options.fold, folds, "repetitions that are drawn once; time");
    command.add_option("--first-steps", options.first_steps, "steps drawn apart at the beginning");
    command.add_option("--last-steps", options.last_steps, "steps drawn apart at the end");
    command.add_option("--depth", options.depth, "levels of modules that are opened; all");
    command.add_option("--budget", options.budget, "most nodes to draw")
        ->capture_default_str()
        ->check(CLI::Range(1, 100000));
    choice(command, "--color", options.color, colors, "what colours tell; kind");
    command.add_flag("--open", options.open, "draw what fused operations compute");
    command.add_flag("--annotate", options.annotate, "write norms, times and bytes into nodes");
    command.add_flag("--left-to-right", options.left_to_right,
                     "draw what comes later to the right");
    command.add_flag("!--no-parameters", options.parameters, "leave parameters out");
    const auto all = command.get_options();
    for (std::size_t i = before; i < all.size(); ++i) all[i]->group(group);
}

bool GraphOptions::needs_statistics() const {
    return options.annotate || options.color == Color::gradient_norm;
}

bool GraphOptions::needs_profile() const {
    return options.annotate || options.color == Color::time;
}

} // namespace example
