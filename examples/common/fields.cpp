#include "fields.hpp"

#include <algorithm>
#include <sstream>

namespace example {

using namespace unroll;

namespace {

// The symbols that are not special, one per line.
std::string joined(const nn::Vocabulary& vocabulary) {
    std::string text;
    const auto special = {vocabulary.padding(), vocabulary.unknown(), vocabulary.start(),
                          vocabulary.end()};
    for (std::size_t i = 0; i < vocabulary.size(); ++i)
        if (std::ranges::count(special, static_cast<std::int64_t>(i)) == 0)
            text += vocabulary.symbols()[i] + "\n";
    return text;
}

} // namespace

std::string source_folder() { return UNROLL_SOURCE_FOLDER; }
std::string shipped(const std::string& name) { return source_folder() + "/examples/data/" + name; }

Fields& Fields::stored(const std::string& key, nn::Vocabulary& vocabulary,
                       const nn::SpecialSymbols& special) {
    if (stored_)
        stored_->push_back({key, [&vocabulary] { return joined(vocabulary); },
                            [&vocabulary, special](const std::string& text) {
                                nn::Tokens symbols;
                                std::istringstream lines(text);
                                for (std::string line; std::getline(lines, line);)
                                    symbols.push_back(line);
                                vocabulary = nn::Vocabulary::of(symbols, special);
                            }});
    return *this;
}

std::string Fields::key_of(std::string name) {
    name.erase(0, name.find_first_not_of('-'));
    std::ranges::replace(name, '-', '_');
    return name;
}

void Fields::parse(CLI::Option& option, const std::string& text) {
    option.clear();
    option.add_result(text);
    option.run_callback();
}

Metadata metadata_of(const std::vector<Fields::Stored>& fields, const std::string& program) {
    Metadata metadata{{"program", program}};
    for (const auto& field : fields) metadata[field.key] = field.text();
    return metadata;
}

void read_metadata(const std::vector<Fields::Stored>& fields, const std::string& path,
                   const std::string& program) {
    const auto metadata = SafetensorsFile::read(path).metadata();
    const auto written_by = metadata.find("program");
    if (written_by == metadata.end() || written_by->second != program)
        fail(program.c_str(), fmt::format("'{}' was not written by {}", path, program));
    for (const auto& field : fields) {
        const auto found = metadata.find(field.key);
        if (found == metadata.end())
            fail("model", fmt::format("'{}' does not contain '{}'", path, field.key));
        try {
            field.read(found->second);
        } catch (const CLI::Error& error) {
            fail("model", fmt::format("'{}' of '{}' is {}, which is invalid: {}", field.key, path,
                                      nn::quoted(found->second), error.what()));
        }
    }
}

} // namespace example
