#!/usr/bin/env python3
"""Exchanges a file with Python's safetensors, in both directions.

usage: check_safetensors.py [TESTS]    TESTS: the tests' binary, default: build/tests/unroll_tests
needs: pip install safetensors numpy   (exit 77, "skipped", without them)
"""

import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
    from safetensors import safe_open
    from safetensors.numpy import save_file
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)


def numbers(dtype, *shape):
    i = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    kind = np.dtype(dtype).kind
    values = {"f": i * 0.5 - 1, "i": i - 2, "u": i, "b": i % 2 == 1}[kind]
    return np.asarray(values, dtype)


TENSORS = {
    "float16": numbers("float16", 3, 5),
    "float32": numbers("float32", 2, 3, 4),
    "float64": numbers("float64", 7),
    "int64": numbers("int64", 2, 2),
    "int32": numbers("int32", 3),
    "uint8": numbers("uint8", 5),
    "bool": numbers("bool", 3),
    "scalar": numbers("float32"),
    "empty": numbers("float32", 0, 4),
    '"odd" name ä': numbers("float32", 1),
}
METADATA = {"made by": "Python ä", "format": "np"}
# Types that the library widens when reading.
STORED = {"float16": "float32", "int32": "int64", "uint8": "int64"}


def main():
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    tests = sys.argv[1] if len(sys.argv) > 1 else os.path.join(root, "build/tests/unroll_tests")
    with tempfile.TemporaryDirectory() as folder:
        save_file(TENSORS, os.path.join(folder, "from_python.safetensors"), METADATA)
        subprocess.run(
            [tests, "--test-case=safetensors: exchange with Python"],
            env={**os.environ, "UNROLL_EXCHANGE_FOLDER": folder},
            check=True,
        )
        with safe_open(os.path.join(folder, "from_unroll.safetensors"), framework="np") as file:
            assert file.metadata() == METADATA, file.metadata()
            assert set(file.keys()) == set(TENSORS), file.keys()
            for name, sent in TENSORS.items():
                got = file.get_tensor(name)
                expected = sent.astype(STORED.get(sent.dtype.name, sent.dtype))
                assert got.dtype == expected.dtype, (name, got.dtype)
                assert got.shape == expected.shape, (name, got.shape)
                assert np.array_equal(got, expected), (name, got, expected)
    print(f"{len(TENSORS)} tensors are unchanged after a round trip through Python")


main()
