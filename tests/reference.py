#!/usr/bin/env python3
"""Generates docs/reference/ from the public headers.

usage: reference.py ROOT [--write]

Each page lists the declarations of some headers: signatures, the comment above them (shapes, formula,
errors), and the names in PyTorch and xtensor from docs/reference/names.txt. Without --write, fails
if a page differs from the headers, if a header is on no page, and if names.txt lacks an operation or
layer or lists one that does not exist.
"""
import pathlib
import re
import sys

from headers import Parser

# page: (title, headers)
PAGES = {
    "pointwise": ("Pointwise operations", ["ops/pointwise", "ops/activation"]),
    "reductions": ("Reductions", ["ops/reduce", "ops/statistics/statistics", "ops/statistics/norms"]),
    "order": ("Scans and sorting", ["ops/order/linear_scan", "ops/order/cumulative", "ops/order/sort"]),
    "shape": ("Shape, views and joining", ["ops/views", "core/tensor/slice", "ops/join", "ops/rearrange/repeat",
                                           "ops/rearrange/diagonal"]),
    "products": ("Products and linear algebra", ["ops/matrix", "ops/linalg/einsum", "ops/linalg/solve"]),
    "indexing": ("Indexing", ["ops/index"]),
    "losses": ("Softmax and losses", ["ops/softmax", "ops/loss", "ops/losses/losses"]),
    "normalisation": ("Normalisation and dropout", ["ops/normalization"]),
    "random": ("Random values", ["ops/random/random"]),
    "windows": ("Convolution, pooling, upsampling", ["ops/convolution", "ops/pooling", "ops/resize/upsample",
                                                     "ops/windows"]),
    "fuse": ("Fused operations", ["ops/fuse/fuse", "core/autograd/formula", "core/graph/formula_text"]),
    "xt": ("xtensor's names", ["ops/xt/xt"]),
    "layers": ("Layers", ["nn/module", "nn/initialize", "nn/layers/layers", "nn/layers/norms", "nn/layers/prelu",
                          "nn/layers/convolution",
                          "nn/layers/padding", "nn/layers/positions", "nn/layers/time_pooling",
                          "nn/layers/adaptive_softmax"]),
    "recurrent": ("Recurrent layers", ["nn/recurrent/recurrent", "nn/recurrent/rnn", "nn/recurrent/lstm",
                                       "nn/recurrent/gru", "nn/recurrent/cell", "nn/recurrent/scan",
                                       "nn/recurrent/pyramid", "nn/recurrent/character_lstm",
                                       "nn/recurrent/chrono"]),
    "scans": ("Recurrences by scans", ["nn/scans/min_gru", "nn/scans/min_lstm", "nn/scans/sru", "nn/scans/qrnn",
                                       "nn/scans/ind_rnn", "nn/scans/state_space", "nn/scans/lru", "nn/scans/s5",
                                       "nn/scans/rg_lru", "nn/scans/mamba", "nn/scans/slstm", "nn/scans/mlstm"]),
    "ode": ("Differential equations", ["nn/ode/ode"]),
    "attention": ("Attention and Transformers", ["nn/attention/attention", "nn/attention/multi_head",
                                                 "nn/attention/transformer", "nn/attention/seq2seq",
                                                 "nn/attention/bridge", "nn/attention/subsampling"]),
    "trees": ("Trees", ["nn/trees/tree", "nn/trees/recursive", "nn/trees/treebank"]),
    "sequence_losses": ("Losses of sequences", ["nn/losses/crf", "nn/losses/ctc", "nn/losses/skip_gram",
                                                "nn/losses/tagger", "nn/losses/transducer"]),
    "decoding": ("Decoding", ["nn/decoding/decode", "nn/decoding/ctc_search",
                              "nn/decoding/transducer_search", "nn/decoding/transducer"]),
    "text": ("Text", ["nn/text/text", "nn/text/vocabulary", "nn/text/batches", "nn/text/n_grams",
                      "nn/text/word_vectors", "nn/text/metrics", "nn/text/text_metrics",
                      "nn/text/entity_tags", "nn/text/shuffled_batches", "nn/text/stream"]),
    "series": ("Time series", ["nn/series/time_series"]),
    "optim": ("Training", ["optim/base", "optim/optimizer", "optim/second_order/minimizer",
                           "optim/second_order/lbfgs", "optim/second_order/newton_cg", "optim/ema",
                           "optim/schedule", "optim/clip", "optim/flat", "optim/parallel", "optim/checkpoint",
                           "optim/resumable"]),
    "tape": ("Variables, tapes and gradients", ["core/autograd/variable", "core/autograd/parameter",
                                                "core/autograd/tape", "core/autograd/backward/gradients",
                                                "nn/recompute", "core/autograd/backward/recompute",
                                                "core/autograd/record", "core/autograd/adjoint",
                                                "core/autograd/buffer", "core/autograd/monitor",
                                                "core/base/scope", "core/base/evaluating", "core/base/error"]),
    "tensor": ("Tensors and randomness", ["core/tensor/tensor", "core/tensor/shape", "core/tensor/random",
                                          "core/tensor/xtensor"]),
    "checks": ("Checks and reports", ["core/check/gradcheck", "core/check/checking", "core/check/statistics",
                                      "core/check/precisions", "core/check/profile",
                                      "core/check/table", "core/check/curves", "core/check/chart",
                                      "core/check/svg"]),
    "files": ("Files", ["core/files/safetensors", "core/files/npy", "core/files/idx", "core/files/mnist",
                        "core/files/file"]),
    "graph": ("Pictures", ["core/graph/graph"]),
    "threads": ("Threads", ["core/kernels/threads"]),
}
# Headers that are installed because public ones include them.
INSIDE = {
    "core/autograd/accumulator", "core/autograd/backward/in_place", "core/autograd/backward/linear_maps",
    "core/autograd/backward/pass", "core/autograd/backward/recorded", "core/autograd/inner_run", "core/autograd/rule",
    "core/base/arena", "core/base/list", "core/base/numbers", "core/base/per_thread", "nn/options", "core/check/difference", "core/check/locate", "core/check/perturbed", "core/graph/drawing/copies",
    "core/graph/drawing/drawing", "core/graph/drawing/hues", "core/graph/drawing/process", "core/graph/drawing/text",
    "core/graph/drawing/visibility", "core/graph/buffers", "core/graph/highlights", "core/graph/links", "core/graph/parts",
    "core/kernels/panels", "core/kernels/sums", "core/kernels/weights", "core/tensor/layout",
    "core/tensor/memory_limit", "core/base/xsimd", "core/graph/model", "core/graph/operands", "core/graph/scopes", "core/kernels/gemm", "core/kernels/loops", "core/kernels/operands",
    "core/kernels/product", "core/kernels/simd", "core/tensor/dtype", "core/tensor/strided_view",
    "core/tensor/storage", "nn/scans/past", "nn/series/cells", "nn/series/dates", "nn/series/numbers", "ops/fuse/dual", "ops/fuse/expression", "ops/fuse/function_list",
    "ops/fuse/function_table", "ops/fuse/functions", "ops/fuse/kernels", "ops/fuse/polygamma", "ops/fuse/probe", "ops/fuse/rows", "ops/fuse/symbol", "ops/linalg/lapack", "ops/operand",
    "ops/order/columns", "ops/order/compensated", "ops/order/weighted_sums", "ops/resize/axis_map",
    "ops/statistics/reduced_rows",
    "optim/parameter_list", "optim/second_order/line_search", "optim/second_order/objective",
    "optim/second_order/vectors", "optim/updates",
}
# Pages on which every function has a line in names.txt; on others, only those that PyTorch or xtensor has.
NAMED = ["pointwise", "reductions", "order", "shape", "products", "indexing", "losses", "normalisation", "random",
         "windows"]


def functions(root):
    """The rows of ops/fuse/function_list.hpp: name, meaning, whether of two operands, the constant p."""
    text = (root / "ops/fuse/function_list.hpp").read_text()
    row = re.compile(r'^UNROLL_(UNARY|UNARY_WITH|BINARY|CHOICE)\((\w+), "([^"]*)"(?:,\s*\((?:[^()]|\([^()]*\))*\),'
                     r'\s*([\d.]+))?', re.M)
    for kind, name, meaning, p in row.findall(text):
        two = kind in ("BINARY", "CHOICE")
        arguments = "a, b" if two else f"x, p = {p}" if kind == "UNARY_WITH" else "x"
        yield name, arguments, meaning


def read_names(path):
    names = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        cells = [cell.strip() for cell in line.split("|")]
        assert len(cells) == 3, f"{path}:{number}: expected 'name | PyTorch | xtensor'"
        assert cells[0] not in names, f"{path}:{number}: '{cells[0]}' is listed twice"
        names[cells[0]] = tuple("" if cell == "-" else cell for cell in cells[1:])
    return names


def known_as(names, name):
    torch, xtensor = names.get(name, ("", ""))
    parts = [f"`{torch}` in PyTorch"] if torch else []
    parts += [f"`{xtensor}` in xtensor"] if xtensor else []
    return ", ".join(parts)


def page(root, title, headers, names):
    lines = [f"# {title}", "", "Generated from the headers by tests/reference.py.", ""]
    found = {}
    for header in headers:
        parsed = Parser((root / (header + ".hpp")).read_text()).parse()
        lines += [f"`#include <unroll/{header}.hpp>`", ""]
        for entry in parsed:
            if not entry.names:
                lines += [entry.comment, ""]
                continue
            found.update(entry.names)
            lines += ["## " + ", ".join(entry.names), "", "```cpp", *entry.code, "```", ""]
            lines += [entry.comment, ""] if entry.comment else []
            for name in entry.names:
                if known_as(names, name):
                    lines += [(f"`{name}` is " if len(entry.names) > 1 else "") + known_as(names, name) + "  "]
            if not lines[-1] == "":
                lines.append("")
        if header == "ops/xt/xt":
            text = (root / "ops/xt/xt.hpp").read_text()
            reducers = re.findall(r"^UNROLL_REDUCER\((\w+)", text, re.M)
            same = re.findall(r"^using unroll::(\w+);", text, re.M) + [name for name, *_ in functions(root)]
            lines += ["## Reductions", "", "`f(x)`, `f(x, axis)` or `f(x, {axes})`, each with `keep_dims` as a last argument:",
                      ", ".join(f"`xt::{name}`" for name in reducers) + ".", "", "## As without `xt`", "",
                      ", ".join(f"`xt::{name}`" for name in sorted(same)) + ".", ""]
            found.update({f"xt::{name}": "function" for name in reducers + sorted(same)})
        if header == "ops/pointwise":
            lines += ["## Functions", "", "| function | meaning | PyTorch | xtensor |", "|---|---|---|---|"]
            for name, arguments, meaning in functions(root):
                found[name] = "function"
                torch, xtensor = names.get(name, ("", ""))
                lines.append(f"| `{name}({arguments})` | {meaning} | {torch} | {xtensor} |")
            lines += ["", "Accuracy and domains: [Adding an operation](../operations.md#functions).", ""]
    return "\n".join(lines).rstrip() + "\n", found


def make(root):
    """The pages by name, and complaints."""
    names = read_names(root / "docs/reference/names.txt")
    pages, complaints, listed = {}, [], set()
    index = ["# Reference", "", "Every public operation, layer and class, generated from the headers by",
             "tests/reference.py. Where a signature has a `Variable`, a parameter or a tensor is accepted, and a",
             "number in place of an operand that broadcasts. The last parameter of functions, their name in errors and drawings,",
             "is omitted here.", ""]
    for name, (title, headers) in PAGES.items():
        text, found = page(root, title, headers, names)
        pages[name + ".md"] = text
        index.append(f"- [{title}]({name}.md): " + ", ".join(f"`{entry}`" for entry in found))
        listed |= set(found)
        if name in NAMED:
            wanted = {entry for entry, kind in found.items()
                      if kind == "function" and not entry.startswith("operator")}
            complaints += [f"docs/reference/names.txt lacks '{entry}'" for entry in sorted(wanted - set(names))]
    complaints += [f"docs/reference/names.txt: '{name}' is not public" for name in sorted(set(names) - listed)]
    pages["README.md"] = "\n".join(index) + "\n"
    shown = {header for _, headers in PAGES.values() for header in headers}
    for top in ("core", "ops", "nn", "optim"):
        for path in sorted((root / top).rglob("*.hpp")):
            header = str(path.relative_to(root).with_suffix(""))
            if header not in shown | INSIDE:
                complaints.append(f"{header}.hpp is on no page of tests/reference.py, nor inside")
    return pages, complaints


PLANTED = """
namespace unroll::nn {
// Shapes.
template <class T>
Variable<T> first(const Variable<T>& x, Op op = "first");
template <class T>
requires(!std::same_as<T, int>) Variable<T> second(std::span<const T> x = {});
Mask operator<(const Mask& a, const Mask& b) { return a; }
// A layer.
template <class T>
class Layer final : public Base<T> {
public:
    explicit Layer(int n) : n_{n} {}
    Variable<T> operator()(const Variable<T>& x) const { return x; }
    double shown = 1; // [n]
private:
    int hidden = 2;
};
namespace detail {
void inside();
}
enum class Kind { a, b };
using Alias = Layer<float>;
inline constexpr int limit = 3;
template <class C>
class Net;
template <Cell C>
class Net<C> {
};
// ---- implementation ----
template <class C>
class Net {
};
} // namespace unroll::nn
"""


def check_parser():
    entries = Parser(PLANTED).parse()
    names = [name for entry in entries for name in entry.names]
    wanted = ["nn::first", "nn::operator<", "nn::Layer", "nn::Kind", "nn::Alias", "nn::limit", "nn::Net"]
    assert [name for name in names if name != "nn::second"] == wanted, names
    text = "\n".join(line for entry in entries for line in entry.code)
    assert 'op = "first"' not in text and "hidden" not in text and "return" not in text, text
    assert "double shown = 1; // [n]" in text and "operator()(const Variable<T>& x) const;" in text, text


def main(root, write):
    check_parser()
    pages, complaints = make(root)
    folder = root / "docs/reference"
    for name, text in pages.items():
        path = folder / name
        if write:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            complaints.append(f"docs/reference/{name} differs from the headers; run ./dev reference")
    for path in folder.glob("*.md"):
        if path.name not in pages:
            complaints.append(f"docs/reference/{path.name} is not a page")
    print("\n".join(complaints) or f"{len(pages)} pages are up to date")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]), "--write" in sys.argv[2:]))
