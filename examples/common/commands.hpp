#pragma once

#include "fields.hpp"

#include <functional>
#include <memory>

namespace example {

// The commands of a program. Their options are CLI11's.
class Commands {
public:
    // `examples` are arguments of the program, shown at the end of its help.
    Commands(const std::string& program, const std::string& about,
             const std::vector<std::string>& examples);

    // A command; without a name, the program itself. `run` returns the exit status, or nothing
    // for 0.
    template <class Run>
    CLI::App* add(const std::string& name, const std::string& about, const Run& run) {
        if constexpr (std::is_void_v<std::invoke_result_t<Run>>)
            return add_command(name, about, [run] { return run(), 0; });
        else
            return add_command(name, about, run);
    }
    // A command whose first argument is a model file.
    template <class Run>
    CLI::App* add(const std::string& name, const std::string& about, std::string& model,
                  const Run& run) {
        CLI::App* const command = add(name, about, run);
        command->add_option("MODEL", model)->required()->check(CLI::ExistingFile);
        return command;
    }
    // The command "train" with the options of a training.
    template <class Training>
    void train(const std::string& about, int (*train)(Training)) {
        const auto training = std::make_shared<Training>();
        training->options(*add("train", about, [=] { return train(*training); }));
    }

    // Runs the given command and prints the message of an exception. Returns the exit status of the
    // program.
    int run(int argc, char** argv);

private:
    CLI::App* add_command(const std::string& name, const std::string& about,
                          std::function<int()> run);

    CLI::App app_;
    std::function<int()> chosen_;
};

} // namespace example
