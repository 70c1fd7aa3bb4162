#!/usr/bin/env python3
"""Misspells the options of every command of every program, or every n-th option.

usage: [EVERY=n] options.py PROGRAMS...
"""

import os
import re
import tempfile

from programs import PROGRAMS, refuses, run

EVERY = int(os.environ.get("EVERY", 1))


def listed(program, *command):
    """The commands and the long options in a help text."""
    text = run(program, *command, "--help").split("Examples:")[0]
    commands = re.search(r"^Subcommands:\n((?:  .*\n)+)", text, re.M)
    names = re.findall(r"^  (\w+)", commands[1], re.M) if commands else []
    return names, [name for name in re.findall(r"^ .*?(--[\w-]+)", text, re.M) if name != "--help"]


def misspells(program, command, file):
    name = " ".join([program, *command])
    unknown = f"{name} has no option --xyzzy"
    for arguments in (["--xyzzy", 0.1], ["--xyzzy=0.1"], ["--xyzzy"], ["--xyzzy", file, "--xyzzy", 0.1], [file, "--xyzzy", 0.1],
                      [file, file, "--xyzzy=0.1", file], ["--xyzzy", "-1"], ["--xyzzy", 0.1, "--seed", "many"]):
        said = run(program, *command, *arguments, fails=True)
        assert unknown in said and "exist:" not in said and "did you mean" not in said, (program, command, arguments, said)
    refuses(program, *command, "-z", 0.1, naming=[f"{name} has no option -z"])
    # An option without one of its letters, or one given before its command.
    for option in listed(program, *command)[1][::EVERY]:
        if len(option) < 6:
            continue
        wrong = option[:4] + option[5:]
        for arguments in ([f"{wrong}=0.1"], [file, wrong, file]):
            refuses(program, *command, *arguments, naming=[f"{name} has no option {wrong};", "did you mean --"])
        if command:
            refuses(program, option, 0.1, *command, naming=[f"{program} has no option {option}; give it after {command[0]}"])
    if command:
        refuses(program, "--xyzzy", 0.1, *command, naming=[f"{program} has no option --xyzzy"])
        refuses(program, "--xyzzy=0.1", *command, file, naming=[f"{program} has no option --xyzzy"])


with tempfile.NamedTemporaryFile() as file:
    for program in PROGRAMS:
        commands = listed(program)[0]
        assert commands or program == "vanishing", program
        for command in [[name] for name in commands] or [[]]:
            misspells(program, command, file.name)
        train = ["train"] if commands else []
        assert "--batch" in listed(program, *train)[1], program
        for wrong in ("--rate", "--learning_rate", "--learning-rates", "--learnig-rate", "-rate"):
            refuses(program, *train, wrong, 0.1, naming=[f"no option {wrong};", "did you mean --learning-rate?"])
        for again in (["--batch", 4, "--batch", 4], ["--batch=4", "--batch=4"]):
            refuses(program, *train, *again, naming=["--batch"])
print(f"{len(PROGRAMS)} programs name the option that they do not have")
