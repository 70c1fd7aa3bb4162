#!/usr/bin/env python3
"""Fails where a room of the source tree looks the wrong way, or nn/ writes a backward rule.

core <- ops <- nn <- examples; optim stands on core alone.
"""
import pathlib
import re
import sys

MAY_SEE = {"core": {"core"}, "ops": {"core", "ops"}, "nn": {"core", "ops", "nn"}, "optim": {"core", "optim"}}
INCLUDE = re.compile(r'#\s*include\s*[<"](?:unroll/|\.\./)?(\w+)/')
RULE = re.compile(r"\brecord(?:_view)?\s*[<(]|\bAdjoints?\b")


def complaints(room, name, text):
    for number, line in enumerate(text.splitlines(), 1):
        seen = INCLUDE.search(line)
        if seen and seen[1] in (*MAY_SEE, "examples", "tests") and seen[1] not in MAY_SEE[room]:
            yield f"{name}:{number}: {room}/ must not look into {seen[1]}/"
        if room == "nn" and RULE.search(line):
            yield f"{name}:{number}: nn/ must not write a backward rule"


def main(root):
    planted = [("core", '#include <unroll/ops/fuse.hpp>'), ("optim", '#include "../nn/cells.hpp"'), ("nn", "return record<T>(op);")]
    assert all(list(complaints(room, "planted", text)) for room, text in planted), "a planted fault was missed"
    found = []
    for room in MAY_SEE:
        for path in sorted(pathlib.Path(root, room).glob("*.?pp")):
            found += complaints(room, path.relative_to(root), path.read_text())
    print("\n".join(found) or "rooms look the right way")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "."))
