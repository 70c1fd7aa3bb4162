#include "../common/learning.hpp"

#include <algorithm>

namespace ner {

using namespace unroll;

using Sentences = std::vector<nn::TaggedSentence>;

// The normalised form of a word: in lower case, with 0 for every digit.
nn::Tokens plain(nn::Tokens words) {
    for (auto& word : words) {
        word = nn::to_lower(word);
        std::ranges::replace_if(
            word, [](char c) { return c >= '0' && c <= '9'; }, '0');
    }
    return words;
}

struct Settings {
    static constexpr const char* program = "ner";
    bool crf = false;
    std::size_t hidden = 128, embedding = 64, width = 32;
    double dropout = 0.5;
    nn::Vocabulary words = example::empty_vocabulary(), characters = words, tags = words;

    void fields(example::Fields f) {
        const CLI::Range size(1, 4096);
        f("--crf", crf, "use a CRF");
        f("--hidden", hidden, "width of a direction")->check(size);
        f("--embedding", embedding, "width of the word embedding")->check(size);
        f->add_option("--characters", width, "width of the character embedding")->check(size);
        f.stored("character_width", width);
        f("--dropout", dropout, "dropout probability")->check(CLI::Range(0.0, 1.0));
        f.stored("words", words);
        f.stored("characters", characters);
        f.stored("tags", tags, nn::SpecialSymbols::none());
    }
    void number(const Sentences& sentences) {
        std::vector<nn::Tokens> all, spelled, tagged;
        for (const auto& sentence : sentences) {
            all.push_back(plain(sentence.words));
            tagged.push_back(sentence.tags);
            for (const auto& word : sentence.words) spelled.push_back(nn::split_characters(word));
        }
        words = nn::Vocabulary(all);
        characters = nn::Vocabulary(spelled);
        tags = nn::Vocabulary(tagged, {.special = nn::SpecialSymbols::none()});
    }
};

struct Batch { // [T, B]
    std::vector<nn::Tokens> spelled;
    nn::PaddedBatch words;
    Indices forms, tags;

    // Tags are encoded only for training sentences (`training`): others may contain unknown tags.
    Batch(const Sentences& sentences, example::Numbers which, const Settings& known,
          bool training = false) {
        std::vector<std::vector<std::int64_t>> numbers, written, tagged;
        for (const std::size_t i : which) {
            spelled.push_back(sentences[i].words);
            numbers.push_back(known.words.encode(plain(spelled.back())));
            written.push_back(nn::word_forms(spelled.back()));
            if (training) tagged.push_back(known.tags.encode(sentences[i].tags));
        }
        words = nn::pad_sequences(numbers, 0);
        forms = nn::pad_sequences(written, 0).numbers;
        if (training) tags = nn::pad_sequences(tagged, 0).numbers;
    }
};

// Word embedding, word shape and character LSTM of each word; a BiLSTM over the sentence; a tag for
// every word, independently or by a CRF.
template <class T>
struct Model {
    using value_type = T;
    double dropped;
    nn::Embedding<T> embed, form;
    nn::CharacterLstm<T> spell;
    nn::Lstm<T> read;
    nn::Tagger<T> tagger;

    explicit Model(const Settings& s)
        : dropped(s.dropout),
          embed({.vocabulary = s.words.size(), .width = s.embedding, .padding = 0}),
          form({.vocabulary = nn::word_form_kinds, .width = 8, .padding = 0}),
          spell({.characters = s.characters,
                 .width = s.width,
                 .hidden = s.width,
                 .most = 20, // longer words are usually addresses
                 .dropout = 0.2}),
          read({.input = s.embedding + 8 + spell.output_width(),
                .hidden = s.hidden,
                .bidirectional = true}),
          tagger({.input = 2 * s.hidden,
                  .tags = s.tags.size(),
                  .crf = s.crf,
                  .constraints =
                      s.crf ? nn::bio_constraints(s.tags.symbols()) : nn::TagConstraints()}) {}

    Variable<T> operator()(const Batch& x) const {
        const auto seen =
            concatenate({embed(x.words.numbers), form(x.forms), spell(x.spelled)}, -1);
        return dropout(read(dropout(seen, dropped), {}, x.words.lengths).output, dropped);
    }
    void members(nn::Members<T>& m) {
        m("embedding", embed)("forms", form)("spell", spell)("read", read)("tagger", tagger);
    }
};

// The predicted tags of sentences, in the given order.
std::vector<nn::Tokens> tags_of(const Model<float>& model, const Settings& known,
                                const Sentences& sentences) {
    std::vector<nn::Tokens> tags;
    example::in_batches(sentences.size(), 64, [&](const auto& which) {
        const Batch x(sentences, which, known);
        for (const auto& numbers : model.tagger.decode(model(x), x.words.lengths))
            tags.push_back(known.tags.decode(numbers));
    });
    return tags;
}

nn::EntityScores evaluate(const Model<float>& model, const Settings& known,
                          const Sentences& sentences) {
    nn::EntityScores scores;
    const auto tags = tags_of(model, known, sentences);
    for (std::size_t i = 0; i < tags.size(); ++i) scores.add(sentences[i].tags, tags[i]);
    return scores;
}

struct Training : example::TrainingOptions {
    std::string train = example::shipped("tagged.conll"), dev;
    Settings model;
    double unknown = 0.5;
    Sentences training, held_out;
    std::vector<std::size_t> counts; // counts of the training words

    Training() : TrainingOptions{.batch = 16, .out = "ner.safetensors", .unit = "sentences"} {}
    void options(CLI::App& command) {
        command.add_option("TRAIN", train,
                           "one word and its tag per line: BIO, BIOES, BILOU or types");
        command.add_option("DEV", dev, "validation data; default: TRAIN");
        model.fields(command);
        command
            .add_option("--unknown", unknown,
                        "replace words that occur n times by <unk> with probability u / (u + n)")
            ->check(CLI::Range(0.0, 100.0));
        TrainingOptions::options(command, "sentences in a batch");
    }
    void shrink() { model.hidden = model.embedding = model.width = 3; }
    std::string prepare() {
        training = nn::read_entities(train);
        Settings fresh = model;
        fresh.number(training);
        counts = fresh.words.counts();
        if (!resume) model = fresh;
        held_out = dev.empty() ? training : nn::read_entities(dev);
        return fmt::format("{} sentences, {} words, {} tags", training.size(), model.words.size(),
                           model.tags.size());
    }
    nn::ShuffledBatches source() const { return {nn::lengths_of(training), batch, seed}; }
    template <class T>
    Variable<T> loss(const Model<T>& net, example::Numbers which) const {
        Batch x(training, which, model, true);
        // Names are mostly unseen words, which must be recognised by characters and context.
        x.words.numbers =
            nn::hide_rare(x.words.numbers, model.words, counts, unknown, current_random<T>());
        return net.tagger.loss(net(x), x.tags, x.words.lengths);
    }
    example::Figures figures(const Model<float>& net, bool) const {
        const auto scores = evaluate(net, model, held_out);
        return {{"entity_f1", scores.overall().f1}, {"token_accuracy", scores.token_accuracy()}};
    }
};

void run_eval(const std::string& path, const std::string& file) {
    const auto [settings, model] = example::load<Settings, Model>(path);
    const auto sentences = nn::read_entities(file); // unknown tags are errors of the model
    const auto scores = evaluate(model, settings, sentences);
    std::fputs(scores.table().text().c_str(), stdout);
    const auto percent = [](double share) { return fmt::format("{:.2f}", 100 * share); };
    example::print_result({{"entity_f1", percent(scores.overall().f1)},
                           {"precision", percent(scores.overall().precision)},
                           {"recall", percent(scores.overall().recall)},
                           {"token_accuracy", percent(scores.token_accuracy())},
                           {"sentences", sentences.size()}});
}

void run_tag(const std::string& path, const std::vector<std::string>& texts) {
    const auto [settings, model] = example::load<Settings, Model>(path);
    Sentences sentences;
    for (const auto& text : texts) {
        sentences.push_back({nn::split_words(text), {}, 0});
        if (sentences.back().words.empty()) fail("tag", "the sentence has no words");
    }
    const auto tags = tags_of(model, settings, sentences);
    std::size_t entities = 0;
    for (std::size_t s = 0; s < tags.size(); ++s) {
        const auto& words = sentences[s].words;
        for (std::size_t i = 0; i < words.size(); ++i)
            std::printf("%-20s %s\n", words[i].c_str(), tags[s][i].c_str());
        for (const auto& [type, begin, end] : nn::entities(tags[s])) {
            std::printf("  %s:", type.c_str());
            for (std::size_t i = begin; i < end; ++i) std::printf(" %s", words[i].c_str());
            std::printf("\n");
            ++entities;
        }
    }
    example::print_result({{"entities", entities}});
}

} // namespace ner

int main(int argc, char** argv) {
    using namespace ner;
    example::Commands program(
        "ner",
        "Tags named entities, from the embedding, the characters and the context of each word"
        "neighbours.",
        {"train", "train wnut17/wnut17train.conll wnut17/emerging.dev.conll --crf",
         "eval ner.safetensors wnut17/emerging.test.annotated",
         "tag ner.safetensors \"He said, Teddy Roosevelt was a great president\"",
         "train --crf --check-gradients"});
    program.train("train on tagged words", example::train<Training, Model>);
    std::string path, file = example::shipped("tagged.conll");
    std::vector<std::string> texts;
    CLI::App* command = program.add("eval", "precision, recall and F1 of entities", path,
                                    [&] { return run_eval(path, file); });
    command->add_option("FILE", file, "tagged words");

    command = program.add("tag", "tag sentences", path, [&] { return run_tag(path, texts); });
    command->add_option("SENTENCE", texts)->required();

    return program.run(argc, argv);
}
