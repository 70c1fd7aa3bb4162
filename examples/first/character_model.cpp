// A character model: an LSTM reads a text letter by letter and learns to predict the next one.
#include <unroll/unroll.hpp>

#include <fstream>
#include <iostream>
using namespace unroll;

const std::string rhyme = R"(This is the house that Jack built.
This is the malt that lay in the house that Jack built.
This is the rat that ate the malt that lay in the house that Jack built.
This is the cat that killed the rat that ate the malt that lay in the house that Jack built.
)";

struct Model {
    explicit Model(std::size_t letters)
        : embed({.vocabulary = letters, .width = 16}), lstm({.input = 16, .hidden = 96}),
          out({.input = 96, .output = letters}) {}
    void members(nn::Members<float>& m) { m("embed", embed)("lstm", lstm)("out", out); }

    using value_type = float;
    nn::Embedding<float> embed;
    nn::Lstm<float> lstm;
    nn::Linear<float> out;
};

int main(int argc, char** argv) { // character_model [TEXT FILE]
    std::ifstream file(argc > 1 ? argv[1] : "");
    const std::string text = argc > 1 ? std::string(std::istreambuf_iterator(file), {}) : rhyme;
    const nn::Tokens letters = nn::split_characters(text);
    const nn::Vocabulary vocabulary({&letters, 1}, {.special = nn::SpecialSymbols::none()});
    const Indices numbers({letters.size()}, vocabulary.encode(letters));
    Model model(vocabulary.size());
    optim::Adam<float> adam(parameters(model), {.learning_rate = 1e-2});
    Random random(1);
    for (int step = 0; step <= 150; ++step) {
        Indices windows({49, 8}); // [T + 1, B], each from a random position in the text
        for (std::size_t b = 0; b < 8; ++b) {
            const std::size_t begin = random.below(numbers.size() - 49);
            windows.select(1, b).assign(numbers.slice(0, begin, begin + 49));
        }
        Tape tape;
        const auto output = model.lstm(model.embed(windows.slice(0, 0, 48))).output;
        const auto loss = cross_entropy(model.out(output), windows.slice(0, 1, 49));
        tape.backward(loss);
        optim::clip_norm(adam.parameters(), 1.0);
        adam.step();
        if (step % 50 == 0) std::cout << step << ": " << loss.item() << " nats per letter\n";
    }

    using State = nn::Lstm<float>::States;
    const auto next = [&](const State& state, const Indices& letter) { // [B]
        const auto [output, after] = model.lstm(model.embed(letter.expand_dims(0)), state);
        return nn::Prediction<State, float>{after, log_softmax(model.out(select(output, 0, 0)))};
    };
    const auto written = nn::sample(next, State(), Indices({1}, {vocabulary.number("T")}),
                                    {.temperature = 0.5, .max_length = 160});
    std::cout << "T";
    for (const std::string& letter : vocabulary.decode(written[0].tokens)) std::cout << letter;
    std::cout << "\n";
}
