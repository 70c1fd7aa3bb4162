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
    // `run` returns its exit status.
    Fields& add(std::string name, std::string about, std::function<int()> run);
    // The command "train" with the options of a training, which are Options::fields; it checks
    // gradients instead where that was asked for.
    template <class Options>
    void train(std::string about, int (*train)(Options), int (*check_gradients)(Options)) {
        const auto options = std::make_shared<Options>();
        options->fields(add("train", std::move(about), [=] {
            return options->inspection.checks() ? check_gradients(*options) : train(*options);
        }));
    }

    // Runs the command that was given; tells what it throws. Returns the program's exit status.
    int run(int argc, char** argv);

private:
    struct Command {
        std::string name, about;
        std::function<int()> run;
        Fields fields;
    };
    std::string program_, about_, examples_;
    std::list<Command> commands_;
};

} // namespace example
