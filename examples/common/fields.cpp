#include "fields.hpp"

#include <algorithm>
#include <sstream>

namespace example {

using namespace unroll;

std::string source_folder() { return UNROLL_SOURCE_FOLDER; }
std::string shipped(const std::string& name) { return source_folder() + "/examples/data/" + name; }

void Fields::stored(const std::string& key, nn::Vocabulary& vocabulary,
                    const nn::SpecialSymbols& special) {
    if (!file_) return;
    // The symbols that are not special, one per line.
    const auto text = [&vocabulary] {
        const auto left_out = {vocabulary.padding(), vocabulary.unknown(), vocabulary.start(),
                               vocabulary.end()};
        std::string lines;
        for (std::size_t i = 0; i < vocabulary.size(); ++i)
            if (std::ranges::count(left_out, static_cast<std::int64_t>(i)) == 0)
                lines += vocabulary.symbols()[i] + "\n";
        return lines;
    };
    const auto read = [&vocabulary, special](const std::string& lines) {
        nn::Tokens symbols;
        std::istringstream in(lines);
        for (std::string line; std::getline(in, line);) symbols.push_back(line);
        vocabulary = nn::Vocabulary::of(symbols, special);
    };
    file_->fields.push_back(
        {key, file_->others.add_option_function<std::string>("--" + key, read), text});
}

std::string Fields::key_of(std::string name) {
    name.erase(0, name.find_first_not_of('-'));
    std::ranges::replace(name, '-', '_');
    return name;
}

Metadata FileFields::metadata(const std::string& program) const {
    Metadata metadata{{"program", program}};
    for (const auto& field : fields) metadata[field.key] = field.text();
    return metadata;
}

void FileFields::read(const std::string& path, const std::string& program) const {
    const auto metadata = SafetensorsFile::read(path).metadata();
    const auto written_by = metadata.find("program");
    if (written_by == metadata.end() || written_by->second != program)
        fail(program.c_str(), fmt::format("'{}' was not written by {}", path, program));
    for (const auto& [key, option, text] : fields) {
        const auto found = metadata.find(key);
        if (found == metadata.end())
            fail("model", fmt::format("'{}' does not contain '{}'", path, key));
        try {
            option->clear();
            option->add_result(found->second);
            option->run_callback();
        } catch (const std::runtime_error& error) { // of CLI11, or the library's for a vocabulary
            fail("model", fmt::format("'{}' of '{}' is {}, which is invalid: {}", key, path,
                                      nn::quoted(found->second), error.what()));
        }
    }
}

} // namespace example
