#include "commands.hpp"

#include "interrupts.hpp"

#include <cstdio>
#include <exception>
#include <new>

namespace example {

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
    CLI11_PARSE(app_, argc, argv);
    try {
        const int status = chosen_();
        if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return status;
        unroll::fail("output", "standard output could not be written");
    } catch (const std::bad_alloc&) {
        std::fprintf(stderr, "%s: out of memory; use a smaller model, batch or input\n",
                     app_.get_name().c_str());
        return 1;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s: %s\n", app_.get_name().c_str(), error.what());
        return 1;
    }
}

} // namespace example
