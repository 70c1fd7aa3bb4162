#include "training.hpp"

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <optional>

namespace speech {

namespace {

// Features [T, B, width] of utterances, side by side.
struct Features {
    Tensor<float> x;
    std::vector<std::size_t> lengths;
};

Features side_by_side(std::span<const Tensor<float>> all) {
    Features f;
    std::size_t longest = 0;
    for (const auto& x : all) {
        f.lengths.push_back(x.shape(0));
        longest = std::max(longest, x.shape(0));
    }
    f.x = Tensor<float>::zeros({longest, all.size(), all[0].shape(1)});
    for (std::size_t b = 0; b < all.size(); ++b)
        f.x.select(1, b).slice(0, 0, f.lengths[b]).assign(all[b]);
    return f;
}

// Hides filters, with their slopes, and frames, twice each (Park et al. 2019: SpecAugment).
void hide(Tensor<float>& x, const FilterbankOptions& bank, std::size_t most, Random& random) {
    const auto cut = [&](std::size_t n) {
        const std::size_t width = std::min(random.below(most + 1), n / 4);
        const std::size_t begin = random.below(n - width + 1);
        return std::pair(begin, begin + width);
    };
    for (int i = 0; i < 2; ++i) {
        const auto [low, high] = cut(bank.filters);
        for (std::size_t order = 0; order <= bank.deltas; ++order)
            x.slice(1, order * bank.filters + low, order * bank.filters + high).fill(0);
        const auto [begin, end] = cut(x.shape(0));
        x.slice(0, begin, end).fill(0);
    }
}

Batch<float> batch_of(const Alphabet& alphabet, std::span<const Utterance> utterances,
                      std::span<const Tensor<float>> features) {
    auto [x, lengths] = side_by_side(features);
    std::vector<std::vector<std::int64_t>> symbols, spelled;
    for (const Utterance& u : utterances) {
        symbols.push_back(alphabet.encode(u.digits));
        spelled.push_back(symbols.back());
        spelled.back().push_back(0);
    }
    return {std::move(x), std::move(lengths), nn::pad_sequences(symbols, 0),
            nn::pad_sequences(spelled, -100).numbers};
}

// What is learned in an epoch: other strings, pauses and noise each time.
class Epochs {
public:
    Epochs(const Training& o, const Recordings& recordings, const Filterbank& filterbank,
           const Alphabet& alphabet)
        : o_(o), recordings_(recordings), filterbank_(filterbank), alphabet_(alphabet) {
        begin(0);
    }

    void begin(std::uint64_t epoch) {
        epoch_ = epoch;
        Random random = Random(o_.seed).split(2000 + epoch);
        choices_ = choose(recordings_.learned, task_of(o_.task), random);
        std::vector<std::size_t> samples;
        for (const Choice& choice : choices_) {
            samples.push_back(0);
            for (const std::size_t i : choice)
                samples.back() += recordings_.learned[i].samples.size();
        }
        buckets_.emplace(std::move(samples), o_.batch, o_.seed);
        buckets_->begin_epoch(epoch);
    }
    std::size_t batches() const { return choices_.size() / o_.batch; }

    Batch<float> batch(std::size_t number, std::size_t shard) const {
        std::vector<Utterance> utterances;
        std::vector<Tensor<float>> features;
        for (const std::size_t i : buckets_->part(number, shard, o_.shards)) {
            Random random = Random(o_.seed).split(3000 + epoch_).split(i);
            utterances.push_back(
                choices_[i].size() == 1 && random.uniform() < 0.5
                    ? alone(recordings_.learned[choices_[i][0]])
                    : join(recordings_.learned, choices_[i], recordings_.rate, random.split(1)));
            features.push_back(filterbank_(utterances.back().samples));
            hide(features.back(), filterbank_.options(), o_.mask, random);
        }
        return batch_of(alphabet_, utterances, features);
    }

private:
    const Training& o_;
    const Recordings& recordings_;
    const Filterbank& filterbank_;
    const Alphabet& alphabet_;
    std::uint64_t epoch_ = 0;
    std::vector<Choice> choices_;
    std::optional<example::Buckets> buckets_;
};

Settings settings_of(const example::Header& h) {
    return {h.word("model"), h.word("symbols"), h.size("hidden"), h.size("input"),
            h.real("dropout")};
}

} // namespace

Loaded::Loaded(const std::string& path)
    : header(path, "speech"), settings(settings_of(header)), alphabet(settings.symbols),
      filterbank({.rate = header.size("rate")}), task(header.word("task")),
      model(make_recogniser<float>(settings, alphabet)) {
    example::load(*model, path);
}

std::vector<Utterance> test_utterances(const Recordings& recordings, Task task) {
    Random random = Random(5).split(4000);
    std::vector<Utterance> all;
    for (const Choice& choice : choose(recordings.held_out, task, random))
        all.push_back(task == Task::single ? alone(recordings.held_out[choice[0]])
                                           : join(recordings.held_out, choice, recordings.rate,
                                                  random.split(all.size())));
    return all;
}

std::vector<Heard> hear(const Recogniser<float>& model, const Filterbank& filterbank,
                        std::span<const Utterance> utterances, const Search& search) {
    std::vector<Heard> heard(utterances.size());
    std::vector<std::size_t> order(utterances.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        return utterances[a].samples.size() < utterances[b].samples.size();
    });
    constexpr std::size_t at_once = 32;
    const std::size_t parts = (order.size() + at_once - 1) / at_once;
    threads::for_shards(parts, [&](std::size_t part) {
        const auto which = std::span(order).subspan(
            part * at_once, std::min(at_once, order.size() - part * at_once));
        std::vector<Tensor<float>> features;
        for (const std::size_t i : which) features.push_back(filterbank(utterances[i].samples));
        const auto [x, lengths] = side_by_side(features);
        Tape<float> tape;
        tape.set_recording(false);
        auto found = model.hear(tape, x, lengths, search);
        for (std::size_t b = 0; b < which.size(); ++b) heard[which[b]] = std::move(found[b]);
    });
    return heard;
}

double word_error_rate(const Alphabet& alphabet, std::span<const Utterance> utterances,
                       std::span<const Heard> heard) {
    std::size_t wrong = 0, said = 0;
    for (std::size_t i = 0; i < utterances.size(); ++i) {
        nn::Tokens truth;
        for (const std::size_t digit : utterances[i].digits) truth.push_back(words[digit]);
        wrong += nn::edit_distance(truth, alphabet.words_of(heard[i].symbols));
        said += truth.size();
    }
    return 100 * static_cast<double>(wrong) / static_cast<double>(said);
}

int check_gradients(Training o) {
    o.model.hidden = o.model.input = 4;
    o.model.dropout = 0;
    nn::seed(o.seed);
    const Alphabet alphabet(o.model.symbols);
    const auto model = make_recogniser<double>(o.model, alphabet);
    Batch<double> batch{Tensor<double>({16, 2, 4}), {16, 13}, {}, {}};
    Random(3).fill_normal(batch.x.data(), batch.x.size(), 0.0, 1.0);
    const std::vector<std::vector<std::int64_t>> symbols{{1, 2}, {3}}, spelled{{1, 2, 0}, {3, 0}};
    batch.symbols = nn::pad_sequences(symbols, 0);
    batch.spelled = nn::pad_sequences(spelled, -100).numbers;
    return o.inspection.check([&](Tape<double>& tape) { return model->loss(tape, batch); },
                              nn::named_parameters(*model));
}

int train(Training o) {
    if (o.resume) {
        const Loaded before(o.out);
        o.model = before.settings;
        o.task = before.task;
    }
    const Recordings recordings = read_recordings(o.recordings);
    const Filterbank filterbank({.rate = recordings.rate});
    const Alphabet alphabet(o.model.symbols);
    o.model.input = filterbank.width();
    nn::seed(o.seed);
    const auto model = make_recogniser<float>(o.model, alphabet);
    example::check_shards(o);
    Epochs epochs(o, recordings, filterbank, alphabet);
    const auto single = test_utterances(recordings, Task::single);
    const auto strings = test_utterances(recordings, Task::strings);
    std::printf("%zu recordings to learn and %zu to test with; %zu symbols; %zu parameters; "
                "%zu threads\n",
                recordings.learned.size(), recordings.held_out.size(), alphabet.size(),
                nn::parameter_count(*model), threads::count());

    example::Task task;
    task.batches = epochs.batches();
    task.units = static_cast<double>(o.batch);
    task.unit = "utterances";
    task.begin_epoch = [&](std::uint64_t epoch) { epochs.begin(epoch); };
    task.loss = [&](std::size_t shard, Tape<float>& tape, std::size_t batch) {
        return model->loss(tape, epochs.batch(batch, shard));
    };
    if (o.inspection.draws())
        return o.inspection.draw<float>([&](Tape<float>& tape) { return task.loss(0, tape, 0); });
    const auto rates = [&](const char* end, std::size_t beam) {
        const auto rate = [&](std::span<const Utterance> utterances) {
            const auto heard = hear(*model, filterbank, utterances, {.beam = beam});
            return word_error_rate(alphabet, utterances, heard);
        };
        return example::Figures{{std::string("wer_single") + end, rate(single)},
                                {std::string("wer_strings") + end, rate(strings)}};
    };
    task.glance = [&] { return rates("_greedy", 1); };
    task.result = [&] {
        auto figures = rates("_greedy", 1);
        for (auto& figure : rates("_beam", 8)) figures.push_back(figure);
        return figures;
    };
    task.words = {{"program", "speech"},
                  {"model", o.model.model},
                  {"symbols", o.model.symbols},
                  {"task", o.task},
                  {"rate", std::to_string(recordings.rate)},
                  {"input", std::to_string(o.model.input)},
                  {"hidden", std::to_string(o.model.hidden)},
                  {"dropout", number(o.model.dropout, 6)}};
    return example::train(o, task, optim::by_name<float>(nn::named_parameters(*model)));
}

} // namespace speech
