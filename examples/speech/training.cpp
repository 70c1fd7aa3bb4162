#include "training.hpp"

#include <algorithm>
#include <numeric>

namespace speech {

namespace {

// Masks filters, with their slopes, and frames, twice each (SpecAugment, Park et al. 2019).
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
    auto [x, lengths] = nn::pad_frames<float>(features);
    std::vector<std::vector<std::int64_t>> symbols, spelled;
    for (const Utterance& u : utterances) {
        symbols.push_back(alphabet.encode(u.digits));
        spelled.push_back(symbols.back());
        spelled.back().push_back(0);
    }
    return {std::move(x), std::move(lengths), nn::pad_sequences(symbols, 0),
            nn::pad_sequences(spelled, -100).numbers};
}

// The number of digits of each utterance of an epoch: every recording individually and a third as
// many strings, or only one of both kinds.
std::vector<std::size_t> digits_of(std::size_t recordings, const std::string& task) {
    std::vector<std::size_t> all;
    if (task != "strings") all.assign(recordings, 1);
    for (std::size_t i = 0; task != "single" && i < (recordings + 2) / 3; ++i)
        all.push_back(3 + i % 4);
    return all;
}

} // namespace

Loaded::Loaded(const std::string& path)
    : settings(example::read<Settings>(path)), alphabet(settings.symbols),
      filterbank({.sample_rate = settings.sample_rate}),
      model(
          example::within_file(path, [&] { return make_recogniser<float>(settings, alphabet); })) {
    optim::load_weights(path, parameters(*model));
}

std::vector<Recognition> recognise(const Recogniser<float>& model, const Filterbank& filterbank,
                                   std::span<const Utterance> utterances, const Search& search) {
    std::vector<Recognition> recognised(utterances.size());
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
        const auto [x, lengths] = nn::pad_frames<float>(features);
        auto found = model.recognise(x, lengths, search);
        for (std::size_t b = 0; b < which.size(); ++b) recognised[which[b]] = std::move(found[b]);
    });
    return recognised;
}

double word_error_rate(const Alphabet& alphabet, std::span<const Utterance> utterances,
                       std::span<const Recognition> recognised) {
    std::size_t wrong = 0, said = 0;
    for (std::size_t i = 0; i < utterances.size(); ++i) {
        nn::Tokens truth;
        for (const std::size_t digit : utterances[i].digits) truth.push_back(words[digit]);
        wrong += nn::edit_distance(truth, alphabet.words_of(recognised[i].symbols));
        said += truth.size();
    }
    return 100 * static_cast<double>(wrong) / static_cast<double>(said);
}

namespace {

int check_gradients(Training o) {
    o.model.hidden = o.model.input = 4;
    o.model.channels = 2;
    o.model.dropout = 0;
    nn::seed(o.seed);
    const Alphabet alphabet(o.model.symbols);
    const auto model = make_recogniser<double>(o.model, alphabet);
    Batch<double> batch{Tensor<double>({16, 2, 4}), {16, 13}, {}, {}};
    Random(3).fill_normal(batch.x.data(), batch.x.size(), 0.0, 1.0);
    const std::vector<std::vector<std::int64_t>> symbols{{1, 2}, {3}}, spelled{{1, 2, 0}, {3, 0}};
    batch.symbols = nn::pad_sequences(symbols, 0);
    batch.spelled = nn::pad_sequences(spelled, -100).numbers;
    return o.inspection.check([&] { return model->loss(batch); }, parameters(*model));
}

} // namespace

int train(Training o) {
    if (o.inspection.checks()) return check_gradients(o);
    if (o.resume) {
        o.continue_order();
        o.model = example::read<Settings>(o.out);
    }
    const Recordings recordings = read_recordings(o.recordings);
    const Filterbank filterbank({.sample_rate = recordings.sample_rate});
    const Alphabet alphabet(o.model.symbols);
    o.model.sample_rate = recordings.sample_rate;
    o.model.input = filterbank.width();
    o.model.channels = 1 + filterbank.options().deltas;
    nn::seed(o.seed);
    const auto model = make_recogniser<float>(o.model, alphabet);
    const auto single = test_recordings(recordings), strings = test_strings(recordings);

    // Pauses, noise and strings are drawn again each time.
    const auto digits = digits_of(recordings.training.size(), o.model.task);
    const auto spoken = [&](std::size_t i, Random& random) {
        if (digits[i] > 1)
            return join(recordings.training, draw_string(recordings.training, digits[i], random),
                        recordings.sample_rate, random);
        return random.uniform() < 0.5
                   ? alone(recordings.training[i])
                   : join(recordings.training, std::array{i}, recordings.sample_rate, random);
    };
    const auto loss = [&](std::span<const std::size_t> which) {
        std::vector<Utterance> utterances;
        std::vector<Tensor<float>> features;
        for (const std::size_t i : which) {
            utterances.push_back(spoken(i, current_random()));
            features.push_back(filterbank(utterances.back().samples));
            hide(features.back(), filterbank.options(), o.mask, current_random());
        }
        return model->loss(batch_of(alphabet, utterances, features));
    };
    const auto rates = [&](const char* end, std::size_t beam) {
        const auto rate = [&](std::span<const Utterance> utterances) {
            const auto recognised = recognise(*model, filterbank, utterances, {.beam = beam});
            return word_error_rate(alphabet, utterances, recognised);
        };
        return example::Figures{{std::string("wer_single") + end, rate(single)},
                                {std::string("wer_strings") + end, rate(strings)}};
    };
    example::Task task;
    task.about =
        fmt::format("{} training recordings, {} test recordings; {} symbols",
                    recordings.training.size(), recordings.held_out.size(), alphabet.size());
    task.metrics = [&] { return rates("_greedy", 1); };
    task.result = [&] {
        auto figures = rates("_greedy", 1);
        for (auto& figure : rates("_beam", 8)) figures.push_back(figure);
        return figures;
    };
    task.metadata = example::metadata(o.model);
    return example::learn(o, {digits, o.batch, o.seed}, task, loss, parameters(*model));
}

} // namespace speech
