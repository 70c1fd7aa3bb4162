#pragma once

#include "../common/fields.hpp"
#include "../common/stream.hpp"
#include "../common/text.hpp"

#include <unroll/unroll.hpp>

#include <string>
#include <variant>

namespace char_lm {

using namespace unroll;

struct Settings {
    static constexpr const char* program = "char_lm";
    std::string model = "recurrent", cell = "gru";
    std::size_t layers = 0, hidden = 0; // 0: as completed() has them
    std::size_t embedding = 64, heads = 4, context = 64;
    double dropout = 0;
    std::string vocabulary; // ByteVocabulary::hex

    void fields(example::Fields& f);
    Settings completed() const;
    example::ByteVocabulary bytes() const { return example::ByteVocabulary::from_hex(vocabulary); }
};

// A language model over bytes: embedding, recurrent layers or a Transformer, and a linear head. T
// is float to train and double to check gradients.
template <class T>
class Model {
public:
    using value_type = T;
    // A Transformer's are the keys and the values of the last `context` steps, each [layers, steps,
    // B, hidden], to which the next ones attend (Dai et al. 2019).
    using Carried = example::Carried<T>;

    // Settings are completed ones.
    explicit Model(const Settings& settings);

    // Numbers [T, B] -> logits [T, B, vocabulary]. Carries `state` on where one is given.
    Variable<T> operator()(Tape<T>& tape, const Indices& x, Carried* state = nullptr) const;
    void members(nn::Members<T>& m);

private:
    using Net = std::variant<nn::Rnn<T>, nn::Lstm<T>, nn::Gru<T>, nn::TransformerStack<T>>;
    static Net network(const Settings& s);
    template <class Recurrent>
    Variable<T> run(const Recurrent& net, const Variable<T>& x, Carried* state) const;
    Variable<T> run(const nn::TransformerStack<T>& net, const Variable<T>& x, Carried* state) const;

    Settings settings_;
    nn::Embedding<T> embed_;
    Net net_;
    nn::Linear<T> head_;
};

// Mean loss in nats over a text.
template <class T>
double evaluate(const Model<T>& model, std::span<const std::int64_t> text);

// The prompt's continuation, byte by byte; nothing ends it but options.max_length.
std::string sample(const Model<float>& model, const example::ByteVocabulary& vocabulary,
                   const std::string& prompt, const nn::SampleOptions& options);

} // namespace char_lm
