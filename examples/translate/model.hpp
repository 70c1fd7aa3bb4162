#pragma once

#include "data.hpp"

#include <variant>

namespace translate {

struct Settings {
    std::string model = "recurrent", attention = "dot"; // or transformer, which has its own
    std::size_t width = 256, hidden = 256;
    std::size_t layers = 3, heads = 4; // of a transformer
    double dropout = 0.3;
};

// The attention that a word names, "none" for none at all, so that the encoder's last state is all
// that the decoder knows.
template <class T>
class NamedAttention {
public:
    using value_type = T;
    struct Options {
        std::size_t query = 0, memory = 0;
        std::string name;
    };
    static constexpr bool answers_all = true;

    explicit NamedAttention(const Options& o) : chosen_(choose(o)) {}
    std::size_t context_width() const {
        return visit([](const auto& a) { return a.context_width(); });
    }
    nn::Memory<T> prepare(const Variable<T>& memory, const Mask& mask) const {
        return visit([&](const auto& a) {
            constexpr bool none = std::is_same_v<decltype(a), const nn::FixedContext<T>&>;
            return none ? a.prepare(slice(memory, 0, 0, 1)) : a.prepare(memory, mask);
        });
    }
    nn::Attended<T> operator()(const Variable<T>& queries, const nn::Memory<T>& memory) const {
        return visit([&](const auto& a) { return a(queries, memory); });
    }
    nn::Attended<T> step(const Variable<T>& query, const nn::Memory<T>& memory,
                         const Variable<T>& previous) const {
        return visit([&](const auto& a) { return a.step(query, memory, previous); });
    }
    void members(nn::Members<T>& m) {
        std::visit([&](auto& a) { m("", a); }, chosen_);
    }

private:
    using Chosen = std::variant<nn::FixedContext<T>, nn::DotAttention<T>, nn::GeneralAttention<T>,
                                nn::ConcatAttention<T>, nn::AdditiveAttention<T>>;
    template <class F>
    auto visit(const F& f) const {
        return std::visit(f, chosen_);
    }
    static Chosen choose(const Options& o) {
        if (o.name == "none") return nn::FixedContext<T>({o.query, o.memory, true});
        if (o.name == "dot") return nn::DotAttention<T>({o.query, o.memory});
        if (o.name == "general") return nn::GeneralAttention<T>({o.query, o.memory});
        if (o.name == "concat") return nn::ConcatAttention<T>({o.query, o.memory, o.query});
        if (o.name == "additive") return nn::AdditiveAttention<T>({o.query, o.memory, o.query});
        fail("translate", "there is no attention '" + o.name + "'");
    }

    Chosen chosen_;
};

// A bidirectional GRU reads, a GRU writes, attending after its step; or two Transformer stacks.
template <class T>
struct Model {
    using value_type = T;
    using Cell = nn::GruCell<T>;
    using Recurrent = nn::EncoderDecoder<Cell, Cell, NamedAttention<T>>;
    using Network = std::variant<Recurrent, nn::Transformer<T>>;

    Model(const Settings& s, std::size_t sources, std::size_t targets, std::int64_t start)
        : dropped(s.dropout), embed({.vocabulary = sources, .width = s.width}),
          net(network(s, targets, start)) {}

    static Network network(const Settings& s, std::size_t targets, std::int64_t start) {
        if (s.model == "transformer") {
            const nn::TransformerOptions stack{.width = s.width,
                                               .heads = s.heads,
                                               .layers = s.layers,
                                               .dropout = s.dropout,
                                               .norm_first = true,
                                               .positions = nn::Positions::sinusoidal};
            return nn::Transformer<T>(
                {.encoder = stack, .decoder = stack, .vocabulary = targets, .start = start});
        }
        return Recurrent({.encoder = {.input = s.width,
                                      .hidden = s.hidden,
                                      .bidirectional = true,
                                      .merge = nn::Merge::add},
                          .decoder = {.vocabulary = targets,
                                      .width = s.width,
                                      .hidden = s.hidden,
                                      .dropout = s.dropout,
                                      .attend = Recurrent::Writer::Options::Attend::after,
                                      .start = start,
                                      .attention = {.name = s.attention}}});
    }
    Variable<T> read(Tape<T>& tape, const Indices& sources) const {
        return dropout(embed(tape, sources), dropped);
    }
    // Targets of which those below 0 do not count.
    Variable<T> loss(Tape<T>& tape, const nn::PaddedBatch& sources, const Indices& targets,
                     double smoothing) const {
        const auto logits = std::visit(
            [&](const auto& net) {
                return net(read(tape, sources.numbers), targets, sources.lengths).logits;
            },
            net);
        return cross_entropy(logits, targets, {.smoothing = smoothing});
    }
    // What is written for sources [S, B], best first.
    auto write(Tape<T>& tape, const Indices& sources, std::span<const std::size_t> lengths,
               const nn::BeamOptions& options) const {
        return std::visit(
            [&](const auto& net) {
                return nn::beam_search(tape, net.step(), net.start(read(tape, sources), lengths),
                                       net.starts(lengths.size()), options);
            },
            net);
    }
    void members(nn::Members<T>& m) {
        m("embed", embed);
        std::visit([&](auto& net) { m("net", net); }, net);
    }

    double dropped;
    nn::Embedding<T> embed;
    Network net;
};

} // namespace translate
