#pragma once

#include <unroll/unroll.hpp>

#include <cmath>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace example {

using Metadata = std::map<std::string, std::string>;

// Settings as stored in a model file.
struct FileFields {
    struct Field {
        std::string key;
        CLI::Option* option; // reads the value, validated in the same way as options
        std::function<std::string()> text;
    };
    CLI::App options, others;
    std::vector<Field> fields;

    Metadata metadata(const std::string& program) const;
    // Throws Error for a file that `program` did not write, and for a missing or invalid value.
    void read(const std::string& path, const std::string& program) const;
};

// The settings of a model: options of the command that trains it and metadata of its file, listed
// once, as modules list their members:
//
//     struct Settings {
//         static constexpr const char* program = "names";
//         std::size_t hidden = 128;
//         nn::Vocabulary letters = example::empty_vocabulary();
//
//         void fields(example::Fields f) {
//             f("--hidden", hidden, "width of the GRU")->check(CLI::Range(1, 4096));
//             f.stored("letters", letters);
//         }
//     };
class Fields {
public:
    Fields(CLI::App& command) : command_(&command) {}
    Fields(FileFields& file) : command_(&file.options), file_(&file) {}

    // An option that is also stored in the file: "--so-called" as "so_called".
    template <class T>
    CLI::Option* operator()(const std::string& name, T& value, const std::string& about = "") {
        CLI::Option* const option = add(*command_, name, value, about);
        if (file_) file_->fields.push_back({key_of(name), option, text_of(value)});
        return option;
    }
    // An option that is not stored: f->add_option(...), as in CLI11.
    CLI::App* operator->() const { return command_; }
    // Stored without an option.
    template <class T>
    void stored(const std::string& key, T& value, const CLI::Validator& valid = {}) {
        if (!file_) return;
        CLI::Option* const option = add(file_->others, "--" + key, value, "");
        option->check(valid);
        file_->fields.push_back({key, option, text_of(value)});
    }
    void stored(const std::string& key, unroll::nn::Vocabulary& vocabulary,
                const unroll::nn::SpecialSymbols& special = {});

private:
    template <class T>
    static CLI::Option* add(CLI::App& command, const std::string& name, T& value,
                            const std::string& about) {
        if constexpr (std::is_same_v<T, bool>) return command.add_flag(name, value, about);
        CLI::Option* const option = command.add_option(name, value, about);
        // CLI11's ranges include NaN.
        if constexpr (std::is_floating_point_v<T>)
            option->check([](const std::string& text) {
                T number = 0;
                const bool fits = CLI::detail::lexical_cast(text, number) && std::isfinite(number);
                return fits ? "" : text + " is not a finite number";
            });
        return option;
    }
    // A double with all its digits.
    template <class T>
    static std::function<std::string()> text_of(const T& value) {
        return [&value] { return fmt::format("{}", value); };
    }
    static std::string key_of(std::string name);

    CLI::App* command_;
    FileFields* file_ = nullptr;
};

// The folder of this project, and a small file in it for trying out a program.
std::string source_folder();
std::string shipped(const std::string& name);

// A placeholder until a vocabulary is built or read.
inline unroll::nn::Vocabulary empty_vocabulary() {
    return unroll::nn::Vocabulary::of({}, unroll::nn::SpecialSymbols());
}

// Settings as metadata of a model file, and back.
template <class Settings>
Metadata metadata(Settings settings) {
    FileFields file;
    settings.fields(file);
    return file.metadata(Settings::program);
}
template <class Settings>
Settings read(const std::string& path) {
    Settings settings;
    FileFields file;
    settings.fields(file);
    file.read(path, Settings::program);
    return settings;
}

// Constructs the model whose settings are read from a file. Throws Error before construction if it
// takes far more memory than the file.
template <class Make>
auto within_file(const std::string& path, const Make& make) {
    // A file contains a model's tensors at least once; construction also needs temporary ones.
    const std::uint64_t size = std::filesystem::file_size(path);
    const unroll::MemoryLimit limit(16 * size + (64 << 20));
    try {
        return make();
    } catch (const std::bad_alloc&) {
        unroll::fail("model", fmt::format("the settings in '{}' describe a model that needs far "
                                          "more memory than the {} bytes of this file: it is "
                                          "damaged, or there is not enough memory",
                                          path, size));
    }
}

template <class Settings, class Model>
struct Loaded {
    Settings settings;
    Model model;
};

// Loads a model from its file. Throws Error for invalid settings or weights.
template <class Settings, template <class> class Model>
Loaded<Settings, Model<float>> load(const std::string& path) {
    const auto settings = read<Settings>(path);
    auto model = within_file(path, [&] { return Model<float>(settings); });
    unroll::optim::load_weights(path, unroll::parameters(model));
    return {settings, std::move(model)};
}

} // namespace example
