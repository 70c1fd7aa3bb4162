#include "training.hpp"

#include <CLI/CLI.hpp>

namespace char_lm {

namespace {

int run_eval(const std::string& path, const std::vector<std::string>& text) {
    const Loaded loaded(path);
    const auto model = loaded.model(path);
    const auto numbers = loaded.vocabulary.encode(example::read_texts(or_own_sources(text)));
    const double loss = evaluate(model, std::span<const std::int64_t>(numbers));
    example::print_result({{"nats", number(loss, 4)},
                           {"bits_per_byte", number(bits(loss), 4)},
                           {"perplexity", number(std::exp(loss), 3)},
                           {"bytes", std::to_string(numbers.size())}});
    return 0;
}

int run_sample(const std::string& path, const std::string& prompt, nn::SampleOptions how,
               std::uint64_t seed) {
    const Loaded loaded(path);
    const auto model = loaded.model(path);
    how.random = Random(seed);
    const std::string text = sample(model, loaded.vocabulary, prompt, how);
    std::printf("%s%s\n", prompt.c_str(), text.c_str());
    example::print_result({{"bytes", std::to_string(text.size())}});
    return 0;
}

void add_model_options(CLI::App* app, Settings& s) {
    app->add_option("--model", s.model)
        ->check(CLI::IsMember({"recurrent", "transformer"}))
        ->capture_default_str();
    app->add_option("--cell", s.cell, "of a recurrent model")
        ->check(CLI::IsMember({"rnn", "lstm", "gru"}))
        ->capture_default_str();
    const auto size = [&](const char* name, std::size_t& value, int most, const char* about) {
        return app->add_option(name, value, about)->check(CLI::Range(1, most));
    };
    size("--layers", s.layers, 64, "2 where it is recurrent, else 4");
    size("--hidden", s.hidden, 65536, "width of a layer: 256 where it is recurrent, else 128");
    size("--embedding", s.embedding, 65536, "width of a byte's vector in a recurrent model")
        ->capture_default_str();
    size("--heads", s.heads, 65536, "of a transformer's attention")->capture_default_str();
    size("--context", s.context, 65536, "steps before a piece that a transformer still attends to")
        ->capture_default_str();
    app->add_option("--dropout", s.dropout, "share of values dropped between layers")
        ->capture_default_str()
        ->check(CLI::Range(0.0, 1.0));
}

} // namespace

} // namespace char_lm

int main(int argc, char** argv) {
    using namespace char_lm;
    CLI::App app{
        "Language models over bytes: learns a text, samples from it, tells how likely a text is."};
    app.footer("Examples:\n"
               "  char_lm train book.txt --minutes 3 --svg loss.svg\n"
               "  char_lm sample char_lm.safetensors --prompt 'ROMEO:' --temperature 0.7\n"
               "  char_lm eval char_lm.safetensors other.txt\n"
               "  char_lm train book.txt --model transformer --rate 1e-3\n"
               "  char_lm train --cell lstm --steps 100 --dump-graph lstm.html\n"
               "  char_lm train --cell gru --check-gradients");
    app.require_subcommand(1);

    Training o;
    auto* train_command = app.add_subcommand(
        "train", "learn a text; without one, this project's own sources and documents");
    train_command->add_option("TEXT", o.text, "files, or folders of sources")
        ->check(CLI::ExistingPath);
    add_model_options(train_command, o.model);
    train_command->add_option("--steps", o.steps, "bytes a gradient flows back through")
        ->capture_default_str();
    o.add_to(*train_command, "pieces of the text read side by side");

    std::string path, prompt;
    std::vector<std::string> text;
    nn::SampleOptions how{.temperature = 0.8, .max_length = 500};
    std::uint64_t seed = 1;
    auto* eval_command = app.add_subcommand("eval", "how well a model predicts a text");
    eval_command->add_option("MODEL", path)->required()->check(CLI::ExistingFile);
    eval_command->add_option("TEXT", text)->check(CLI::ExistingPath);
    auto* sample_command = app.add_subcommand("sample", "let a model write");
    sample_command->add_option("MODEL", path)->required()->check(CLI::ExistingFile);
    sample_command->add_option("--prompt", prompt, "what it continues");
    sample_command->add_option("--length", how.max_length, "bytes to write")->capture_default_str();
    sample_command->add_option("--temperature", how.temperature, "0: the likeliest; 1: as learned")
        ->capture_default_str();
    sample_command->add_option("--top-k", how.top_k, "only the k likeliest; 0: all")
        ->capture_default_str();
    sample_command->add_option("--top-p", how.top_p, "only the likeliest that make up this share")
        ->capture_default_str();
    sample_command->add_option("--seed", seed)->capture_default_str();

    CLI11_PARSE(app, argc, argv);
    try {
        if (*train_command) return o.inspection.checks() ? check_gradients(o) : train(o);
        if (*eval_command) return run_eval(path, text);
        return run_sample(path, prompt, how, seed);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "char_lm: %s\n", error.what());
        return 1;
    }
}
