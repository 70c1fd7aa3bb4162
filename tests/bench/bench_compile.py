"""Time to compile the library's headers, compared with PyTorch's.

usage: bench_compile.py BUILD
"""

import pathlib
import subprocess
import sys
import tempfile
import time

import figures

UMBRELLA = "#include <unroll/unroll.hpp>\nint main() { unroll::Tape<float> tape; }\n"
FUSE = """#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/unroll.hpp>
using namespace unroll;
int main() {
    Tape<float> tape;
    const auto x = tape.variable(Tensor<float>::ones({4}));
    const auto [h, c] = fuse("cell", [](auto i, auto f, auto g, auto o, auto c) {
        const auto next = sigmoid(f) * c + sigmoid(i) * tanh(g);
        return outputs(sigmoid(o) * tanh(next), next);
    }, x, x, x, x, x);
    tape.backward(sum(h));
}
"""
TORCH = "#include <torch/torch.h>\nint main() { torch::Tensor x; }\n"


def seconds(text, flags, rounds=5):
    times = []
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "main.cpp"
        file.write_text(text)
        command = ["c++", "-std=c++20", "-O2", *flags, "-c", str(file), "-o", f"{folder}/main.o"]
        for _ in range(rounds):
            start = time.perf_counter()
            subprocess.run(command, check=True)
            times.append(time.perf_counter() - start)
    return figures.median(times)


include = ["-march=native", f"-I{pathlib.Path(sys.argv[1]) / 'include'}"]
umbrella = seconds(UMBRELLA, include)
figures.figure("compile.umbrella", umbrella, "s", "<=", 1.5)
figures.figure("compile.fuse", seconds(FUSE, include), "s", "<=", 3)
try:
    from torch.utils import cpp_extension
    folders = cpp_extension.include_paths()
except ImportError:
    folders = []
if any((pathlib.Path(folder) / "torch/torch.h").exists() for folder in folders):
    torch = seconds(TORCH, [f"-I{folder}" for folder in folders], rounds=1)
    print(f"<torch/torch.h>: {torch:.1f} s, {torch / umbrella:.1f} times as much")
else:
    print("PyTorch's headers are not installed, no comparison")
