"""Puts faults into rules, one at a time, and runs the tests against each.

    ./dev mutate [--count N] [--seed N] [--only TEXT] [--list] [--table]

A mutant is one fault in one file: a factor, a sign, a dropped addend, an overwrite instead of an
addition, a swapped operand, a wrong axis. Only that file is compiled, and linked with the other
objects of the build. A mutant that does not compile, or compiles to the same code, is replaced by
another. One that passes all tests shows a gap in the tests, or is listed with a reason in
equivalent.txt. Results are kept in the build folder: an interrupted run continues, and survivors are
run again after the tests have changed.
"""

import argparse
import hashlib
import json
import math
import os
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import sites

ROOT = Path(__file__).resolve().parents[2]
# What uses the duals of a header: operations, expressions, and functions of users, which tests fuse.
HEADERS = ["ops/pointwise.cpp", "ops/fuse/unary.cpp", "ops/fuse/function_table.cpp", "tests/ops/expressions.cpp"]
# File: functions besides rules, as a regular expression, and the sources to compile (itself).
TARGETS = {
    "core/autograd/adjoint.cpp": (".*", []),
    "core/autograd/views.cpp": ("append_view", []),
    "core/autograd/backward/gradients.cpp": (".*", []),
    "core/autograd/backward/in_place.cpp": (".*", []),
    "core/autograd/backward/linear_maps.cpp": (".*", []),
    "core/autograd/backward/pass.cpp": ("restrict_to|sweep|run_rule|add_to_leaves|backward", []),
    "core/autograd/backward/recorded.cpp": (".*", []),
    "core/tensor/strided_view.cpp": ("take|take_run|take_columns|close_block|settle", []),
    "ops/convolution.cpp": ("fold|input_share|weight_share", []),
    "ops/join.cpp": ("", []),
    "ops/linalg/solve.cpp": ("", []),
    "ops/loss.cpp": ("", []),
    "ops/matrix.cpp": ("", []),
    "ops/normalization.cpp": ("", []),
    "ops/order/linear_scan.cpp": ("", []),
    "ops/order/weighted_sums.cpp": ("", []),
    "ops/pooling.cpp": ("", []),
    "ops/reduce.cpp": ("", []),
    "ops/softmax.cpp": ("", []),
    "ops/statistics/norms.cpp": ("", []),
    "ops/views.cpp": ("", []),
    "ops/fuse/dual.hpp": (".*", HEADERS),
    "ops/fuse/expression.cpp": ("add|pass_on|total|both|depends|pruned|differentiate", []),
    "ops/fuse/function_list.hpp": ("", HEADERS),
    "ops/fuse/function_table.cpp": ("derive", []),
    "ops/fuse/kernels.hpp": (r"slope_of_\w+|curvature_of_\w+|times_normal_pdf|within_bell", HEADERS),
    "ops/fuse/fuse.hpp": ("", ["ops/pointwise.cpp", "ops/fuse/unary.cpp", "ops/reduce.cpp", "tests/ops/expressions.cpp"]),
    "ops/fuse/symbol.cpp": (r"[-+*/]", []),
}
MEMORY = 8 << 30  # for each program; a mutant that needs more is caught


def run(command, cwd, environment=None, seconds=None):
    """The exit code and the output; no exit code after the limit of processor time, or if it waits."""
    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        if seconds is not None:
            resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds) + 1))

    process = subprocess.Popen(command, cwd=cwd, env=environment, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, errors="replace",
                               start_new_session=True, preexec_fn=limit)
    try:
        output, _ = process.communicate(timeout=seconds and 20 * seconds)
        return None if process.returncode == -signal.SIGXCPU else process.returncode, output
    except BaseException as error:
        os.killpg(process.pid, 9)
        process.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            return None, ""
        raise


def processor_time():
    """Of the programs that have run."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Bench:
    """Compiles and links mutants, and runs the tests against them."""

    def __init__(self, build, folder):
        self.build, self.folder = build, folder
        self.commands = {}
        for entry in json.loads((build / "compile_commands.json").read_text()):
            if entry["output"].startswith(("libunroll.so", "tests/unroll_tests")):
                path = (Path(entry["directory"]) / entry["file"]).resolve()
                self.commands[str(path.relative_to(ROOT))] = entry
        self.original, self.seconds = {}, {}
        self.tests = build / "tests/unroll_tests"
        self.programs = build / "tests/random_programs"
        tested = [self.tests, self.programs, build / "libunroll.so.0.1.0"]
        self.fingerprint = hashlib.sha1(b"".join(p.read_bytes() for p in tested)).hexdigest()

    def compile(self, file, text):
        """The objects of a file with this text, or None if it does not compile."""
        own = file in self.commands
        copy = self.folder / ("source" if own else "include/unroll") / file
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(text)
        objects = {}
        for source in TARGETS[file][1] or [file]:
            entry = self.commands[source]
            command = [w for w in shlex.split(entry["command"]) if w != "ccache"]
            out = self.folder / (source.replace("/", "_") + ".o")
            command[command.index("-o") + 1] = str(out)
            command[command.index("-MF") + 1] = str(out) + ".d"
            if own:
                command[-1] = str(copy)
            else:
                command.insert(1, "-I" + str(self.folder / "include"))
            code, _ = run(command + ["-O1", "-w"], self.build)
            if code != 0:
                objects = None
                break
            objects[source] = out.read_bytes()
        copy.unlink()
        return objects

    def originals(self, file):
        if file not in self.original:
            self.original[file] = self.compile(file, (ROOT / file).read_text())
        return self.original[file]

    def link(self, target, name, objects, *options):
        """Links a target of the build with some of its objects replaced."""
        listed = subprocess.run(["ninja", "-t", "commands", target], cwd=self.build, text=True,
                                stdout=subprocess.PIPE, check=True).stdout
        words, added = shlex.split(listed.splitlines()[-1]), []
        for source, code in objects.items():
            added.append(str(self.folder / ("mutant_" + source.replace("/", "_") + ".o")))
            Path(added[-1]).write_bytes(code)
        replaced = {self.commands[source]["output"] for source in objects}
        out = words.index("-o") + 2
        words = words[:out] + added + [w for w in words[out:] if w not in replaced]
        words[out - 1] = str(self.folder / name)
        subprocess.run(words + list(options), cwd=self.build, check=True)
        return words[out - 1]

    def judge(self, objects):
        """The name of what failed, or None: the likeliest to fail are run first."""
        in_tests = {s: code for s, code in objects.items() if s.startswith("tests/")}
        in_library = {s: code for s, code in objects.items() if s not in in_tests}
        # Tests contain their own copies of what headers define.
        self.link("libunroll.so.0.1.0", "libunroll.so.0", in_library, "-Wl,-Bsymbolic-functions")
        program = str(self.tests)
        if in_tests:
            program = self.link("tests/unroll_tests", "unroll_tests", in_tests)
        environment = os.environ | {"LD_LIBRARY_PATH": f"{self.folder}:{self.build.resolve()}"}
        tests = [program, "-aa=1", "-nc=true"]
        slow = "*pass the gradient check at first and second order,functions have the accuracy*,traps*," \
               "dot is stopped*"
        for command in (
                tests + ["-tc=every operation*,every module*"],
                [str(self.programs), "300", "100"],
                tests + ["-sf=*tests/ops/*,*core/autograd*,*core/check*,*core/graph*", "-tce=" + slow],
                tests + ["-tce=threads*," + slow],
                tests + ["-tc=" + slow],
                [str(self.programs), "10000", "2000"]):
            name, began = " ".join(command[1:]), processor_time()
            code, output = run(command, self.folder, environment, self.seconds.get(name))
            # The first run is without a fault.
            self.seconds.setdefault(name, 10 + 8 * (processor_time() - began))
            if code == 127:
                sys.exit("cannot run " + " ".join(command) + "\n" + output)
            if code != 0:
                return failed_test(code, output)
        return None


def failed_test(code, output):
    if code is None:
        return "time limit"
    names = re.findall(r"^TEST CASE:\s*(.*)$", output, re.M)
    if names:
        return names[-1].strip()
    return "a random program" if "order:" in output else f"exit code {code}"


def lines_of(text, fault):
    """The lines with the fault before and after, without indentation."""
    begin = text.rfind("\n", 0, fault.begin) + 1
    end = text.find("\n", fault.end)
    before, after = text[begin:end], text[begin:fault.begin] + fault.text + text[fault.end:end]
    return " ".join(before.split()), " ".join(after.split())


def equivalents():
    """Reasons by (file, line before, line after)."""
    found, entry = {}, {}
    for line in (ROOT / "tests/mutation/equivalent.txt").read_text().splitlines() + [""]:
        if line.startswith("#"):
            continue
        if line[:2] in ("@ ", "- ", "+ ", "= "):
            entry[line[0]] = (entry.get(line[0], "") + " " + line[2:]).strip()
        elif not line and entry:
            found[entry["@"], entry["-"], entry["+"]] = entry["="]
            entry = {}
    return found


def chosen(count, seed, only):
    """For every file: its text, all faults in random order, and how many of them to judge."""
    plan = {}
    for file, (names, _) in TARGETS.items():
        text = (ROOT / file).read_text()
        faults = sites.shuffled(sites.all_faults(file, text, names), f"{seed} {file}")
        plan[file] = [text, faults, 0]
    total = sum(math.sqrt(len(p[1])) for p in plan.values())
    for p in plan.values():
        p[2] = min(len(p[1]), max(2, round(count * math.sqrt(len(p[1])) / total)))
    return {file: p for file, p in plan.items() if only in file}


def key_of(file, text, fault):
    return hashlib.sha1(f"{file}\0{text}\0{fault.begin}\0{fault.end}\0{fault.text}".encode()).hexdigest()


def describe(result):
    return f"{result['file']}:{result['line']} ({result['kind']})\n- {result['before']}\n+ {result['after']}"


def start(bench, plan, results, out):
    """Runs the tests without a fault, unless an earlier run has: for the time that they take."""
    known = results.get("start")
    if known is None or known["tests"] != bench.fingerprint:
        failed = bench.judge(bench.originals(next(iter(plan))))
        if failed:
            sys.exit(f"without any fault, '{failed}' fails; fix that first")
        known = {"key": "start", "tests": bench.fingerprint, "seconds": bench.seconds}
        out.write(json.dumps(known) + "\n")
    bench.seconds = known["seconds"]


def judge_all(bench, plan, results, out):
    reasons = equivalents()
    for file, (text, faults, wanted) in plan.items():
        judged = 0
        for fault in faults:
            if judged >= wanted:
                break
            key = key_of(file, text, fault)
            known = results.get(key)
            if known and known["verdict"] == "survived" and known["tests"] != bench.fingerprint and \
                    (file, known["before"], known["after"]) not in reasons:
                known = None
            if known is None:
                began = time.time()
                before, after = lines_of(text, fault)
                known = {"key": key, "file": file, "line": text.count("\n", 0, fault.begin) + 1,
                         "kind": fault.kind, "before": before, "after": after,
                         "tests": bench.fingerprint}
                objects = bench.compile(file, text[:fault.begin] + fault.text + text[fault.end:])
                if objects is None:
                    known["verdict"] = "does not compile"
                elif objects == bench.originals(file):
                    known["verdict"] = "same code"
                else:
                    known["by"] = bench.judge(objects)
                    known["verdict"] = "survived" if known["by"] is None else "caught"
                known["seconds"] = round(time.time() - began, 1)
                results[key] = known
                out.write(json.dumps(known) + "\n")
                out.flush()
                print(f"{known['seconds']:6.1f} s  {known['verdict']:16} {file}:{known['line']} "
                      f"{known.get('by') or ''}", flush=True)
            judged += known["verdict"] in ("caught", "survived")


def table(plan, results):
    """Rows of (file, mutants, caught, equivalent), and the survivors that are not."""
    reasons, rows, survivors = equivalents(), [], []
    for file, (text, faults, wanted) in plan.items():
        known = [results[k] for k in (key_of(file, text, f) for f in faults) if k in results]
        known = [r for r in known if r["verdict"] in ("caught", "survived")][:wanted]
        left = [r for r in known if r["verdict"] == "survived"]
        equal = [r for r in left if (r["file"], r["before"], r["after"]) in reasons]
        survivors += [r for r in left if r not in equal]
        rows.append((file, len(known), len(known) - len(left), len(equal)))
    return rows, survivors


def print_table(rows):
    print("\n| file | mutants | caught | equivalent |\n|---|---:|---:|---:|")
    for file, *numbers in rows:
        print(f"| `{file}` | " + " | ".join(map(str, numbers)) + " |")
    print("| all | " + " | ".join(str(sum(r[i] for r in rows)) for i in (1, 2, 3)) + " |")


def main():
    parser = argparse.ArgumentParser(prog="./dev mutate", description="Puts faults into rules and runs "
                                     "the tests against each.")
    parser.add_argument("--count", type=int, default=300, help="number of mutants, at least two of each file (300)")
    parser.add_argument("--seed", type=int, default=1, help="selects which (1)")
    parser.add_argument("--only", default="", help="only files whose path contains this")
    parser.add_argument("--list", action="store_true", help="only list the mutants")
    parser.add_argument("--table", action="store_true", help="only print the results so far")
    parser.add_argument("--build", type=Path, default=ROOT / "build", help="build folder")
    options = parser.parse_args()
    plan = chosen(options.count, options.seed, options.only)
    if not plan:
        sys.exit(f"no file with rules has '{options.only}' in its path; there are\n  " +
                 "\n  ".join(TARGETS))
    if options.list:
        for file, (text, faults, wanted) in plan.items():
            for f in faults[:wanted]:
                before, after = lines_of(text, f)
                print(f"{file}:{text.count(chr(10), 0, f.begin) + 1} ({f.kind})\n- {before}\n+ {after}")
        return
    path = options.build / "mutation.jsonl"
    results = {}
    if path.exists():
        for line in path.read_text().splitlines():
            result = json.loads(line)
            results[result["key"]] = result
    if not options.table:
        folder = Path(tempfile.mkdtemp(prefix="unroll-mutation-"))
        signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
        try:
            bench = Bench(options.build, folder)
            with path.open("a") as out:
                start(bench, plan, results, out)
                judge_all(bench, plan, results, out)
        finally:
            shutil.rmtree(folder)
    rows, survivors = table(plan, results)
    for r in survivors:
        print("\nsurvived: " + describe(r))
    print_table(rows)
    if survivors:
        sys.exit(f"{len(survivors)} mutants pass every test: extend the tests, or list them with a reason in "
                 "tests/mutation/equivalent.txt")


if __name__ == "__main__":
    main()
