#include "training.hpp"

#include <cstdio>

#include <CLI/CLI.hpp>

namespace ner {

using example::number;

int run_eval(const std::string& path, const std::string& file) {
    const auto [settings, v] = read_header(path);
    const auto model = example::load<Model<float>>(path, settings, v);
    const auto sentences = file.empty() ? made_up() : nn::read_columns(file);
    const auto scores = evaluate(model, encode(sentences, v, file), v.tags);
    std::fputs(scores.table().text().c_str(), stdout);
    const auto all = scores.overall();
    example::print_result({{"entity_f1", number(100 * all.f1, 2)},
                           {"precision", number(100 * all.precision, 2)},
                           {"recall", number(100 * all.recall, 2)},
                           {"token_accuracy", number(100 * scores.token_accuracy(), 2)},
                           {"sentences", std::to_string(sentences.size())}});
    return 0;
}

int run_tag(const std::string& path, const std::vector<std::string>& texts) {
    const auto [settings, v] = read_header(path);
    const auto model = example::load<Model<float>>(path, settings, v);
    std::size_t found = 0;
    Tape<float> tape;
    tape.set_recording(false);
    for (const auto& text : texts) {
        const nn::Tokens words = nn::split_words(text);
        if (words.empty()) fail("tag", "the sentence has no words");
        tape.clear();
        const std::vector<Sentence> one{encode(words, {}, v)};
        const std::vector<std::size_t> which{0};
        const auto tags = v.tags.decode(model.tag(tape, make_batch(one, which))[0]);
        for (std::size_t i = 0; i < words.size(); ++i)
            std::printf("%-20s %s\n", words[i].c_str(), tags[i].c_str());
        for (const auto& entity : nn::entities(tags)) {
            std::printf("  %s:", entity.type.c_str());
            for (std::size_t i = entity.begin; i < entity.end; ++i)
                std::printf(" %s", words[i].c_str());
            std::printf("\n");
            ++found;
        }
    }
    example::print_result({{"entities", std::to_string(found)}});
    return 0;
}

} // namespace ner

int main(int argc, char** argv) {
    using namespace ner;
    CLI::App app{"Finds names in sentences: a tag for every word from its vector, its spelling and "
                 "its neighbours."};
    app.footer("Examples:\n"
               "  ner train\n"
               "  ner train wnut17/wnut17train.conll wnut17/emerging.dev.conll --crf\n"
               "  ner eval ner.safetensors wnut17/emerging.test.annotated\n"
               "  ner tag ner.safetensors \"He said, Teddy Roosevelt was a great president\"\n"
               "  ner train --crf --check-gradients");
    app.require_subcommand(1);
    Training o;
    auto* train_command = app.add_subcommand("train", "learn from words with tags");
    train_command->add_option("TRAIN", o.train,
                              "a word and its BIO tag a line; without one, made-up sentences");
    train_command->add_option("DEV", o.dev, "looked at now and then; without one, TRAIN");
    train_command->add_flag("--crf", o.model.crf, "tags depend on each other");
    for (const auto& [name, value, what] :
         {std::tuple("--hidden", &o.model.hidden, "width of a direction"),
          std::tuple("--embedding", &o.model.embedding, "width of a word's vector"),
          std::tuple("--characters", &o.model.characters, "width of a character's vector")})
        train_command->add_option(name, *value, what)
            ->capture_default_str()
            ->check(CLI::Range(1, 4096));
    train_command->add_option("--dropout", o.model.dropout, "share of values dropped")
        ->capture_default_str()
        ->check(CLI::Range(0.0, 1.0));
    train_command
        ->add_option("--unknown", o.unknown, "hide words that occur n times with u / (u + n)")
        ->capture_default_str()
        ->check(CLI::Range(0.0, 100.0));
    o.add_to(*train_command, "sentences in a batch");
    std::string path, file;
    std::vector<std::string> texts;
    auto* eval_command = app.add_subcommand("eval", "precision, recall and F1 of entities");
    eval_command->add_option("MODEL", path)->required();
    eval_command->add_option("FILE", file, "words with tags; without one, made-up sentences");
    auto* tag_command = app.add_subcommand("tag", "the names in sentences");
    tag_command->add_option("MODEL", path)->required();
    tag_command->add_option("SENTENCE", texts)->required();
    CLI11_PARSE(app, argc, argv);
    try {
        if (*train_command) return o.inspection.checks() ? check_gradients(o) : train(o);
        return *eval_command ? run_eval(path, file) : run_tag(path, texts);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "ner: %s\n", error.what());
        return 1;
    }
}
