#include "model.hpp"

#include <cstdio>

namespace ner {

using example::number;

struct Training : example::TrainingOptions {
    std::string train, dev;
    Settings model;
    double unknown = 0.5;

    Training() {
        batch = 16;
        out = "ner.safetensors";
    }
    void fields(example::Fields& f) {
        f.takes("TRAIN", train, "a word and its BIO tag a line; without one, made-up sentences");
        f.takes("DEV", dev, "looked at now and then; without one, TRAIN");
        model.fields(f);
        f.takes("--unknown", unknown, "hide words that occur n times with u / (u + n)",
                example::Between{0, 100});
        TrainingOptions::fields(f, "sentences in a batch");
    }
};

int train(Training o) {
    const auto learned = o.train.empty() ? made_up() : nn::read_columns(o.train);
    const auto dev = o.dev.empty() ? learned : nn::read_columns(o.dev);
    Vocabularies& v = o.model.known = vocabularies_of(learned);
    const auto counts = v.words.counts();
    if (o.resume) o.model = example::read<Settings>(o.out);
    const auto sentences = encode(learned, v, o.train), held = encode(dev, v, o.dev);

    nn::seed(o.seed);
    Model<float> model(o.model);
    std::printf("%zu sentences, %zu words, %zu tags; %zu parameters\n", sentences.size(),
                v.words.size(), v.tags.size(), nn::parameter_count(model));
    example::Task task;
    task.unit = "sentences";
    const auto loss = [&](Tape<float>& tape, std::span<const std::size_t> which) {
        Batch x = make_batch(sentences, which);
        // Names are mostly words that were never met: rare ones are hidden now and then, so that
        // spelling and neighbours have to do.
        for (std::size_t i = 0; i < x.words.numbers.size(); ++i) {
            auto& word = x.words.numbers.data()[i];
            const auto count = static_cast<double>(counts[static_cast<std::size_t>(word)]);
            if (word > v.words.unknown() &&
                tape.random().uniform() * (o.unknown + count) < o.unknown)
                word = v.words.unknown();
        }
        return model.loss(tape, x);
    };
    task.glance = task.result = [&] {
        const auto scores = evaluate(model, held, v.tags);
        return example::Figures{{"entity_f1", scores.overall().f1},
                                {"token_accuracy", scores.token_accuracy()}};
    };
    task.words = example::words(o.model);
    return example::learn(o, {nn::lengths_of(sentences), o.batch, o.seed}, task, loss,
                          example::named(model));
}

int check_gradients(Training o) {
    nn::seed(o.seed);
    auto some = made_up();
    some.erase(some.begin() + 3, some.end());
    o.model.known = vocabularies_of(some);
    o.model.hidden = o.model.embedding = o.model.characters = 3;
    Model<double> model(o.model);
    const auto batch = make_batch(encode(some, o.model.known), std::vector<std::size_t>{0, 2});
    return o.inspection.check(
        [&](Tape<double>& tape) {
            tape.set_evaluating(true); // nothing is dropped
            return model.loss(tape, batch);
        },
        nn::named_parameters(model));
}

int run_eval(const std::string& path, const std::string& file) {
    const auto [settings, model] = example::load<Settings, Model<float>>(path);
    const Vocabularies& v = settings.known;
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
    const auto [settings, model] = example::load<Settings, Model<float>>(path);
    const Vocabularies& v = settings.known;
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
    example::Commands program(
        "ner",
        "Finds names in sentences: a tag for every word from its vector, its spelling and its "
        "neighbours.",
        {"train", "train wnut17/wnut17train.conll wnut17/emerging.dev.conll --crf",
         "eval ner.safetensors wnut17/emerging.test.annotated",
         "tag ner.safetensors \"He said, Teddy Roosevelt was a great president\"",
         "train --crf --check-gradients"});
    program.train("learn from words with tags", train, check_gradients);
    std::string path, file;
    std::vector<std::string> texts;
    program
        .add("eval", "precision, recall and F1 of entities", [&] { return run_eval(path, file); })
        .model(path)
        .takes("FILE", file, "words with tags; without one, made-up sentences");
    program.add("tag", "the names in sentences", [&] { return run_tag(path, texts); })
        .model(path)
        .needs("SENTENCE", texts);
    return program.run(argc, argv);
}
