#include "model.hpp"

#include <cstdio>

namespace music {

struct Training : example::TrainingOptions {
    std::string data;
    Settings model;
    std::size_t transpose = 5;

    Training() {
        batch = 4;
        shards = 1;
        minutes = 0;
        epochs = 120;
        out = "music.safetensors";
    }
    void fields(example::Fields& f) {
        f.takes("DATA", data, "JSON file", example::Existing::file);
        model.fields(f);
        f.takes("--transpose", transpose, "move pieces at random by up to so many keys",
                example::Between{0, 12});
        TrainingOptions::fields(f, "pieces in a batch");
    }
};

Chorales chorales_of(const std::string& path) {
    return path.empty() ? made_up(Random(5)) : read_chorales(path);
}

int train(Training o) {
    if (o.resume) o.model = example::read<Settings>(o.out);
    const Chorales chorales = chorales_of(o.data);
    nn::seed(o.seed);
    Model<float> model(o.model);
    std::printf("%zu pieces to learn, %zu to test; %zu parameters\n", chorales.train.size(),
                chorales.test.size(), nn::parameter_count(model));
    const auto loss = [&](Tape<float>& tape, std::span<const std::size_t> which) {
        std::vector<int> up(which.size());
        for (int& by : up)
            by = static_cast<int>(tape.random().below(2 * o.transpose + 1)) -
                 static_cast<int>(o.transpose);
        return model.loss(tape, Batch<float>(chorales.train, which, up));
    };
    example::Task task;
    task.unit = "pieces";
    task.glance = [&] {
        return example::Figures{{"validation_nats", evaluate(model, chorales.valid)}};
    };
    task.result = [&] {
        return example::Figures{{"validation_nats", evaluate(model, chorales.valid)},
                                {"test_nats", evaluate(model, chorales.test)}};
    };
    task.words = example::words(o.model);
    return example::learn(o, {chorales.train.size(), o.batch, o.seed}, task, loss,
                          example::named(model));
}

int check_gradients(Training o) {
    nn::seed(o.seed);
    o.model.hidden = 3;
    o.model.dropout = 0;
    Model<double> model(o.model);
    const std::vector<Piece> pieces{{{40, 44}, {40, 47}, {}, {42}}, {{30}, {31, 35}}};
    const Batch<double> batch(pieces, std::vector<std::size_t>{0, 1});
    return o.inspection.check([&](Tape<double>& tape) { return model.loss(tape, batch); },
                              nn::named_parameters(model));
}

int run_eval(const std::string& path, const std::string& data) {
    const auto [settings, model] = example::load<Settings, Model<float>>(path);
    const Chorales chorales = chorales_of(data);
    std::size_t frames = 0;
    for (const Piece& piece : chorales.test) frames += piece.size() - 1;
    example::print_figures(
        {{"test_nats", evaluate(model, chorales.test)}},
        {{"frames", std::to_string(frames)}, {"pieces", std::to_string(chorales.test.size())}});
    return 0;
}

int run_sample(const std::string& path, const Sampling& how) {
    Piece piece = sample(example::load<Settings, Model<float>>(path).model, how);
    std::size_t notes = 0;
    for (Frame& frame : piece) {
        std::ranges::sort(frame);
        notes += frame.size();
        for (const std::size_t key : frame) std::printf("%zu ", key + lowest);
        std::printf("\n");
    }
    write_file_atomically(how.out, midi(piece, how.tempo));
    example::print_result({{"frames", std::to_string(piece.size())},
                           {"notes", std::to_string(notes)},
                           {"midi", how.out}});
    return 0;
}

} // namespace music

int main(int argc, char** argv) {
    using namespace music;
    example::Commands program(
        "music",
        "Four-part chorales: from one chord to a piece. Reads a JSON file of pieces, each a list "
        "of frames, each a list of MIDI numbers; without one, it makes up cadences.",
        {"train jsb-chorales-quarter.json --transpose 5",
         "eval music.safetensors jsb-chorales-quarter.json",
         "sample music.safetensors --chord 55,62,67,71 -o piece.mid"});
    program.train("learn pieces", train, check_gradients);
    std::string path, data;
    Sampling how;
    program.add("eval", "how well a model predicts pieces", [&] { return run_eval(path, data); })
        .model(path)
        .takes("DATA", data, "JSON file", example::Existing::file);
    how.fields(
        program.add("sample", "let a model write a piece", [&] { return run_sample(path, how); })
            .model(path));
    return program.run(argc, argv);
}
