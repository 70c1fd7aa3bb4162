#pragma once

#include <unroll/unroll.hpp>

#include <map>
#include <string>
#include <variant>
#include <vector>

namespace example {

// What a value may be.
struct Anything {};
struct Between {
    double least, most; // both allowed
};
struct Positive {};
using OneOf = std::vector<std::string>;
enum class Existing { path, file, folder };
using Allowed = std::variant<Anything, Between, Positive, OneOf, Existing>;

// The values that a command is told, or that a model's file stores, each listed once, as modules
// list their members:
//
//     struct Settings {
//         static constexpr const char* program = "names";
//         std::size_t hidden = 128;
//         nn::Vocabulary letters = example::no_words();
//
//         void fields(example::Fields& f) {
//             f("--hidden", hidden, "width of the GRU", example::Between{1, 4096});
//             f.stored("letters", letters);
//         }
//     };
class Fields {
public:
    using Value =
        std::variant<bool*, std::size_t*, double*, std::string*, std::vector<std::size_t>*,
                     std::vector<std::string>*, unroll::nn::Vocabulary*>;
    struct Field {
        std::string name, key; // for a command and in a file; empty: not there
        Value value;
        std::string about = "";
        Allowed allowed = Anything();
        bool required = false;
        unroll::nn::SpecialSymbols special = {};
        std::string group = "";
        std::string instead_of = ""; // another's name: only one of them may be given,
        double* ends = nullptr;      // and this one then becomes 0
    };

    // An option (--so-called), a flag, or a positional argument; a file stores it as so_called.
    template <class T>
    Fields& operator()(const std::string& name, T& value, const std::string& about = "",
                       const Allowed& allowed = Anything()) {
        return add({name, key_of(name), &value, about, allowed});
    }
    // One that a file does not store.
    template <class T>
    Fields& takes(const std::string& name, T& value, const std::string& about = "",
                  const Allowed& allowed = Anything()) {
        return add({name, "", &value, about, allowed});
    }
    // Two of which only one may be given; the other is 0 then.
    Fields& either(const std::string& name, double& value, const std::string& about,
                   const std::string& other, double& other_value, const std::string& other_about,
                   const Allowed& allowed);
    // What other commands take, too.
    Fields& takes(const Fields& shared);
    // An argument that has to be given, and the one that is a model's file.
    template <class T>
    Fields& needs(const std::string& name, T& value, const std::string& about = "",
                  const Allowed& allowed = Anything()) {
        return add({name, "", &value, about, allowed, true});
    }
    Fields& model(std::string& path) { return needs("MODEL", path, "", Existing::file); }
    // One that only a file has.
    template <class T>
    Fields& stored(const std::string& key, T& value,
                   const unroll::nn::SpecialSymbols& special = {}) {
        return add({"", key, &value, "", Anything(), false, special});
    }
    // Those that follow stand under a heading of their own.
    Fields& group(const std::string& name);

    const std::vector<Field>& all() const { return fields_; }
    // For a file, so that numbers are read back exactly.
    std::map<std::string, std::string> words(const std::string& program) const;
    // Throws Error for a file that `program` did not write, and where a word is missing or none.
    void read(const std::string& path, const std::string& program);

private:
    static std::string key_of(const std::string& name);
    Fields& add(Field field);

    std::vector<Field> fields_;
    std::string group_;
};

// The path of a small file that comes with the programs, so that they can be tried without data.
std::string shipped(const std::string& name);

// To begin with, where a vocabulary is yet to come.
inline unroll::nn::Vocabulary no_words() {
    return unroll::nn::Vocabulary::of({}, unroll::nn::SpecialSymbols());
}

// Settings as words of a model's file, and back.
template <class Settings>
std::map<std::string, std::string> words(Settings settings) {
    Fields fields;
    settings.fields(fields);
    return fields.words(Settings::program);
}
template <class Settings>
Settings read(const std::string& path) {
    Settings settings;
    Fields fields;
    settings.fields(fields);
    fields.read(path, Settings::program);
    return settings;
}

template <class Model>
auto named(Model& model) {
    return unroll::optim::by_name<unroll::nn::scalar_of<Model>>(
        unroll::nn::named_parameters(model));
}

template <class Settings, class Model>
struct Loaded {
    Settings settings;
    Model model;
};

// A model as a file has it; throws Error where that does not fit.
template <class Settings, template <class> class Model>
Loaded<Settings, Model<float>> load(const std::string& path) {
    const auto settings = read<Settings>(path);
    Model<float> model(settings);
    unroll::optim::load_weights(path, named(model));
    return {settings, std::move(model)};
}

} // namespace example
