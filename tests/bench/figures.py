"""Functions shared by the benchmarks that run whole programs."""

import os
import pathlib
import re
import statistics
import subprocess

SOURCE = pathlib.Path(__file__).resolve().parents[2]


def figure(name, value, unit, relation, target):
    print(f"figure: {name} {value:.3g} {unit} {relation} {target:g}", flush=True)


def median(values):
    return statistics.median(values)


def shakespeare():
    """The text of the published figures, or None."""
    folder = os.environ.get("UNROLL_DATA")
    text = pathlib.Path(folder or "") / "tinyshakespeare/input.txt"
    if folder and text.exists():
        return text
    print("UNROLL_DATA is not a folder with tinyshakespeare/input.txt")
    return None


def run(*command):
    """Runs a program and returns its result line as a dictionary of texts."""
    output = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True).stdout
    last = [line for line in output.splitlines() if line.startswith("result:")][-1]
    return dict(re.findall(r"(\w+)=(\S+)", last))
