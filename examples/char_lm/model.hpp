#pragma once

#include "../common/stream.hpp"
#include "../common/text.hpp"

#include <unroll/unroll.hpp>

#include <map>
#include <string>

namespace char_lm {

using namespace unroll;

struct Settings {
    std::string cell = "gru";
    std::size_t layers = 2;
    std::size_t hidden = 256;
    std::size_t embedding = 64;
    double dropout = 0;

    std::map<std::string, std::string> words() const;
    static Settings from(const std::map<std::string, std::string>& words);
};

// A language model over bytes: embedding, recurrent layers, and a linear head. T is float to train
// and double to check gradients.
template <class T>
class Model {
public:
    using value_type = T;
    using Carried = example::Carried<T>;

    Model(const Settings& settings, std::size_t vocabulary);

    // Numbers [T, B] -> logits [T, B, vocabulary]. Carries `state` on where one is given.
    Variable<T> operator()(Tape<T>& tape, const Indices& x, Carried* state = nullptr) const;
    void members(nn::Members<T>& m);

private:
    template <class Net>
    Variable<T> run(const Net& net, const Variable<T>& x, Carried* state) const;

    Settings settings_;
    nn::Embedding<T> embed_;
    std::vector<nn::Rnn<T>> rnn_; // one of the three has one element
    std::vector<nn::Lstm<T>> lstm_;
    std::vector<nn::Gru<T>> gru_;
    nn::Linear<T> head_;
};

// Mean loss in nats over a text.
template <class T>
double evaluate(const Model<T>& model, std::span<const std::int64_t> text);

struct Sampling {
    double temperature = 0.8; // 0: the likeliest every time
    std::size_t top_k = 0;    // only the k likeliest; 0: all
    double top_p = 1;         // only the likeliest that make up this much
    std::size_t length = 500;
};

// The prompt's continuation, byte by byte.
std::string sample(const Model<float>& model, const example::ByteVocabulary& vocabulary,
                   const std::string& prompt, const Sampling& how, Random random);

} // namespace char_lm
