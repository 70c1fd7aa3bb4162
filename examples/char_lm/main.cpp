#include "../common/learning.hpp"
#include "../common/stream.hpp"
#include "bytes.hpp"

#include <cmath>

namespace char_lm {

using namespace unroll;
using Paths = std::vector<std::string>;

struct Settings {
    static constexpr const char* program = "char_lm";
    std::string model = "recurrent", cell;
    std::size_t layers = 0, hidden = 0; // 0, or an empty cell: the defaults set by complete()
    std::size_t embedding = 64, heads = 4, context = 64;
    double dropout = 0;
    std::string vocabulary; // ByteVocabulary::hex

    void fields(example::Fields f) {
        const CLI::Range size(1, 65536);
        f("--model", model)->check(CLI::IsMember({"recurrent", "transformer"}));
        f("--cell", cell, "cell of a recurrent model")
            ->check(CLI::IsMember(example::all_cells))
            ->default_str("gru");
        f("--layers", layers)->check(CLI::Range(1, 64))->default_str("2, transformer 4");
        f("--hidden", hidden, "width of a layer")->check(size)->default_str("256, transformer 128");
        f("--embedding", embedding, "width of the byte embedding in a recurrent model")
            ->check(size);
        f("--heads", heads, "attention heads of a transformer")->check(size);
        f("--context", context, "earlier steps that a transformer attends to")->check(size);
        f("--dropout", dropout, "dropout probability between layers")->check(CLI::Range(0.0, 1.0));
        const auto is_hex = [](const std::string& hex) {
            ByteVocabulary::from_hex(hex); // throws otherwise
            return std::string();
        };
        f.stored("vocabulary", vocabulary, CLI::Validator(is_hex, ""));
    }
    void complete(const std::string& text) {
        if (attends() && !cell.empty())
            fail("char_lm", fmt::format("--cell {} is for --model recurrent; a transformer has no "
                                        "recurrent cell, omit one of the options",
                                        cell));
        if (cell.empty()) cell = "gru";
        vocabulary = ByteVocabulary(text).hex();
        if (layers == 0) layers = attends() ? 4 : 2;
        if (hidden == 0) hidden = attends() ? 128 : 256;
        if (attends()) embedding = hidden;
    }
    bool attends() const { return model == "transformer"; }
    ByteVocabulary bytes() const { return ByteVocabulary::from_hex(vocabulary); }
};

// A language model over bytes: embedding, recurrent layers or a Transformer, and a linear head.
template <class T>
struct Model {
    using value_type = T;
    using Net = std::variant<example::Network<T>, nn::TransformerStack<T>>;
    using Carried = example::Carried<T>;
    Settings settings;
    nn::Embedding<T> embed;
    Net net;
    nn::Linear<T> head;

    explicit Model(const Settings& s)
        : settings(s), embed({.vocabulary = s.bytes().size(), .width = s.embedding}),
          net(network(s)), head({.input = s.hidden, .output = s.bytes().size()}) {}
    static Net network(const Settings& s) {
        if (!s.attends())
            return example::Network<T>(
                {.cell = s.cell, .layers = s.layers, .hidden = s.hidden, .dropout = s.dropout},
                s.embedding);
        return nn::TransformerStack<T>({.width = s.hidden,
                                        .heads = s.heads,
                                        .layers = s.layers,
                                        .dropout = s.dropout,
                                        .activation = nn::Activation::gelu,
                                        .norm_first = true,
                                        .is_causal = true,
                                        .positions = nn::Positions::rotary});
    }

    // Logits [T, B, vocabulary] of the bytes that follow x [T, B], starting from `state`.
    Variable<T> operator()(const Indices& x, Carried* state = nullptr) const {
        return head(dropout(read(embed(x), state), settings.dropout));
    }
    Variable<T> read(const Variable<T>& x, Carried* state) const {
        const auto* const stack = std::get_if<nn::TransformerStack<T>>(&net);
        if (!stack) return std::get<example::Network<T>>(net)(x, {}, state);
        auto known = state ? stack->resume(*state) : stack->start();
        const Variable<T> y = (*stack)(x, known).context;
        if (state) *state = stack->carry(known, settings.context);
        return y;
    }
    Variable<T> loss(const Indices& x, const Indices& y, Carried* state = nullptr) const {
        return cross_entropy((*this)(x, state), y);
    }
    void members(nn::Members<T>& m) {
        m("embedding", embed);
        std::visit([&](auto& n) { m(settings.attends() ? "transformer" : settings.cell, n); }, net);
        m("head", head);
    }
};

struct Training : example::StreamOptions {
    Paths text{example::source_folder()};
    Settings model;

    Training() : StreamOptions{{.batch = 16, .out = "char_lm.safetensors", .unit = "bytes"}} {}
    void options(CLI::App& command) {
        command.add_option("TEXT", text, "files or folders of sources")->check(CLI::ExistingPath);
        model.fields(command);
        command.add_option("--steps", steps, "steps of truncated back-propagation");
        TrainingOptions::options(command, "segments of the text read in parallel");
    }
    void shrink() {
        model.hidden = model.embedding = 8;
        text = {example::shipped("sentences.txt")};
        steps = 5;
    }
    std::string prepare() {
        const std::string all = read_texts(text);
        if (!resume) model.complete(all);
        const auto bytes = model.bytes();
        training = bytes.encode(all);
        held_out = example::cut_off(training, all.size() / 10);
        return fmt::format("{} bytes, {} distinct; matrix products by {}", all.size(), bytes.size(),
                           gemm_backend());
    }
    example::Figures figures(const Model<float>& net, bool last) const {
        const double nats = held_nats(net, last);
        return {{"validation_nats", nats}, {"bits_per_byte", nn::bits_per_character(nats, 1)}};
    }
};

void run_eval(const std::string& path, const Paths& text) {
    const auto [settings, model] = example::load<Settings, Model>(path);
    const auto numbers = settings.bytes().encode(read_texts(text));
    const double nats = example::mean_nats(model, numbers);
    example::print_result({{"nats", nats},
                           {"bits_per_byte", nn::bits_per_character(nats, 1)},
                           {"perplexity", std::exp(nats), 3},
                           {"bytes", numbers.size()}});
}

void run_sample(const std::string& path, const std::string& prompt, nn::SampleOptions how,
                std::uint64_t seed) {
    const auto [settings, model] = example::load<Settings, Model>(path);
    const auto bytes = settings.bytes();
    const auto read = bytes.encode(prompt.empty() ? "\n" : prompt);
    const auto step = [&](const example::Carried<float>& before, const Indices& tokens) {
        auto state = before;
        const auto logits = model(tokens.expand_dims(0), &state);
        return nn::Prediction<example::Carried<float>, float>{state,
                                                              log_softmax(select(logits, 0, 0))};
    };
    example::Carried<float> state;
    if (const std::size_t n = read.size() - 1; n > 0)
        model(Indices({n, 1}, std::span(read).first(n)), &state);
    how.random = Random(seed);
    const auto written = nn::sample(step, state, Indices({1}, {read.back()}), how);
    std::string text;
    for (const auto token : written[0].tokens) text += bytes.decode(token);
    std::printf("%s%s\n", prompt.c_str(), text.c_str());
    example::print_result({{"bytes", text.size()}});
}

} // namespace char_lm

int main(int argc, char** argv) {
    using namespace char_lm;
    example::Commands program("char_lm",
                              "Language models over bytes: trains on a text, samples, and "
                              "evaluates the likelihood of a text.",
                              {"train book.txt --minutes 3 --svg loss.svg",
                               "sample char_lm.safetensors --prompt 'ROMEO:' --temperature 0.7",
                               "eval char_lm.safetensors other.txt",
                               "train book.txt --model transformer --learning-rate 1e-3",
                               "train --cell lstm --steps 100 --dump-graph lstm.html",
                               "train --cell gru --check-gradients"});
    program.train("train on a text", example::train<Training, Model>);
    std::string path, prompt;
    Paths text{example::source_folder()};
    nn::SampleOptions how{.temperature = 0.8, .max_length = 500};
    std::size_t seed = 1;
    CLI::App* command = program.add("eval", "evaluate a model on a text", path,
                                    [&] { return run_eval(path, text); });
    command->add_option("TEXT", text)->check(CLI::ExistingPath);

    command = program.add("sample", "generate text", path,
                          [&] { return run_sample(path, prompt, how, seed); });
    command->add_option("--prompt", prompt, "text to continue");
    command->add_option("--length", how.max_length, "bytes to generate");
    command->add_option("--temperature", how.temperature,
                        "0: the likeliest byte; 1: the distribution of the model");
    command->add_option("--top-k", how.top_k, "only the k likeliest; 0: all");
    command->add_option("--top-p", how.top_p, "only the likeliest with this total probability");
    command->add_option("--seed", seed);

    return program.run(argc, argv);
}
