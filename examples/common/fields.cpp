#include "fields.hpp"

#include <algorithm>
#include <cstdio>
#include <sstream>

namespace example {

using namespace unroll;

namespace {

// The symbols that are not special, a line each.
std::string joined(const nn::Vocabulary& vocabulary) {
    std::string text;
    const auto special = {vocabulary.padding(), vocabulary.unknown(), vocabulary.start(),
                          vocabulary.end()};
    for (std::size_t i = 0; i < vocabulary.size(); ++i)
        if (std::count(special.begin(), special.end(), static_cast<std::int64_t>(i)) == 0)
            text += vocabulary.symbols()[i] + "\n";
    return text;
}

nn::Vocabulary divided(const std::string& text, const nn::SpecialSymbols& special) {
    nn::Tokens symbols;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) symbols.push_back(line);
    return nn::Vocabulary::of(symbols, special);
}

struct Writer {
    std::string operator()(const bool* value) const { return *value ? "1" : "0"; }
    std::string operator()(const std::size_t* value) const { return std::to_string(*value); }
    std::string operator()(const double* value) const {
        char text[32];
        std::snprintf(text, sizeof text, "%.17g", *value);
        return text;
    }
    std::string operator()(const std::string* value) const { return *value; }
    std::string operator()(const nn::Vocabulary* value) const { return joined(*value); }
    template <class T>
    std::string operator()(const std::vector<T>*) const {
        fail("model", "a list is no word of a file");
    }
};

struct Reader {
    const std::string &path, &word;
    const Fields::Field& field;

    double number() const {
        double value = 0;
        if (!(std::istringstream(word) >> value)) refuse(", no number");
        return value;
    }
    [[noreturn]] void refuse(const std::string& why) const {
        fail("model", "'" + field.key + "' of '" + path + "' is " + nn::quoted(word) + why);
    }
    void operator()(std::size_t* value) const {
        const double read = number();
        if (!(read >= 0 && read <= 1 << 20)) refuse("");
        *value = static_cast<std::size_t>(read);
    }
    void operator()(bool* value) const { *value = number() != 0; }
    void operator()(double* value) const { *value = number(); }
    void operator()(std::string* value) const { *value = word; }
    void operator()(nn::Vocabulary* value) const { *value = divided(word, field.special); }
    template <class T>
    void operator()(std::vector<T>*) const {
        refuse(", and a list is no word of a file");
    }
};

} // namespace

std::string shipped(const std::string& name) {
    return UNROLL_SOURCE_FOLDER "/examples/data/" + name;
}

std::string Fields::key_of(const std::string& name) {
    std::string key = name.substr(std::min(name.find_first_not_of('-'), name.size()));
    std::replace(key.begin(), key.end(), '-', '_');
    return key;
}

Fields& Fields::add(Field field) {
    field.group = group_;
    fields_.push_back(std::move(field));
    return *this;
}

Fields& Fields::either(const std::string& name, double& value, const std::string& about,
                       const std::string& other, double& other_value,
                       const std::string& other_about, const Allowed& allowed) {
    Field first{name, "", &value, about, allowed},
        second{other, "", &other_value, other_about, allowed};
    first.ends = &other_value;
    second.ends = &value;
    second.instead_of = name;
    return add(first).add(second);
}

Fields& Fields::takes(const Fields& shared) {
    fields_.insert(fields_.end(), shared.fields_.begin(), shared.fields_.end());
    return *this;
}

Fields& Fields::group(const std::string& name) {
    group_ = name;
    return *this;
}

std::map<std::string, std::string> Fields::words(const std::string& program) const {
    std::map<std::string, std::string> words{{"program", program}};
    for (const Field& field : fields_)
        if (!field.key.empty()) words[field.key] = std::visit(Writer(), field.value);
    return words;
}

void Fields::read(const std::string& path, const std::string& program) {
    const auto words = SafetensorsFile::read(path).metadata();
    const auto said = words.find("program");
    if (said == words.end() || said->second != program)
        fail(program.c_str(), "'" + path + "' was not written by " + program);
    for (const Field& field : fields_) {
        if (field.key.empty()) continue;
        const auto found = words.find(field.key);
        if (found == words.end()) fail("model", "'" + path + "' lacks '" + field.key + "'");
        std::visit(Reader{path, found->second, field}, field.value);
    }
}

} // namespace example
