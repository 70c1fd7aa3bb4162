#pragma once

#include "fields.hpp"

#include <functional>
#include <list>
#include <memory>

namespace example {

// The commands of a program and their options, which CLI11 parses.
class Commands {
public:
    // `examples` are arguments of the program, which close its help.
    Commands(std::string program, std::string about, std::vector<std::string> examples);

    // A command that takes the fields which are then listed, or with no name the program itself.
    // `run` returns its exit status, or nothing for 0.
    template <class Run>
    Fields& add(std::string name, std::string about, const Run& run) {
        if constexpr (std::is_void_v<std::invoke_result_t<Run>>)
            return add_command(std::move(name), std::move(about), [run] { return run(), 0; });
        else
            return add_command(std::move(name), std::move(about), run);
    }
    // The command "train" with the options of a training, which are Training::fields.
    template <class Training>
    void train(std::string about, int (*train)(Training)) {
        const auto options = std::make_shared<Training>();
        options->fields(add("train", std::move(about), [=] { return train(*options); }));
    }

    // Runs the command that was given; tells what it throws. Returns the program's exit status.
    int run(int argc, char** argv);

private:
    Fields& add_command(std::string name, std::string about, std::function<int()> run);

    struct Command {
        std::string name, about;
        std::function<int()> run;
        Fields fields;
    };
    std::string program_, about_, examples_;
    std::list<Command> commands_;
};

} // namespace example
