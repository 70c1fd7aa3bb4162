#!/usr/bin/env python3
"""Interrupts training at random times: it saves, and resumed runs are bitwise identical to one run.

usage: [UNROLL_INTERRUPTIONS=200] [UNROLL_SEED=1] interrupts.py PROGRAM
"""

import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

from programs import PROGRAMS, result

PROGRAM = str(PROGRAMS["char_lm"])
COUNT = int(os.environ.get("UNROLL_INTERRUPTIONS", 10))
SEED = int(os.environ.get("UNROLL_SEED", random.randrange(10**6)))
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
# A shell that runs this in the background has its children ignore SIGINT.
for number in SIGNALS:
    signal.signal(number, signal.SIG_DFL if number != signal.SIGINT else signal.default_int_handler)


def start(*arguments, **how):
    return subprocess.Popen([PROGRAM, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True, **how)


def finished(process):
    output, complaint = process.communicate(timeout=120)
    assert complaint == "", (process.args, process.returncode, complaint)
    return output


def blocked(pid):
    """The signals that each thread blocks, as bits."""
    statuses = pathlib.Path(f"/proc/{pid}/task").glob("*/status")
    lines = [line for status in statuses for line in status.read_text().splitlines()]
    return [int(line.split()[1], 16) for line in lines if line.startswith("SigBlk")]


def main(folder):
    text = folder / "text.txt"
    text.write_text("".join(f"line {i}: the cat sat on mat {i * i % 97}\n" for i in range(400)))
    train = ["train", text, "--hidden", 48, "--embedding", 8, "--batch", 4, "--steps", 32, "--epochs", 12, "--seed", 3]
    whole, parts = folder / "whole.safetensors", folder / "parts.safetensors"
    began = time.monotonic()
    process = start(*train, "--out", whole)
    process.stdout.readline()
    startup = time.monotonic() - began
    masks = blocked(process.pid)
    wanted = sum(1 << number - 1 for number in [*SIGNALS, signal.SIGPIPE])
    # The waiting thread unblocks all but SIGPIPE while it waits.
    assert len(masks) > 1 and sum(mask & wanted != wanted for mask in masks) <= 1, list(map(hex, masks))
    batches = int(result(finished(process))["batches"])
    length = time.monotonic() - began

    draw = random.Random(SEED)
    done = dict(interrupted=0, early=0, finished=0)
    at = 0
    while done["interrupted"] + done["early"] < COUNT or at > 0:
        before = parts.read_bytes() if parts.exists() else None
        process = start(*train, "--out", parts, *(["--resume"] if before else []))
        time.sleep(draw.uniform(0, 1.5 * startup if draw.random() < 0.2 else startup + length / 5))
        sent = draw.choice(SIGNALS)
        if done["interrupted"] + done["early"] < COUNT:
            process.send_signal(sent)
        output = finished(process)
        if process.returncode == -sent:  # before training: nothing has changed
            assert output == "" and before == (parts.read_bytes() if parts.exists() else None), output
            done["early"] += 1
            continue
        assert process.returncode in (0, 130), (process.returncode, output)
        reached = int(result(output)["batches"])
        assert at <= reached <= batches and (reached == batches) == (process.returncode == 0), (at, reached, output)
        at = reached
        if process.returncode == 130:
            done["interrupted"] += 1
            assert "interrupted" in output, output
            assert subprocess.run([PROGRAM, "eval", parts, text], capture_output=True).returncode == 0
            continue
        assert same(parts, whole), "the interrupted run differs from one in a piece"
        done["finished"] += 1
        parts.unlink()
        at = 0

    # A second interrupt terminates at once: the file is the old one or the new one.
    for pause in (0, 0.001, 0.01):
        process = start(*train, "--out", parts)
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        time.sleep(pause)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
        assert process.returncode == 130, process.returncode
        if parts.exists():
            assert subprocess.run([PROGRAM, "eval", parts, text], capture_output=True).returncode == 0
    # A closing terminal sends SIGHUP more than once.
    process = start(*train, "--out", parts)
    process.stdout.readline()
    for _ in range(5):
        process.send_signal(signal.SIGHUP)
        time.sleep(0.002)
    assert "interrupted" in finished(process) and process.returncode == 130

    # Closed output ends training with the model saved; under nohup it is not interrupted.
    parts.unlink()
    process = start(*train, "--out", parts)
    process.stdout.readline()
    process.stdout.close()
    process.stdout = None
    complaint = process.communicate(timeout=120)[1]
    assert process.returncode == 1 and "standard output" in complaint, (process.returncode, complaint)
    assert subprocess.run([PROGRAM, "eval", parts, text], capture_output=True).returncode == 0
    with open("/dev/full", "w") as full:
        failed = subprocess.run([PROGRAM, "eval", parts, text], stdout=full, stderr=subprocess.PIPE, text=True)
    assert failed.returncode == 1 and "standard output" in failed.stderr, failed
    process = start(*train, "--out", parts, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    process.stdout.readline()
    process.send_signal(signal.SIGHUP)
    assert int(result(finished(process))["batches"]) == batches and process.returncode == 0
    print(f"{startup:.2f} s before training, {length:.2f} s a run of {batches} batches: {done}")


def same(one, other):
    """Whether the tensors of two files are bitwise identical; metadata contains the elapsed time."""
    bodies = []
    for path in (one, other):
        data = path.read_bytes()
        bodies.append(data[8 + int.from_bytes(data[:8], "little"):])
    return bodies[0] == bodies[1]


print(f"UNROLL_SEED={SEED}", flush=True)
with tempfile.TemporaryDirectory() as name:
    main(pathlib.Path(name))
