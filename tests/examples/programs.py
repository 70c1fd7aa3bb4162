"""Functions shared by tests of programs, which run them as users do. The arguments are their paths."""

import pathlib
import re
import subprocess
import sys

PROGRAMS = {pathlib.Path(path).name: pathlib.Path(path).resolve() for path in sys.argv[1:]}


def run(program, *arguments, given=None, fails=False):
    """The output of a program; an error includes its messages."""
    command = [str(PROGRAMS[program]), *map(str, arguments)]
    done = subprocess.run(command, input=given, capture_output=True, text=True)
    assert done.returncode > 0 if fails else done.returncode == 0, (command, done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr if fails else done.stdout


def refuses(program, *arguments, naming):
    said = run(program, *arguments, fails=True)
    assert all(word in said for word in naming), (program, arguments, said)


def result(output):
    last = output.strip().splitlines()[-1]
    assert last.startswith("result: "), output
    return dict(pair.split("=", 1) for pair in last.split()[1:])


def learns(program, *arguments, factor):
    """Trains; the last reported loss is less than `factor` times the first."""
    output = run(program, "train", *arguments)
    losses = [float(loss) for loss in re.findall(r"training loss ([0-9.]+)", output)]
    assert len(losses) > 2 and losses[-1] < factor * losses[0], (program, arguments, losses)
    return result(output)


def checks(program, *arguments):
    assert result(run(program, "train", *arguments, "--check-gradients"))["passed"] == "yes"
