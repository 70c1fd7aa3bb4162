"""Speedup of char_lm's training by a second thread.

usage: bench_threads.py BUILD
"""

import pathlib
import sys
import tempfile

import figures

char_lm = pathlib.Path(sys.argv[1]) / "examples/char_lm"
text = [figures.shakespeare()] if figures.shakespeare() else []
speeds = {1: [], 2: []}
with tempfile.TemporaryDirectory() as folder:
    for _ in range(3):
        for threads, found in speeds.items():
            result = figures.run(char_lm, "train", *text, "--minutes", 0.3, "--threads", threads,
                                 "--out", f"{folder}/model.safetensors")
            found.append(float(result["bytes_per_second"]))
one, two = (figures.median(speeds[n]) for n in (1, 2))
print(f"tokens per second: {one:.0f} on one thread, {two:.0f} on two")
figures.figure("threads.char_lm", two / one, "ratio", ">=", 1.8)
