#pragma once

#include <unroll/unroll.hpp>

#include <string>
#include <variant>

namespace example {

// An attention selected by name: none, dot, general, concat or additive. With "none" the decoder
// depends on the encoder's last state only.
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
    unroll::nn::KeyValues<T> prepare(const unroll::Variable<T>& memory,
                                     const unroll::Mask& mask) const {
        return visit([&](const auto& a) {
            constexpr bool none = std::is_same_v<decltype(a), const unroll::nn::FixedContext<T>&>;
            return none ? a.prepare(slice(memory, 0, 0, 1)) : a.prepare(memory, mask);
        });
    }
    unroll::nn::AttentionOutput<T> operator()(const unroll::Variable<T>& queries,
                                              const unroll::nn::KeyValues<T>& memory) const {
        return visit([&](const auto& a) { return a(queries, memory); });
    }
    unroll::nn::AttentionOutput<T> step(const unroll::Variable<T>& query,
                                        const unroll::nn::KeyValues<T>& memory,
                                        const unroll::Variable<T>& previous) const {
        return visit([&](const auto& a) { return a.step(query, memory, previous); });
    }
    void members(unroll::nn::Members<T>& m) {
        std::visit([&](auto& a) { m("", a); }, chosen_);
    }

private:
    using Chosen = std::variant<unroll::nn::FixedContext<T>, unroll::nn::DotAttention<T>,
                                unroll::nn::GeneralAttention<T>, unroll::nn::ConcatAttention<T>,
                                unroll::nn::AdditiveAttention<T>>;
    template <class F>
    auto visit(const F& f) const {
        return std::visit(f, chosen_);
    }
    static Chosen choose(const Options& o) {
        if (o.name == "none") return unroll::nn::FixedContext<T>({o.query, o.memory, true});
        if (o.name == "dot") return unroll::nn::DotAttention<T>({o.query, o.memory});
        if (o.name == "general") return unroll::nn::GeneralAttention<T>({o.query, o.memory});
        if (o.name == "concat") return unroll::nn::ConcatAttention<T>({o.query, o.memory, o.query});
        if (o.name == "additive")
            return unroll::nn::AdditiveAttention<T>({o.query, o.memory, o.query});
        unroll::fail("attention", "there is no attention '" + o.name + "'");
    }

    Chosen chosen_;
};

} // namespace example
