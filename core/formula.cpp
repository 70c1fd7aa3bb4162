#include <unroll/core/formula.hpp>

namespace unroll {

namespace {

using Kind = Formula::Kind;

// How tightly what was written binds; a looser argument is put in brackets.
enum Tightness { relation, sum, product, power, atom };

struct Written {
    std::string text;
    Tightness tightness;
};

// Writes terms as a line of text or of LaTeX, each with brackets where it needs them.
class Writer {
public:
    Writer(const Formula& formula, bool latex) : formula_(formula), latex_(latex) {
        for (const auto& term : formula.terms) written_.push_back(write(term));
    }

    const std::string& at(std::uint32_t term) const { return written_[term].text; }

private:
    Written write(const Formula::Term& term) const {
        const std::string& name = latex_ ? term.latex : term.text;
        const auto argument = [&](std::size_t k, Tightness least) {
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

    std::string bracketed(const Written& written, Tightness least) const {
        if (written.tightness >= least) return written.text;
        return (latex_ ? "\\left(" : "(") + written.text + (latex_ ? "\\right)" : ")");
    }

    const Formula& formula_;
    bool latex_;
    std::vector<Written> written_;
};

std::string lines(const Formula& formula, bool latex) {
    const Writer writer(formula, latex);
    std::string all;
    for (const auto& output : formula.outputs) {
        if (!all.empty()) all += latex ? " \\\\\n" : "\n";
        if (!output.name.empty()) all += output.name + " = ";
        all += writer.at(output.term);
    }
    return all;
}

} // namespace

std::string text(const Formula& formula) { return lines(formula, false); }
std::string latex(const Formula& formula) { return lines(formula, true); }

} // namespace unroll
