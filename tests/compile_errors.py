#!/usr/bin/env python3
"""Compiles small programs with mistakes in them: the first error must be one line that says what to write.

usage: compile_errors.py INCLUDE COMPILER...
"""
import pathlib
import subprocess
import sys
import tempfile

HEADERS = "headers.hpp"  # all headers of the programs, precompiled
MOST_LINES = 12  # of the compiler's output, without the list of including files


def fuse(lambda_, operands="x"):
    return ("ops/fuse/fuse", f'void f(Variable<float> x, double n) {{ fuse("f", {lambda_}, {operands}); }}')


PROJECT = "Variable<float> project(const Variable<float>& x) const { return x; }"
STEP = "Variable<float> step(const Variable<float>& z, const Variable<float>& h) const { return z + h; }"
MADE = "Cell(std::size_t, std::size_t) {}"


def cell(project=PROJECT, step=STEP, made=MADE, net="nn::Recurrent<Cell>"):
    return ("nn/recurrent/recurrent",
            f"struct Cell {{ {made} {project} {step} }};\n"
            f"void f() {{ {net} net({{.input = 1, .hidden = 1}});\n"
            "auto y = net(Tensor<float>::ones({1, 1, 1})).output; parameters(net); }")


MEMBERS = "void members(nn::Members<float>&) {}"


def module(members, child="nn::Linear<float> child{{.input = 1, .output = 1}};", use="Net net; parameters(net);"):
    return ("nn/layers/layers", f"struct Child {{}};\nstruct Net {{ {child} {members} }};\nvoid f() {{ {use} }}")


CONSTANTS = 'static constexpr bool uses_previous = false; static constexpr const char* name = "S";'
KEYS = "Variable<float> keys(const Variable<float>& memory) const { return memory; }"
SCORES = ("Variable<float> operator()(const Variable<float>& q, const Variable<float>&, const Variable<float>&) "
          "const { return q; }")


def score(members=MEMBERS, constants=CONSTANTS, keys=KEYS, scores=SCORES, made="explicit S(const Options& o) : options(o) {}"):
    return ("nn/attention/attention",
            "struct S { using value_type = float; struct Options { std::size_t query = 0, memory = 0; } options;\n"
            f"{made} {constants} {keys} {scores} {members} }};\n"
            "void f() { nn::Attention<S> a({.query = 1, .memory = 1}); const auto x = Tensor<float>::ones({1, 1, 1});\n"
            "auto y = a(x, a.prepare(x)).context; parameters(a); }")


WIDTH = "std::size_t context_width() const { return 1; }"
PREPARE = "nn::KeyValues<float> prepare(const Variable<float>&, const Mask&) const { return {}; }"
ATTEND = ("nn::AttentionOutput<float> step(const Variable<float>&, const nn::KeyValues<float>&, "
          "const Variable<float>&) const { return {}; }")


def attention(width=WIDTH, prepare=PREPARE, step=ATTEND, members=MEMBERS, cells="nn::LstmCell<>, nn::LstmCell<>"):
    return ("nn/attention/seq2seq",
            "#include <unroll/nn/recurrent/lstm.hpp>\nstruct Bad {};\n"
            "struct A { struct Options { std::size_t query = 0, memory = 0; }; explicit A(const Options&) {}\n"
            f"{width} {prepare} {step} {members} }};\n"
            f"void f() {{ nn::EncoderDecoder<{cells}, A> net({{.encoder = {{.input = 1, .hidden = 1}},\n"
            ".decoder = {.vocabulary = 3, .width = 1, .hidden = 1}});\n"
            "net(Tensor<float>::ones({1, 1, 1}), Indices::zeros({1, 1})); parameters(net); }")


def mixture(code):
    return ("nn/layers/layers", "#include <unroll/ops/loss.hpp>\n#include <unroll/ops/matrix.hpp>\n#include <unroll/ops/reduce.hpp>\n"
            "#include <unroll/optim/optimizer.hpp>\nvoid f(Variable<float> x, Variable<double> y, Tensor<float> t, Tensor<double> u) "
            f"{{ nn::Linear<double> l({{.input = 1, .output = 1}});\n{code} }}")


NO_BOOL = "a comparison of many numbers at once is not a bool; write where(a > 0, x, y)"
NO_NUMBER = "write tanh(a) for std::tanh(a), and `auto` for float or double"
CAPTURES = "captures by reference or by `this`"
NO_OPERAND = "pass it to fuse() as another operand"
NO_REDUCTION = "so sum, mean, softmax, dot and the like have nothing to reduce"
NO_MASK = "a Mask or Indices is no operand"
NO_MIXTURE = "float and double do not mix: tape, layers, optimiser and tensors are of one type"
NO_PARAMETERS = "an optimiser takes the parameters of a model: optim::Adam adam(parameters(model))"
NO_AUTO = "write `auto` for the types of its parameters"
NO_RESULT = "the lambda must return a number or outputs(a, b, ...)"
NO_PROJECT = "a recurrent cell needs a public function Variable<T> project(const Variable<T>& x) const"
NO_STEP = "a recurrent cell needs a public function State<T, N> step(const Variable<T>& z, const State<T, N>& state) const"
NO_STATE = "step() of a recurrent cell must return what it takes"
NO_CELL = "a recurrent layer constructs its cells as Cell(input, hidden)"
NO_MEMBERS = "a module needs a public member function that names its parameters and children: void members(nn::Members<T>& m)"

# name: (program, words of the first error[, most lines]); without words, it compiles.
NO_AXIS = "axes go in braces, as in sum(x, {0})"
NO_ASSIGNMENT = "an element or a view of a variable cannot be assigned"

CASES = {
    "fuse: as it should be": (fuse("[n](auto a, auto b) { const auto y = n * a; auto c = a > 0 && !(b <= n) || b == 1;"
                                   "return outputs(where(c, tanh(y), 0), pow(a, 2.0) - min(b, 1.0f) / max(1, a),"
                                   "clamp(a, -1, 1) + elu(b) + leaky_relu(b, 0.1) + decltype(a)(1), 3.0); }", "x, 2.0"), ""),
    "fuse: without `using namespace unroll`": (
        ("ops/fuse/fuse", "auto g = [](auto a, auto b) { return outputs(min(tanh(a), 1.0), where(a > b, a, max(b, a))); };\n"
         'void f(unroll::Variable<float> x) { unroll::fuse("f", g, x, x); }'), ""),
    "fuse: named": (fuse('named("a -> b", [](auto a) { return -a; })'), ""),
    "fuse: if": (fuse("[](auto a) { if (a > 0) return a; return -a; }"), NO_BOOL),
    "fuse: if, of two operands": (fuse("[](auto a, auto b) { if (a < b) return a * b; return 2 * b; }", "x, x"), NO_BOOL),
    "fuse: else": (fuse("[](auto a) { auto y = a; if (a == 0 || a > 3) y = 1; else y = 2; return y; }"), NO_BOOL),
    "fuse: ? :": (fuse("[](auto a) { return a > 0 ? a : -a; }"), NO_BOOL),
    "fuse: while": (fuse("[](auto a) { auto y = a; while (y > 1) y = y / 2; return y; }"), NO_BOOL),
    "fuse: a bool": (fuse("[](auto a) { const bool positive = a > 0; return positive * a; }"), NO_BOOL),
    "fuse: if in a named lambda": (fuse('named("a", [](auto a) { if (a > 0) return a; return -a; })'), NO_BOOL),
    "fuse: std::max": (fuse("[](auto a, auto b) { return std::max(a, b); }", "x, x"), "maximum(a, b) for std::max(a, b)"),
    "fuse: [](float a)": (fuse("[](float a) { return a; }"), NO_AUTO),
    "fuse: [](double a, double b)": (fuse("[](double a, double b) { return a * b; }", "x, x"), NO_AUTO),
    "fuse: [](auto a, float b)": (fuse("[](auto a, float b) { return a * b; }", "x, x"), NO_NUMBER),
    "fuse: a named lambda of float": (fuse('named("a", [](float a) { return a; })'), NO_AUTO),
    "fuse: a float within": (fuse("[](auto a) { const float b = a; return a * b; }"), NO_NUMBER),
    "fuse: std::tanh": (fuse("[](auto a) { return std::tanh(a); }"), NO_NUMBER),
    "fuse: std::exp in a sum": (fuse("[](auto a) { return 2 * a + std::exp(-a); }"), NO_NUMBER),
    "fuse: std::pow": (fuse("[](auto a) { return a * std::pow(a, 2); }"), NO_NUMBER),
    "fuse: std::abs": (fuse("[](auto a) { return std::abs(a); }"), NO_NUMBER),
    "fuse: +=": (fuse("[](auto a, auto b) { auto y = a; y += b; return y; }", "x, x"), "have no +=, -=, *=, /="),
    "fuse: too few parameters": (fuse("[](auto a) { return a; }", "x, x"), "must take one parameter for each operand"),
    "fuse: std::max of a number": (fuse("[](auto a) { return std::max(a, 0.0); }"), "maximum(a, b) for std::max(a, b)"),
    "fuse: std::min of a number": (fuse("[](auto a) { return a * std::min(1, a); }"), "maximum(a, b) for std::max(a, b)"),
    "fuse: std::clamp": (fuse("[](auto a) { return std::clamp(a, 0.0, 1.0); }"), NO_BOOL),
    "fuse: maximum, with `using namespace std`": (
        ("ops/fuse/fuse", "using namespace std;\nvoid f(Variable<float> x) { fuse(\"f\", [](auto a, auto b) { "
         "return max(a, 0.0) + min(1, b) * clamp(a, -1, 1); }, x, x); }"), ""),
    "fuse: sum": (fuse("[](auto a) { return a / sum(a); }"), NO_REDUCTION),
    "fuse: sum over an axis": (fuse("[](auto a) { return a / sum(a, {0}, true); }"), NO_REDUCTION),
    "fuse: mean": (fuse("[](auto a, auto b) { return (a - mean(a)) * b; }", "x, x"), NO_REDUCTION),
    "fuse: softmax": (fuse("[](auto a) { return softmax(a, -1); }"), NO_REDUCTION),
    "fuse: logsumexp": (fuse('named("a", [](auto a) { return a - logsumexp(a, {-1}); })'), NO_REDUCTION),
    "fuse: argmax": (fuse("[](auto a) { return a * argmax(a); }"), NO_REDUCTION),
    "fuse: a Mask as an operand": (fuse("[](auto a, auto m) { return a * m; }", "x, Mask::ones({2})"), NO_MASK),
    "fuse: a Mask as the first operand": (fuse("[](auto m, auto a) { return a * m; }", "Mask::ones({2}), x"), NO_MASK),
    "fuse: Indices as an operand": (fuse("[](auto a, auto i) { return a * i; }", "x, Indices::ones({2})"), NO_MASK),
    "fuse: captures a Mask": (fuse("[m = Mask::ones({2})](auto a) { return where(m, a, 0); }"), "write where(mask, a, b) outside"),
    "fuse: no result": (fuse("[](auto a) { a * 2; }"), NO_RESULT),
    "fuse: a comparison as the result": (fuse("[](auto a) { return a > 0; }"), NO_RESULT),
    "fuse: captures by value": (fuse("[n, k = std::array{1.0, 2.0}, m = n > 0](auto a) { return m ? a * n : a * k[1]; }"), ""),
    "fuse: captures by reference": (fuse("[&n](auto a) { return a * n; }"), CAPTURES),
    "fuse: captures everything by reference": (fuse("[&](auto a) { return a * n; }"), CAPTURES),
    "fuse: captures by reference, named": (fuse('named("a", [&](auto a) { return a * n; })'), CAPTURES),
    "fuse: captures this": (
        ("ops/fuse/fuse", 'struct S { double n; void f(Variable<float> x) { fuse("f", [this](auto a) { return a * n; }, x); } };'),
        CAPTURES),
    "fuse: captures a variable": (fuse("[x](auto a) { return a * x; }"), NO_OPERAND),
    "fuse: captures a variable, on the left": (fuse("[x](auto a) { return x - a; }"), NO_OPERAND),
    "fuse: captures a tensor": (fuse("[t = x.value()](auto a) { return a + t; }"), NO_OPERAND),
    "fuse: captures a variable, in a function": (fuse("[x](auto a) { return maximum(a, x); }"), NO_OPERAND),
    "fuse: float and double": (
        ("ops/fuse/fuse", 'void f(Variable<float> x, Variable<double> y) { fuse("f", [](auto a, auto b) { return a * b; }, x, y); }'),
        "operands of float and of double have no common type"),
    "fuse: numbers alone": (fuse("[](auto a) { return a; }", "2.0"), "an operand must be a variable, parameter or tensor"),
    "assignment: as it should be": (("ops/views", "void f(Variable<float> x, Tensor<float> t) { x = select(x, 0, 0); "
                                     "t = t.select(0, 0); x = t; x = 1.0f; t.slice(0, 0, 1).assign(t); }"), ""),
    "assignment: to an element": (("ops/views", "void f(Variable<float> x) { x(0) = 1.0f; }"), NO_ASSIGNMENT),
    "assignment: to a view": (("ops/views", "void f(Variable<float> x) { select(x, 0, 0) = x(1); }"), NO_ASSIGNMENT),
    "assignment: to a view of xt": (("xt", "void f(Variable<double> x) { xt::view(x, 0) = 1.0; }"), NO_ASSIGNMENT),
    "assignment: to a view of a tensor": (("core/tensor/tensor", "void f(Tensor<float> t) { t.select(0, 0) = t; }"),
                                          "a view is not assigned with ="),
    "axis: in braces": (("ops/reduce", "void f(Variable<float> x) { sum(x, {0}); sum(x, {-1}, true); sum(x, \"total\"); }"), ""),
    "axis: 0": (("ops/reduce", "void f(Variable<float> x) { sum(x, 0); }"), NO_AXIS),
    "axis: -1": (("ops/reduce", "void f(Variable<float> x) { mean(x, -1); }"), NO_AXIS),
    "axis: 0, of a tensor": (("ops/reduce", "void f(Tensor<float> x) { amax(x, 0); }"), NO_AXIS),
    "axis: 0, of a function without one": (("ops/reduce", "void f(Variable<float> x) { exp(x, 0); }"), NO_AXIS),
    "cell: as it should be": (cell(), ""),
    "cell: as it should be, of two states": (cell(step="nn::State<float, 2> step(const Variable<float>& z, "
                                                       "const nn::State<float, 2>& s) const { return {z, s[0]}; }"), ""),
    "cell: a step that takes anything": (cell(made=MADE + "using value_type = float;", step="auto step(const auto& z, "
                                              "const auto& s) const { return nn::State<float, 1>{z + s[0]}; }"), ""),
    "cell: nothing": (cell("", "", ""), NO_PROJECT),
    "cell: no project": (cell(project=""), NO_PROJECT),
    "cell: project of another type": (cell(project="Variable<double> project(const Variable<double>& x) const { return x; }"),
                                      "project() of a recurrent cell must return a Variable<T>, with the T of its x"),
    "cell: project without a result": (cell(project="void project(const Variable<float>&) const {}"),
                                       "project() of a recurrent cell must return a Variable<T>"),
    "cell: no step": (cell(step=""), NO_STEP),
    "cell: step is not const": (cell(step=STEP.replace(") const", ")")), NO_STEP),
    "cell: step is private": (cell(step="private: " + STEP), NO_STEP),
    "cell: step without a state": (cell(step="Variable<float> step(const Variable<float>& z) const { return z; }"), NO_STEP),
    "cell: step without a result": (cell(step="void step(const Variable<float>&, const Variable<float>&) const {}"), NO_STATE),
    "cell: step returns another state": (cell(step="nn::State<float, 2> step(const Variable<float>& z, "
                                                   "const nn::State<float, 3>& s) const { return {z, s[0]}; }"), NO_STATE),
    "cell: step returns a pair": (cell(step="std::pair<Variable<float>, int> step(const Variable<float>& z, "
                                            "const Variable<float>&) const { return {z, 1}; }"), NO_STATE),
    "cell: cannot be made": (cell(made=""), NO_CELL),
    "cell: Options that it does not take": (cell(made=MADE + "struct Options {};"), NO_CELL),
    "cell: too many names": (cell(made=MADE + 'static constexpr std::array<const char*, 2> state_names{"h", "m"};'),
                             "state_names of a recurrent cell must name each of its states"),
    "module: as it should be": (module('void members(nn::Members<>& m) { m("child", child); }'), ""),
    "module: vectors": (module('void members(nn::Members<float>& m) { m("c", child); }', "std::vector<nn::Linear<float>> child;"), ""),
    "module: no members": (module(""), NO_MEMBERS),
    "module: members is private": (module('private: void members(nn::Members<float>& m) { m("child", child); }'), NO_MEMBERS),
    "module: a child without members": (module('void members(nn::Members<float>& m) { m("child", child); }', "Child child;"),
                                        NO_MEMBERS),
    "module: a vector of such": (module('void members(nn::Members<float>& m) { m("child", child); }', "std::vector<Child> child;"),
                                 NO_MEMBERS),
    "module: a child of another type": (module('void members(nn::Members<double>& m) { m("child", child); }'),
                                        "with the T of the Members<T>"),
    "module: a parameter of another type": (module('void members(nn::Members<double>& m) { m("child", child); }',
                                                   "Parameter<float> child;"), "with the T of the Members<T>"),
    "module: members is const": (module('void members(nn::Members<float>& m) const { m("child", child); }'), "must not be const"),
    "module: is const": (module(MEMBERS, use="const Net net; parameters(net);"), "must not be const"),
    "module: of any type": (module('void members(auto& m) { m("child", child); }'), "add `using value_type = T;`", 22),
    "score: as it should be": (score(), ""),
    "score: no constants": (score(constants=""), "a score needs the types value_type and Options, and static constants"),
    "score: cannot be constructed": (score(made="S() {}"), "a score is constructed from its Options"),
    "score: no keys": (score(keys=""), "a score needs a public function Variable<T> keys("),
    "score: keys without a result": (score(keys="void keys(const Variable<float>&) const {}"),
                                     "a score needs a public function Variable<T> keys("),
    "score: no operator()": (score(scores=""), "a score needs a public Variable<T> operator()("),
    "score: no members": (score(members=""), NO_MEMBERS),
    "attention: as it should be": (attention(), ""),
    "attention: no width": (attention(width=""), "an attention needs a public function std::size_t context_width() const"),
    "attention: no prepare": (attention(prepare=""), "an attention needs a public function KeyValues<T> prepare("),
    "attention: no step": (attention(step=""), "an attention needs a public function AttentionOutput<T> step("),
    "attention: no members": (attention(members=""), NO_MEMBERS),
    "types: as it should be": (mixture("Tape<double> tape; tape.backward(sum(l(y))); optim::Adam adam(parameters(l)); "
                                       "auto all = parameters(l); optim::Adam<double>& same = *new optim::Adam(all); "
                                       "optim::Adam copy(adam); y = 2 * y + 1.0f; u = y.value(); maximum(y, u);"), ""),
    "types: a tape of float": (mixture("Tape<float> tape; tape.backward(y);"), NO_MIXTURE),
    "types: a tape of float, with a seed": (mixture("Tape<float> tape; tape.backward(x, u);"), NO_MIXTURE),
    "types: a tape of float, a leaf": (mixture("Tape<float> tape; tape.variable(u);"), NO_MIXTURE),
    "types: a tape of float, a gradient": (mixture("Tape<float> tape; tape.gradient(y);"), NO_MIXTURE),
    "types: a layer": (mixture("l(x);"), NO_MIXTURE),
    "types: a layer of float": (mixture("nn::Linear<float> m({.input = 1, .output = 1}); m(y);"), NO_MIXTURE),
    "types: a layer, of a tensor": (mixture("l(t);"), NO_MIXTURE),
    "types: a parameter": (mixture("x * l.weight;"), NO_MIXTURE),
    "types: an operator": (mixture("x + y;"), NO_MIXTURE),
    "types: an operator, of a tensor": (mixture("x * u;"), NO_MIXTURE),
    "types: an operator of tensors": (mixture("u - t;"), NO_MIXTURE),
    "types: a comparison": (mixture("x < y;"), NO_MIXTURE),
    "types: a function": (mixture("maximum(x, y);"), NO_MIXTURE),
    "types: a product": (mixture("matmul(x, u);"), NO_MIXTURE),
    "types: a loss": (mixture("mean_squared_error(x, y);"), NO_MIXTURE),
    "types: initialisation of a variable": (mixture("Variable<float> v = u;"), NO_MIXTURE),
    "types: assignment of a variable": (mixture("x = y;"), NO_MIXTURE),
    "types: assignment of a tensor": (mixture("t.assign(u);"), NO_MIXTURE),
    "types: a parameter's value": (mixture("l.weight.set(t);"), NO_MIXTURE),
    "optimiser: of a model": (mixture("optim::Adam adam(l);"), NO_PARAMETERS),
    "optimiser: of a model, with options": (mixture("optim::Sgd<double> sgd(l, optim::SgdOptions{.momentum = 0.9});"), NO_PARAMETERS),
    "optimiser: of another type": (mixture("optim::AdamW<float> adam(parameters(l));"), NO_PARAMETERS),
    "optimiser: of another type, by default": (mixture("optim::Rmsprop<float> r(parameters(l), {.momentum = 0.9});"),
                                               NO_PARAMETERS),
    "loss: targets that are no class numbers": (mixture("cross_entropy(x, t);"), "cross_entropy: targets are class numbers"),
    "loss: the same, with options": (mixture("cross_entropy(t, x, {.smoothing = 0.1});"), "cross_entropy: targets are class numbers"),
    "lengths: of int": (("nn/recurrent/lstm", "void f(nn::Lstm<float> l, Variable<float> x) { l(x, {}, std::vector<int>{1, 2}); }"),
                        "lengths are std::vector<std::size_t>, one for each sequence of the batch"),
    "update: of a parameter": (mixture("l.weight -= u;"), "only variables take +=, -=, *= and /="),
    "update: of a parameter, by a number": (mixture("l.weight *= 2;"), "only variables take +=, -=, *= and /="),
    "update: of a tensor": (mixture("t += 1;"), "only variables take +=, -=, *= and /="),
    "gradcheck: of float": (("core/check/gradcheck", "void f(Tensor<float> x) { gradcheck([](auto a) { return a; }, x); }"),
                            "gradients are checked in double"),
    "decoder: no cell": (attention(cells="nn::LstmCell<>, Bad"), NO_PROJECT),
    "encoder: no cell": (attention(cells="Bad, nn::LstmCell<>"), NO_PROJECT),
}


def check(compiler, file, program, words, most_lines=MOST_LINES):
    header, code = program
    file.write_text(f'#include "{HEADERS}"\n#include <unroll/{header}.hpp>\n'
                    f"{'' if 'unroll::' in code else 'using namespace unroll;'}\n{code}\n")
    run = subprocess.run([*compiler, "-std=c++20", "-fsyntax-only", file], capture_output=True, text=True)
    chain = ("In file included from", " " * 17 + "from")
    lines = [line for line in run.stderr.splitlines() if not line.startswith(chain)]
    first = next((line for line in lines if " error: " in line), "")
    if not words:
        return "" if run.returncode == 0 else f"does not compile:\n{run.stderr}"
    if words not in first:
        return f"expected '{words}', got\n{first or 'no error'}"
    return f"{len(lines)} lines, more than {most_lines}:\n{run.stderr}" if len(lines) > most_lines else ""


def precompile(compiler, folder):
    headers = ["ops/pointwise"] + sorted({case[0][0] for case in CASES.values()})
    lines = ["#include <algorithm>", "#include <cmath>"] + [f"#include <unroll/{header}.hpp>" for header in headers]
    pathlib.Path(folder, HEADERS).write_text("\n".join(lines) + "\n")
    subprocess.run([*compiler, "-std=c++20", "-x", "c++-header", pathlib.Path(folder, HEADERS)], check=True)


def main(include, *compiler):
    failures = 0
    compiler = [*compiler, "-I", include]
    with tempfile.TemporaryDirectory() as folder:
        precompile(compiler, folder)
        for name, case in CASES.items():
            problem = check(compiler, pathlib.Path(folder, "wrong.cpp"), *case)
            if problem:
                failures += 1
                print(f"{name}: {problem}", flush=True)
    print(f"{len(CASES)} programs, {failures} with unexpected errors")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
