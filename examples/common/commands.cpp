#include "commands.hpp"

#include "interrupts.hpp"

#include <unroll/core/graph/graph.hpp>

#include <cstdio>
#include <exception>

#include <CLI/CLI.hpp>

namespace example {

namespace {

template <class... F>
struct Overloaded : F... {
    using F::operator()...;
};

template <class T>
void limit(CLI::Option& option, const Allowed& allowed) {
    using Number = std::conditional_t<std::is_same_v<T, double>, double, long>;
    std::visit(Overloaded{[](Anything) {},
                          [&](Between b) {
                              option.check(CLI::Range(static_cast<Number>(b.least),
                                                      static_cast<Number>(b.most)));
                          },
                          [&](Positive) { option.check(CLI::PositiveNumber); },
                          [&](const OneOf& words) { option.check(CLI::IsMember(words)); },
                          [&](Existing what) {
                              if (what == Existing::path) option.check(CLI::ExistingPath);
                              if (what == Existing::file) option.check(CLI::ExistingFile);
                              if (what == Existing::folder) option.check(CLI::ExistingDirectory);
                          }},
               allowed);
}

// A default that would not be allowed stands for something else, which the text tells.
struct IsShown {
    const Allowed& allowed;

    bool operator()(double value) const {
        if (const auto* between = std::get_if<Between>(&allowed))
            return between->least <= value && value <= between->most;
        return !std::holds_alternative<Positive>(allowed) || value > 0;
    }
    bool operator()(const double* value) const { return (*this)(*value); }
    bool operator()(const std::size_t* value) const {
        return *value != unroll::graph::unlimited && (*this)(static_cast<double>(*value));
    }
    bool operator()(const std::string* value) const { return !value->empty(); }
    template <class T>
    bool operator()(const std::vector<T>* values) const {
        return !values->empty();
    }
};

void add(CLI::App& command, const Fields::Field& field) {
    const auto option = [&]<class T>(T* value) -> CLI::Option* {
        if constexpr (std::is_same_v<T, unroll::nn::Vocabulary>) {
            unroll::fail("commands", "a vocabulary is no option");
        } else if constexpr (std::is_same_v<T, bool>) {
            return command.add_flag(field.name, *value, field.about);
        } else {
            CLI::Option* added = command.add_option(field.name, *value, field.about);
            limit<T>(*added, field.allowed);
            return IsShown{field.allowed}(value) ? added->capture_default_str() : added;
        }
    };
    CLI::Option* added = std::visit(option, field.value);
    if (field.required) added->required();
    if (field.ends) added->each([ends = field.ends](const std::string&) { *ends = 0; });
    if (!field.instead_of.empty()) added->excludes(command.get_option(field.instead_of));
    if (!field.group.empty()) added->group(field.group);
}

} // namespace

Commands::Commands(std::string program, std::string about, std::vector<std::string> examples)
    : program_(std::move(program)), about_(std::move(about)), examples_("Examples:") {
    for (const auto& arguments : examples)
        examples_ += "\n  " + program_ + (arguments.empty() ? "" : " ") + arguments;
}

Fields& Commands::add_command(std::string name, std::string about, std::function<int()> run) {
    return commands_.emplace_back(Command{std::move(name), std::move(about), std::move(run), {}})
        .fields;
}

int Commands::run(int argc, char** argv) {
    take_interrupts();
    CLI::App app{about_};
    app.footer(examples_);
    std::function<int()> chosen;
    for (const Command& command : commands_) {
        CLI::App* const parsed =
            command.name.empty() ? &app : app.add_subcommand(command.name, command.about);
        for (const auto& field : command.fields.all())
            if (!field.name.empty()) example::add(*parsed, field);
        parsed->callback([&] { chosen = command.run; });
        if (parsed != &app) app.require_subcommand(1);
    }
    CLI11_PARSE(app, argc, argv);
    try {
        const int status = chosen();
        if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return status;
        unroll::fail("output", "standard output could not be written");
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s: %s\n", program_.c_str(), error.what());
        return 1;
    }
}

} // namespace example
