#include "training.hpp"

#include <CLI/CLI.hpp>

namespace caption {

std::string sentence_of(const nn::Tokens& words) {
    std::string text;
    for (const auto& word : words) text += (text.empty() ? "" : " ") + word;
    return text;
}

int run_eval(const std::string& path, const std::string& data, std::size_t beam) {
    const Loaded loaded(path);
    const auto held_out = pictures_of(data).held_out;
    example::print_figures(
        figures(loaded.model, loaded.vocabulary, held_out, beam),
        {{"beam", std::to_string(beam)}, {"pictures", std::to_string(held_out.size())}});
    return 0;
}

int run_caption(const std::string& path, const std::string& data, std::size_t first,
                std::size_t count, std::size_t beam, const std::string& svg) {
    const Loaded loaded(path);
    auto held_out = pictures_of(data).held_out;
    if (first >= held_out.size())
        fail("caption", "there is no picture " + std::to_string(first) + " among the " +
                            std::to_string(held_out.size()) + " held out");
    if (!svg.empty() && loaded.settings.attention == "none")
        fail("caption", "a model without attention does not look anywhere");
    const auto begin = held_out.begin() + static_cast<std::ptrdiff_t>(first);
    const std::vector<Picture> some(
        begin, begin + static_cast<std::ptrdiff_t>(std::min(count, held_out.size() - first)));
    const auto written = describe(loaded.model, loaded.vocabulary, some, beam);
    std::size_t right = 0;
    for (std::size_t i = 0; i < some.size(); ++i) {
        right += written[i].words == some[i].caption;
        std::printf("picture %zu: %s (it is: %s)\n", first + i,
                    sentence_of(written[i].words).c_str(), sentence_of(some[i].caption).c_str());
    }
    if (!svg.empty())
        write_file_atomically(svg, looked_svg(some[0], written[0].words, written[0].weights));
    example::print_result(
        {{"right", std::to_string(right)}, {"pictures", std::to_string(some.size())}});
    return 0;
}

} // namespace caption

int main(int argc, char** argv) {
    using namespace caption;
    CLI::App app{"Says in words what small pictures show. Reads a folder with pictures and their "
                 "captions; without one, it draws shapes of its own. A tenth of what there is to "
                 "be seen is held out."};
    app.footer("Examples:\n"
               "  caption train caption_emoji --minutes 10\n"
               "  caption train caption_emoji --attention none --out none.safetensors\n"
               "  caption eval caption.safetensors caption_emoji --beam 4\n"
               "  caption caption caption.safetensors caption_emoji --first 20 --count 5\n"
               "  caption caption caption.safetensors caption_emoji --first 7 --svg looked.svg");
    app.require_subcommand(1);
    Training o;
    auto* train_command = app.add_subcommand("train", "learn from pictures with captions");
    train_command->add_option("DATA", o.data, "folder")->check(CLI::ExistingDirectory);
    train_command->add_option("--attention", o.model.attention)
        ->check(CLI::IsMember({"none", "general", "concat", "additive"}))
        ->capture_default_str();
    for (const auto& [name, value, about] :
         {std::tuple("--channels", &o.model.channels, "of the first convolution; then doubled"),
          std::tuple("--hidden", &o.model.hidden, "width of the LSTM"),
          std::tuple("--width", &o.model.width, "of a word's vector")})
        train_command->add_option(name, *value, about)
            ->check(CLI::Range(1, 4096))
            ->capture_default_str();
    for (const auto& [name, value, about] :
         {std::tuple("--dropout", &o.model.dropout, "share of values dropped"),
          std::tuple("--smoothing", &o.smoothing, "share of a word that all words divide")})
        train_command->add_option(name, *value, about)
            ->check(CLI::Range(0.0, 0.99))
            ->capture_default_str();
    train_command->add_option("--shift", o.shift, "move pictures at random by up to so many pixels")
        ->check(CLI::Range(0, 8))
        ->capture_default_str();
    o.add_to(*train_command, "pictures in a batch");
    std::string path, data, svg;
    std::size_t beam = 4, first = 0, count = 10;
    auto* eval_command = app.add_subcommand("eval", "BLEU and exact matches of what was held out");
    auto* caption_command = app.add_subcommand("caption", "pictures that were held out");
    for (auto* command : {eval_command, caption_command}) {
        command->add_option("MODEL", path)->required()->check(CLI::ExistingFile);
        command->add_option("DATA", data, "folder")->check(CLI::ExistingDirectory);
        command->add_option("--beam", beam, "hypotheses that are followed; 1: greedy")
            ->check(CLI::Range(1, 1000))
            ->capture_default_str();
    }
    caption_command->add_option("--first", first, "number of a picture")->capture_default_str();
    caption_command->add_option("--count", count, "how many")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    caption_command->add_option("--svg", svg, "draw where the model looked in the first one");
    CLI11_PARSE(app, argc, argv);
    return example::guarded("caption", [&] {
        if (*train_command) return o.inspection.checks() ? check_gradients(o) : train(o);
        if (*eval_command) return run_eval(path, data, beam);
        return run_caption(path, data, first, count, beam, svg);
    });
}
