#!/usr/bin/env python3
"""Turns the ```cpp blocks of documents into one program that runs each of them.

Whole programs (with `int main`) become functions; other blocks become the body of one, after
declarations that they may rely on. Blocks that begin with `// file` declare things for later ones.
Blocks marked with a path, as ```cpp examples/first/newton.cpp, are files of the project, which
tests/examples/first.py compares and runs. Blocks with a comment `// undefined` show a fault of
xtensor and are omitted under AddressSanitizer, which would end the program.
"""
import pathlib
import re
import sys

PRELUDE = """
#include <unroll/unroll.hpp>
#include <unroll/core/tensor/xtensor.hpp>
#include <unroll/ops/fuse/fuse.hpp>
#include <cstdio>
#include <iostream>
#include <xtensor-blas/xlinalg.hpp>
#include <xtensor/xarray.hpp>
#include <xtensor/xbuilder.hpp>
#include <xtensor/xio.hpp>
#include <xtensor/xmath.hpp>
#include <xtensor/xview.hpp>
using namespace unroll;
"""


def blocks(path):
    text = path.read_text()
    for match in re.finditer(r"^```cpp\n(.*?)^```", text, re.M | re.S):
        yield text[: match.start()].count("\n") + 2, match[1]


def main(out, *documents):
    parts, calls = [PRELUDE], []
    for document in map(pathlib.Path, documents):
        for line, code in blocks(document):
            name = f"{document.stem}_{line}".replace("-", "_").replace(".", "_")
            code = re.sub(r"^#include.*\n", "", code, flags=re.M).replace("using namespace unroll;\n", "")
            parts.append(f'\n#line {line} "{document.name}"\n')
            if code.startswith("// file"):
                parts.append(code)
                continue
            if "int main()" in code:
                parts.append(code.replace("int main()", f"int {name}()").rstrip().removesuffix("}") + "return 0; }\n")
            else:
                if "// undefined" in code:
                    code = f"#if !defined(__SANITIZE_ADDRESS__)\n{code}#endif\n"
                parts.append(f"int {name}() {{\n{code}return 0; }}\n")
            calls.append(name)
    body = "".join(f'    std::printf("{name}\\n");\n    {name}();\n' for name in calls)
    pathlib.Path(out).write_text("".join(parts) + f"\nint main() {{\n{body}}}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
