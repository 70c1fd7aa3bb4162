#pragma once

#include <unroll/unroll.hpp>

#include <map>
#include <string>
#include <vector>

namespace example {

// Batches of sequences of nearly one length, in another order each epoch; the sequences that make
// no whole batch wait for another epoch.
class Buckets {
public:
    // Throws Error where there are fewer sequences than a batch has.
    Buckets(std::vector<std::size_t> lengths, std::size_t batch, std::uint64_t seed);
    std::size_t batches() const { return lengths_.size() / batch_; }
    void begin_epoch(std::uint64_t epoch);
    // Part `shard` of `shards` equal ones of a batch.
    std::span<const std::size_t> part(std::size_t batch, std::size_t shard,
                                      std::size_t shards) const;

private:
    std::vector<std::size_t> lengths_;
    std::size_t batch_;
    std::uint64_t seed_;
    std::vector<std::vector<std::size_t>> chosen_;
};

// A vocabulary in a line of a model's words, and what else a model file tells of itself.
std::string joined(const unroll::nn::Vocabulary& vocabulary);

class Header {
public:
    // Throws Error for a file that the program did not write, which its words say.
    Header(const std::string& path, const std::string& program);
    // Throw Error where there is none, or one that cannot be read.
    const std::string& word(const std::string& key) const;
    std::size_t size(const std::string& key) const;
    double real(const std::string& key) const;
    unroll::nn::Vocabulary vocabulary(const std::string& key,
                                      const unroll::nn::SpecialSymbols& special = {}) const;

private:
    std::string path_;
    std::map<std::string, std::string> words_;
};

// The model's weights; throws Error where they do not fit.
template <class Model>
void load(Model& model, const std::string& path) {
    unroll::optim::load_weights(path,
                                unroll::optim::by_name<float>(unroll::nn::named_parameters(model)));
}

} // namespace example
