#include "model.hpp"

#include <cstdio>

#include <CLI/CLI.hpp>

namespace music {

struct Training : example::TrainingOptions {
    std::string data;
    example::NetworkOptions model;
    std::size_t transpose = 0;

    Training() {
        batch = 16;
        epochs = 100;
        model.hidden = 256;
        model.dropout = 0.5;
        out = "music.safetensors";
    }
};

Chorales chorales_of(const std::string& path) {
    return path.empty() ? made_up(Random(5)) : read_chorales(path);
}

Model<float> read_model(const std::string& path) {
    return example::load<Model<float>>(
        path, example::NetworkOptions::from(example::Header(path, "music")));
}

int train(Training o) {
    if (o.resume) o.model = example::NetworkOptions::from(example::Header(o.out, "music"));
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
    task.words = o.model.words("music");
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
    const auto model = read_model(path);
    const Chorales chorales = chorales_of(data);
    std::size_t frames = 0;
    for (const Piece& piece : chorales.test) frames += piece.size() - 1;
    example::print_figures(
        {{"test_nats", evaluate(model, chorales.test)}},
        {{"frames", std::to_string(frames)}, {"pieces", std::to_string(chorales.test.size())}});
    return 0;
}

int run_sample(const std::string& path, const Sampling& how) {
    Piece piece = sample(read_model(path), how);
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
    CLI::App app{
        "Four-part chorales: from one chord to a piece. Reads a JSON file of pieces, each a "
        "list of frames, each a list of MIDI numbers; without one, it makes up cadences."};
    app.footer("Examples:\n"
               "  music train jsb-chorales-quarter.json --transpose 5\n"
               "  music eval music.safetensors jsb-chorales-quarter.json\n"
               "  music sample music.safetensors --chord 55,62,67,71 -o piece.mid");
    app.require_subcommand(1);
    Training o;
    auto* train_command = app.add_subcommand("train", "learn pieces");
    train_command->add_option("DATA", o.data, "JSON file")->check(CLI::ExistingFile);
    o.model.add_to(*train_command);
    train_command
        ->add_option("--transpose", o.transpose, "move pieces at random by up to so many keys")
        ->check(CLI::Range(0, 12));
    o.add_to(*train_command, "pieces in a batch");
    std::string path, data;
    auto* eval_command = app.add_subcommand("eval", "how well a model predicts pieces");
    eval_command->add_option("MODEL", path)->required()->check(CLI::ExistingFile);
    eval_command->add_option("DATA", data, "JSON file")->check(CLI::ExistingFile);
    Sampling how;
    auto* sample_command = app.add_subcommand("sample", "let a model write a piece");
    sample_command->add_option("MODEL", path)->required()->check(CLI::ExistingFile);
    sample_command->add_option("--chord", how.chord, "what it begins with, as MIDI numbers")
        ->capture_default_str();
    sample_command->add_option("--length", how.length, "quarter notes")
        ->capture_default_str()
        ->check(CLI::Range(1, 100000));
    sample_command->add_option("--voices", how.voices, "most keys at once")
        ->capture_default_str()
        ->check(CLI::Range(1, 88));
    sample_command->add_option("--temperature", how.temperature, "below 1: surer; 1: as learned")
        ->capture_default_str()
        ->check(CLI::PositiveNumber);
    sample_command->add_option("--tempo", how.tempo, "quarter notes in a minute")
        ->capture_default_str()
        ->check(CLI::Range(4.0, 1000.0));
    sample_command->add_option("--seed", how.seed)->capture_default_str();
    sample_command->add_option("-o,--out", how.out, "MIDI file")->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    return example::guarded("music", [&] {
        if (*train_command) return o.inspection.checks() ? check_gradients(o) : train(o);
        return *eval_command ? run_eval(path, data) : run_sample(path, how);
    });
}
