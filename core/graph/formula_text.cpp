#include <unroll/core/graph/formula_text.hpp>

namespace unroll {

namespace {

using Kind = Formula::Kind;

// Precedence of a written term's outermost operator. An argument with a lower precedence than its
// operator requires gets brackets.
enum Precedence { relation, sum, product, power, atom };

struct Written {
    std::string text;
    Precedence precedence;
};

// Writes terms as lines of text or LaTeX, with brackets only where precedence requires them. A
// named output and a long shared term get a separate line; later lines refer to them by name.
class Writer {
public:
    Writer(const Formula& formula, bool latex) : latex_(latex) {
        std::vector<int> uses(formula.terms.size(), 0);
        for (const auto& term : formula.terms)
            for (const std::uint32_t a : term.arguments) ++uses[a];
        for (std::uint32_t t = 0; t < formula.terms.size(); ++t) {
            Written written = write(formula.terms[t]);
            std::string name;
            bool is_output = false;
            for (const auto& output : formula.outputs) {
                if (output.term != t) continue;
                is_output = true;
                if (name.empty()) name = output.name;
            }
            if (!is_output && uses[t] > 1 && written.text.size() > longest)
                name = "t" + std::to_string(++shared_);
            if (!name.empty()) {
                line(name + " = " + written.text);
                written = {name, atom};
            } else if (is_output) {
                line(written.text);
            }
            written_.push_back(std::move(written));
        }
    }

    const std::string& lines() const { return lines_; }

private:
    Written write(const Formula::Term& term) const {
        const std::string& name = latex_ ? term.latex : term.text;
        const auto argument = [&](std::size_t k, Precedence least) {
            return bracketed(written_[term.arguments[k]], least);
        };
        switch (term.kind) {
        case Kind::input: return {name, atom};
        case Kind::number: return {name, name.starts_with('-') ? sum : atom};
        case Kind::sum: return {argument(0, sum) + " + " + argument(1, sum), sum};
        case Kind::difference:
            return {argument(0, sum) + (latex_ ? " - " : " − ") + argument(1, product), sum};
        case Kind::product:
            return {argument(0, product) + (latex_ ? " \\cdot " : "·") + argument(1, product),
                    product};
        case Kind::quotient:
            if (latex_)
                return {"\\frac{" + argument(0, relation) + "}{" + argument(1, relation) + "}",
                        atom};
            return {argument(0, product) + " / " + argument(1, power), product};
        case Kind::negative: return {(latex_ ? "-" : "−") + argument(0, power), sum};
        case Kind::power:
            if (term.arguments.size() == 1) return {argument(0, atom) + name, power};
            if (latex_) return {argument(0, atom) + "^{" + argument(1, relation) + "}", power};
            return {argument(0, atom) + "^" + argument(1, atom), power};
        case Kind::relation:
            return {argument(0, sum) + " " + name + " " + argument(1, sum), relation};
        case Kind::function: break;
        }
        std::string arguments;
        for (std::size_t k = 0; k < term.arguments.size(); ++k)
            arguments += (k > 0 ? ", " : "") + argument(k, relation);
        return {name + (latex_ ? "\\left(" : "(") + arguments + (latex_ ? "\\right)" : ")"), atom};
    }

    std::string bracketed(const Written& written, Precedence least) const {
        if (written.precedence >= least) return written.text;
        return (latex_ ? "\\left(" : "(") + written.text + (latex_ ? "\\right)" : ")");
    }

    void line(const std::string& text) {
        if (!lines_.empty()) lines_ += latex_ ? " \\\\\n" : "\n";
        lines_ += text;
    }

    static constexpr std::size_t longest = 24; // characters
    bool latex_;
    int shared_ = 0;
    std::vector<Written> written_;
    std::string lines_;
};

} // namespace

std::string text(const Formula& formula) { return Writer(formula, false).lines(); }
std::string latex(const Formula& formula) { return Writer(formula, true).lines(); }

} // namespace unroll
