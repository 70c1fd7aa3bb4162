#include "training.hpp"

namespace caption {

std::string sentence_of(const nn::Tokens& words) {
    std::string text;
    for (const auto& word : words) text += (text.empty() ? "" : " ") + word;
    return text;
}

int run_eval(const std::string& path, const std::string& data, std::size_t beam) {
    const auto [settings, model] = example::load<Settings, Model<float>>(path);
    const auto held_out = pictures_of(data).held_out;
    example::print_figures(
        figures(model, settings.words, held_out, beam),
        {{"beam", std::to_string(beam)}, {"pictures", std::to_string(held_out.size())}});
    return 0;
}

int run_caption(const std::string& path, const std::string& data, std::size_t first,
                std::size_t count, std::size_t beam, const std::string& svg) {
    const auto [settings, model] = example::load<Settings, Model<float>>(path);
    auto held_out = pictures_of(data).held_out;
    if (first >= held_out.size())
        fail("caption", "there is no picture " + std::to_string(first) + " among the " +
                            std::to_string(held_out.size()) + " held out");
    if (!svg.empty() && settings.attention == "none")
        fail("caption", "a model without attention does not look anywhere");
    const auto begin = held_out.begin() + static_cast<std::ptrdiff_t>(first);
    const std::vector<Picture> some(
        begin, begin + static_cast<std::ptrdiff_t>(std::min(count, held_out.size() - first)));
    const auto written = describe(model, settings.words, some, beam);
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
    example::Commands program(
        "caption",
        "Says in words what small pictures show. Reads a folder with pictures and their captions; "
        "without one, it draws shapes of its own. A tenth of what there is to be seen is held out.",
        {"train caption_emoji --minutes 10",
         "train caption_emoji --attention none --out none.safetensors",
         "eval caption.safetensors caption_emoji --beam 4",
         "caption caption.safetensors caption_emoji --first 20 --count 5",
         "caption caption.safetensors caption_emoji --first 7 --svg looked.svg"});
    program.train("learn from pictures with captions", train, check_gradients);
    std::string path, data, svg;
    std::size_t beam = 4, first = 0, count = 10;
    example::Fields shared;
    shared.model(path)
        .takes("DATA", data, "folder", example::Existing::folder)
        .takes("--beam", beam, "hypotheses that are followed; 1: greedy",
               example::Between{1, 1000});
    program
        .add("eval", "BLEU and exact matches of what was held out",
             [&] { return run_eval(path, data, beam); })
        .takes(shared);
    program
        .add("caption", "pictures that were held out",
             [&] { return run_caption(path, data, first, count, beam, svg); })
        .takes(shared)
        .takes("--first", first, "number of a picture")
        .takes("--count", count, "how many", example::Positive())
        .takes("--svg", svg, "draw where the model looked in the first one");
    return program.run(argc, argv);
}
