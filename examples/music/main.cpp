#include "../common/learning.hpp"
#include "pieces.hpp"

namespace music {

using namespace unroll;
constexpr std::size_t keys = piano_keys;

struct Settings : example::NetworkOptions {
    static constexpr const char* program = "music";

    Settings() : NetworkOptions{.hidden = 256} {}
};

// A logit for every key of the next frame.
template <class T>
struct Model {
    using value_type = T;
    double dropped;
    nn::Linear<T> in;
    example::Network<T> net;
    nn::Linear<T> head;

    explicit Model(const Settings& o)
        : dropped(o.dropout), in({.input = keys, .output = o.width()}), net(o, o.width()),
          head({.input = o.width(), .output = keys}) {}

    Variable<T> operator()(const Variable<T>& frames, example::Carried<T>* carried = {}) const {
        return head(dropout(net(dropout(in(frames), dropped), {}, carried), dropped));
    }
    // The summed cross entropy over all frames except the first of each piece, in nats, and the
    // number of these frames. Each piece is randomly transposed by up to `transpose` keys.
    std::pair<Variable<T>, T> nats(const std::vector<Piece>& pieces, example::Numbers which,
                                   std::size_t transpose = 0) const {
        std::vector<Tensor<T>> rolls;
        for (const std::size_t i : which) {
            const auto up =
                static_cast<std::ptrdiff_t>(current_random<T>().below(2 * transpose + 1));
            rolls.push_back(piano_roll<T>(pieces[i], up - static_cast<std::ptrdiff_t>(transpose)));
        }
        auto [frames, lengths] = nn::pad_frames<T>(rolls);
        for (std::size_t& n : lengths) --n; // the last frame has no target
        const std::size_t end = frames.shape(0);
        const Indices at = example::steps_within(lengths);
        const auto logits = example::rows((*this)(Variable(frames.slice(0, 0, end - 1))), at);
        const auto next = example::rows(Variable(frames.slice(0, 1, end)), at);
        return {binary_cross_entropy(logits, next) * static_cast<T>(next.size()),
                static_cast<T>(at.size())};
    }
    void members(nn::Members<T>& m) { m("in", in)("net", net)("head", head); }
};

// The mean over all frames except the first of each piece, and the number of frames.
std::pair<double, double> nats_a_frame(const Model<float>& model, const std::vector<Piece>& all) {
    double total = 0, frames = 0;
    example::in_batches(all.size(), 20, [&](const auto& which) {
        const auto [nats, n] = model.nats(all, which);
        total += static_cast<double>(nats.item());
        frames += static_cast<double>(n);
    });
    return {total / frames, frames};
}

struct Training : example::TrainingOptions {
    std::string data = example::shipped("chorales.json");
    Settings model;
    std::size_t transpose = 5;
    Pieces pieces;

    Training()
        : TrainingOptions{.batch = 4,
                          .shards = 1,
                          .minutes = 0,
                          .epochs = 120,
                          .out = "music.safetensors",
                          .unit = "pieces"} {}
    void options(CLI::App& command) {
        command.add_option("DATA", data, "JSON file")->check(CLI::ExistingFile);
        model.fields(command);
        command.add_option("--transpose", transpose, "largest random transposition, in keys")
            ->check(CLI::Range(0, 12));
        TrainingOptions::options(command, "pieces in a batch");
    }
    void shrink() { model.hidden = 3; }
    std::string prepare() {
        pieces = read_pieces(data);
        return fmt::format("{} training pieces, {} test pieces", pieces.train.size(),
                           pieces.test.size());
    }
    nn::ShuffledBatches source() const { return {pieces.train.size(), batch, seed}; }
    template <class T>
    Variable<T> loss(const Model<T>& net, example::Numbers which) const {
        const auto [nats, frames] = net.nats(pieces.train, which, transpose);
        return nats / frames;
    }
    example::Figures figures(const Model<float>& net, bool last) const {
        example::Figures all{{"validation_nats", nats_a_frame(net, pieces.valid).first}};
        if (last) all.emplace_back("test_nats", nats_a_frame(net, pieces.test).first);
        return all;
    }
};

void run_eval(const std::string& path, const std::string& data) {
    const auto pieces = read_pieces(data).test;
    const auto [nats, frames] = nats_a_frame(example::load<Settings, Model>(path).model, pieces);
    example::print_result({{"test_nats", nats}},
                          {{"frames", frames, 0}, {"pieces", pieces.size()}});
}

struct Sampling {
    std::string path, chord = "48,64,67,72", out = "music.mid";
    std::size_t length = 64, voices = 4, seed = 1;
    double temperature = 0.7, tempo = 90;

    void options(CLI::App& command) {
        command.add_option("--chord", chord, "first chord, as MIDI numbers");
        command.add_option("--length", length, "quarter notes")->check(CLI::Range(1, 100000));
        command.add_option("--voices", voices, "largest number of simultaneous keys")
            ->check(CLI::Range(std::size_t{1}, keys));
        command
            .add_option("--temperature", temperature,
                        "1: the distribution of the model; below 1: sharper")
            ->check(CLI::PositiveNumber);
        command.add_option("--tempo", tempo, "quarter notes per minute")
            ->check(CLI::Range(4.0, 1000.0));
        command.add_option("--seed", seed);
        command.add_option("-o,--out", out, "MIDI file");
    }
    // Each key sounds with its predicted probability, the likeliest keys first, up to the number of
    // voices.
    Piece draw(const Model<float>& model) const {
        Piece piece{read_chord(chord)};
        Random random(seed);
        example::Carried<float> carried;
        while (piece.size() < length) {
            const auto last = Variable(piano_roll<float>({piece.back()}));
            const auto logits = model(expand_dims(last, 1), &carried);
            const auto likely = topk(sigmoid(logits / static_cast<float>(temperature)), keys);
            auto& next = piece.emplace_back();
            for (std::size_t k = 0; k < keys && next.size() < voices; ++k)
                if (random.uniform() < static_cast<double>(likely.values(0, 0, k)))
                    next.push_back(lowest_key + static_cast<std::size_t>(likely.indices(0, 0, k)));
            std::ranges::sort(next);
        }
        return piece;
    }
    void run() const {
        const Piece piece = draw(example::load<Settings, Model>(path).model);
        std::size_t notes = 0;
        for (const auto& chord : piece) {
            for (const std::size_t pitch : chord) std::printf("%zu ", pitch);
            std::printf("\n");
            notes += chord.size();
        }
        write_file_atomically(out, midi(piece, tempo));
        example::print_result({{"frames", piece.size()}, {"notes", notes}, {"midi", out}});
    }
};

} // namespace music

int main(int argc, char** argv) {
    using namespace music;
    example::Commands program(
        "music",
        "Models and generates four-part chorales. Reads a JSON file of pieces, each a list "
        "of frames, each a list of MIDI numbers.",
        {"train jsb-chorales-quarter.json --transpose 5",
         "eval music.safetensors jsb-chorales-quarter.json",
         "sample music.safetensors --chord 55,62,67,71 -o piece.mid"});
    program.train("train on pieces", example::train<Training, Model>);
    std::string path, data = example::shipped("chorales.json");
    Sampling how;
    CLI::App* command = program.add("eval", "evaluate a model on pieces", path,
                                    [&] { return run_eval(path, data); });
    command->add_option("DATA", data, "JSON file")->check(CLI::ExistingFile);

    how.options(*program.add("sample", "generate a piece", how.path, [&] { return how.run(); }));
    return program.run(argc, argv);
}
