#include "sequences.hpp"

#include <algorithm>
#include <sstream>

namespace example {

using namespace unroll;

Buckets::Buckets(std::vector<std::size_t> lengths, std::size_t batch, std::uint64_t seed)
    : lengths_(std::move(lengths)), batch_(batch), seed_(seed) {
    if (lengths_.size() < batch)
        fail("train", std::to_string(lengths_.size()) + " sequences are less than a batch of " +
                          std::to_string(batch));
    begin_epoch(0);
}

void Buckets::begin_epoch(std::uint64_t epoch) {
    Random random = Random(seed_).split(1000 + epoch);
    chosen_ = nn::bucket_by_length(lengths_, random, {.batch = batch_});
    std::erase_if(chosen_, [&](const auto& batch) { return batch.size() < batch_; });
}

std::span<const std::size_t> Buckets::part(std::size_t batch, std::size_t shard,
                                           std::size_t shards) const {
    const std::size_t width = batch_ / shards;
    return std::span(chosen_[batch]).subspan(shard * width, width);
}

std::string joined(const nn::Vocabulary& vocabulary) {
    std::string text;
    const auto special = {vocabulary.padding(), vocabulary.unknown(), vocabulary.start(),
                          vocabulary.end()};
    for (std::size_t i = 0; i < vocabulary.size(); ++i)
        if (std::count(special.begin(), special.end(), static_cast<std::int64_t>(i)) == 0)
            text += vocabulary.symbols()[i] + "\n";
    return text;
}

Header::Header(const std::string& path, const std::string& program)
    : path_(path), words_(SafetensorsFile::read(path).metadata()) {
    const auto found = words_.find("program");
    if (found == words_.end() || found->second != program)
        fail(program.c_str(), "'" + path + "' was not written by " + program);
}

const std::string& Header::word(const std::string& key) const {
    const auto found = words_.find(key);
    if (found == words_.end()) fail("model", "'" + path_ + "' lacks '" + key + "'");
    return found->second;
}

double Header::real(const std::string& key) const {
    double value = 0;
    if (!(std::istringstream(word(key)) >> value))
        fail("model", "'" + path_ + "': '" + key + "' is " + nn::quoted(word(key)));
    return value;
}

std::size_t Header::size(const std::string& key) const {
    const double value = real(key);
    if (!(value >= 0 && value <= 1 << 20))
        fail("model", "'" + path_ + "': '" + key + "' is " + nn::quoted(word(key)));
    return static_cast<std::size_t>(value);
}

nn::Vocabulary Header::vocabulary(const std::string& key, const nn::SpecialSymbols& special) const {
    nn::Tokens symbols;
    std::istringstream lines(word(key));
    for (std::string line; std::getline(lines, line);) symbols.push_back(line);
    return nn::Vocabulary::of(symbols, special);
}

} // namespace example
