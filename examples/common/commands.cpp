#include "commands.hpp"

#include "interrupts.hpp"

#include <cstdio>
#include <exception>
#include <new>

namespace example {

using namespace unroll;

namespace {

std::string without_dashes(const std::string& option) {
    return option.substr(std::min(option.find_first_not_of('-'), option.size()));
}

// The option of the command with the most similar name; "": none.
std::string similar(const CLI::App& command, const std::string& given) {
    std::string best;
    std::size_t least = given.size() / 3 + 1; // edits; an option needs fewer
    const auto letters = nn::split_characters(given);
    for (const CLI::Option* const option : command.get_options())
        for (const std::string& name : option->get_lnames()) {
            // A part of the name, "rate" of "learning-rate", counts as one edit.
            const bool is_part = std::min(given.size(), name.size()) > 2 &&
                                 (name.find(given) != name.npos || given.find(name) != name.npos);
            const std::size_t edits =
                is_part ? 1 : nn::edit_distance(letters, nn::split_characters(name));
            if (edits >= least) continue;
            best = "--" + name;
            least = edits;
        }
    return best;
}

// An error message for the first option that does not exist; "": all do. CLI11 would report the
// value of such an option as an unexpected argument.
std::string unknown_option(const CLI::App& app) {
    std::vector<const CLI::App*> commands{&app};
    for (const CLI::App* const command : app.get_subcommands()) commands.push_back(command);
    for (const CLI::App* const command : commands)
        for (const std::string& word : command->remaining()) {
            if (!word.starts_with('-') || word.find_first_not_of('-') == word.npos) continue;
            const std::string option = word.substr(0, word.find('='));
            const std::string name = without_dashes(option);
            std::string problem =
                fmt::format("{}{} has no option {}", app.get_name(),
                            command == &app ? "" : " " + command->get_name(), option);
            if (command != commands.back() && commands.back()->get_option_no_throw("--" + name))
                return problem + "; give it after " + commands.back()->get_name();
            const std::string other = similar(*command, name);
            return problem + (other.empty() ? "" : "; did you mean " + other + "?");
        }
    return "";
}

} // namespace

Commands::Commands(const std::string& program, const std::string& about,
                   const std::vector<std::string>& examples)
    : app_(about, program) {
    app_.option_defaults()->always_capture_default();
    std::string footer = "Examples:";
    for (const auto& arguments : examples)
        footer += "\n  " + program + (arguments.empty() ? "" : " ") + arguments;
    app_.footer(footer);
}

CLI::App* Commands::add_command(const std::string& name, const std::string& about,
                                std::function<int()> run) {
    if (!name.empty()) app_.require_subcommand(1);
    CLI::App* const command = name.empty() ? &app_ : app_.add_subcommand(name, about);
    command->callback([this, run = std::move(run)] { chosen_ = run; });
    return command;
}

int Commands::run(int argc, char** argv) {
    take_interrupts();
    try {
        app_.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        const bool is_help = error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success);
        const std::string unknown = is_help ? "" : unknown_option(app_);
        if (unknown.empty()) return app_.exit(error);
        return app_.exit(CLI::ParseError(unknown, CLI::ExitCodes::ExtrasError));
    }
    try {
        const int status = chosen_();
        if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return status;
        fail("output", "standard output could not be written");
    } catch (const std::bad_alloc&) {
        std::fprintf(stderr, "%s: out of memory; use a smaller model, batch or input\n",
                     app_.get_name().c_str());
        return 1;
    } catch (const std::exception& error) {
        // A program's own errors already begin with its name; the line that called a function is
        // of no use to those who run it.
        const std::string name = app_.get_name() + ": ";
        const auto* const known = dynamic_cast<const Error*>(&error);
        const Failure* const failure = known != nullptr ? known->failure() : nullptr;
        const std::string message = failure != nullptr && failure->path.empty()
                                        ? failure->operation + ": " + failure->problem
                                        : error.what();
        std::fprintf(stderr, "%s%s\n", message.starts_with(name) ? "" : name.c_str(),
                     message.c_str());
        return 1;
    }
}

} // namespace example
