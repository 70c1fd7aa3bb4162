"""Every cell of char_lm on Tiny Shakespeare at about the same number of parameters: validation loss,
speed and memory. Needs $UNROLL_DATA.

usage: bench_cells.py BUILD [--minutes 3] [--parameters 660000] [--together N] [CELL ...]
--together: trains N cells at a time, each on one thread
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import figures

CELLS = ["rnn", "lstm", "gru", "mingru", "minlstm", "sru", "qrnn", "indrnn", "lru", "rglru", "s5", "mamba", "slstm",
         "mlstm"]

parser = argparse.ArgumentParser()
parser.add_argument("build", type=pathlib.Path)
parser.add_argument("cells", nargs="*", default=CELLS)
parser.add_argument("--minutes", type=float, default=3)
parser.add_argument("--parameters", type=int, default=660000)
parser.add_argument("--together", type=int, default=0)
options = parser.parse_intermixed_args()
text = figures.shakespeare()
if text is None:
    sys.exit("bench_cells: no data")
folder = tempfile.TemporaryDirectory()


def train(cell, hidden, minutes):
    """The output of a training, None if it failed, and the largest resident memory in MB."""
    threads = ["--threads", 1, "--shards", 1] if options.together else []
    command = [options.build / "examples/char_lm", "train", text, "--cell", cell, "--hidden", hidden, "--minutes",
               minutes, "--out", f"{folder.name}/{cell}.safetensors", *threads]
    with subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True) as process:
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = status
    return output if status == 0 else None, usage.ru_maxrss / 1024


def parameters(cell, hidden):
    return int(re.search(r"(\d+) parameters", train(cell, hidden, 1e-5)[0])[1])


def width(cell):
    """The multiple of 8 with the number of parameters nearest to the wanted one, which is a quadratic function."""
    at = {h: parameters(cell, h) for h in (64, 128, 192)}
    bend = (at[192] - 2 * at[128] + at[64]) / (2 * 64**2)
    slope = (at[128] - at[64]) / 64 - bend * 192
    rest = at[64] - slope * 64 - bend * 64**2
    return min(range(8, 2049, 8), key=lambda h: abs(rest + slope * h + bend * h * h - options.parameters))


def row(cell):
    hidden = width(cell)
    output, memory = train(cell, hidden, options.minutes)
    if output is None:
        return f"| `{cell}` | {hidden} | | failed | | |"
    result = dict(re.findall(r"(\w+)=(\S+)", output.splitlines()[-1]))
    count = re.search(r"(\d+) parameters", output)[1]
    return f"| `{cell}` | {hidden} | {int(count):,} | {result['validation_nats']} | " \
           f"{float(result['bytes_per_second']):,.0f} | {memory:.0f} |"


print("| cell | width | parameters | nats | characters/s | MB |\n|---|---|---|---|---|---|", flush=True)
with concurrent.futures.ThreadPoolExecutor(options.together or 1) as pool:
    for line in pool.map(row, options.cells):
        print(line, flush=True)
