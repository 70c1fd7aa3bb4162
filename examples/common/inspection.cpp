#include "inspection.hpp"

#include <unroll/core/files/file.hpp>

#include <cstdio>
#include <map>

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
OneOf words_of(const std::map<std::string, Value>& names) {
    OneOf words;
    for (const auto& [word, meaning] : names) words.push_back(word);
    return words;
}

} // namespace

void Inspection::fields(Fields& f) {
    f.group("Looking at the model");
    f.takes("--dump-graph", path_,
            "draw the first batch and stop: .svg, .png, .pdf, .dot or .html");
    f.takes("--fold", fold_, "repetitions that are drawn once", words_of(folds));
    f.takes("--first-steps", graph_.first_steps, "steps drawn apart at the beginning");
    f.takes("--last-steps", graph_.last_steps, "steps drawn apart at the end");
    f.takes("--depth", graph_.depth, "levels of modules that are opened; all unless given");
    f.takes("--budget", graph_.budget, "most nodes to draw", Between{1, 100000});
    f.takes("--color", color_, "what colours tell", words_of(colors));
    f.takes("--open", graph_.open, "draw what fused operations compute");
    f.takes("--annotate", graph_.annotate, "write norms, times and bytes into nodes");
    f.takes("--left-to-right", graph_.left_to_right, "draw what comes later to the right");
    f.takes("!--no-parameters", graph_.parameters, "leave parameters out");
    f.takes("--check-gradients", checks_,
            "compare the gradients of a small model with differences, and stop");
    f.takes("--check-order", order_, "1: gradients; 2: gradients of gradients", Between{1, 2});
    f.takes("--check-report", report_, "write the comparison as JSON");
    f.group("");
}

unroll::graph::Options Inspection::options() const {
    unroll::graph::Options all = graph_;
    all.fold = folds.at(fold_);
    all.color = colors.at(color_);
    return all;
}

int Inspection::check(const std::function<unroll::Variable<double>(unroll::Tape<double>&)>& loss,
                      const unroll::GradcheckParameters& parameters) const {
    const auto report =
        unroll::gradcheck([&](unroll::Tape<double>& tape,
                              const std::vector<unroll::Variable<double>>&) { return loss(tape); },
                          {}, parameters, {.order = static_cast<int>(order_)});
    std::fputs(report.text().c_str(), stdout);
    if (!report_.empty()) unroll::write_file_atomically(report_, report.json());
    std::size_t kinks = 0;
    for (const auto& entry : report.entries)
        kinks += entry.verdict == unroll::GradcheckReport::Verdict::kink;
    print_result({{"passed", report ? "yes" : "no"},
                  {"parameters", std::to_string(report.entries.size())},
                  {"kinks", std::to_string(kinks)}});
    return report ? 0 : 1;
}

bool Inspection::needs_statistics() const { return graph_.annotate || color_ == "gradient-norm"; }

bool Inspection::needs_profile() const { return graph_.annotate || color_ == "time"; }

} // namespace example
