#include "training.hpp"

namespace char_lm {

int run_eval(const std::string& path, const std::vector<std::string>& text) {
    const auto [settings, model] = example::load<Settings, Model<float>>(path);
    const auto numbers = settings.bytes().encode(example::read_texts(or_own_sources(text)));
    const double loss = evaluate(model, std::span<const std::int64_t>(numbers));
    example::print_result({{"nats", number(loss, 4)},
                           {"bits_per_byte", number(bits(loss), 4)},
                           {"perplexity", number(std::exp(loss), 3)},
                           {"bytes", std::to_string(numbers.size())}});
    return 0;
}

int run_sample(const std::string& path, const std::string& prompt, nn::SampleOptions how,
               std::uint64_t seed) {
    const auto [settings, model] = example::load<Settings, Model<float>>(path);
    how.random = Random(seed);
    const std::string text = sample(model, settings.bytes(), prompt, how);
    std::printf("%s%s\n", prompt.c_str(), text.c_str());
    example::print_result({{"bytes", std::to_string(text.size())}});
    return 0;
}

} // namespace char_lm

int main(int argc, char** argv) {
    using namespace char_lm;
    example::Commands program(
        "char_lm",
        "Language models over bytes: learns a text, samples from it, tells how likely a text is.",
        {"train book.txt --minutes 3 --svg loss.svg",
         "sample char_lm.safetensors --prompt 'ROMEO:' --temperature 0.7",
         "eval char_lm.safetensors other.txt", "train book.txt --model transformer --rate 1e-3",
         "train --cell lstm --steps 100 --dump-graph lstm.html",
         "train --cell gru --check-gradients"});
    program.train("learn a text; without one, this project's own sources and documents", train,
                  check_gradients);
    std::string path, prompt;
    std::vector<std::string> text;
    nn::SampleOptions how{.temperature = 0.8, .max_length = 500};
    std::size_t seed = 1;
    program.add("eval", "how well a model predicts a text", [&] { return run_eval(path, text); })
        .model(path)
        .takes("TEXT", text, "", example::Existing::path);
    program.add("sample", "let a model write", [&] { return run_sample(path, prompt, how, seed); })
        .model(path)
        .takes("--prompt", prompt, "what it continues")
        .takes("--length", how.max_length, "bytes to write")
        .takes("--temperature", how.temperature, "0: the likeliest; 1: as learned")
        .takes("--top-k", how.top_k, "only the k likeliest; 0: all")
        .takes("--top-p", how.top_p, "only the likeliest that make up this share")
        .takes("--seed", seed);
    return program.run(argc, argv);
}
