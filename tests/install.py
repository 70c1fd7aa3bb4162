#!/usr/bin/env python3
"""Builds and runs tests/consumer against an installed library, shared and static, by its pkg-config
file, also for other instruction sets than the library's, and with the library as a Meson subproject.

usage: install.py BUILD SOURCE
"""

import os
import pathlib
import shlex
import subprocess
import sys
import tempfile


def run(*command, **options):
    print("+", shlex.join(map(str, command)), flush=True)
    return subprocess.run(command, check=True, **options)


def pkg_config(folder, *flags):
    file = next(folder.rglob("unroll.pc"))
    prefix = folder / "usr/local"
    environment = {**os.environ, "PKG_CONFIG_PATH": str(file.parent)}
    answer = run("pkg-config", f"--define-variable=prefix={prefix}", *flags, "unroll",
                 env=environment, capture_output=True, text=True)
    return shlex.split(answer.stdout)


def main():
    build, source = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
    consumer = source / "tests/consumer"
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        run("meson", "install", "-C", build, "--destdir", folder, "--no-rebuild", "--quiet")
        compiler = ["c++", "-std=c++20", consumer / "main.cpp", *pkg_config(folder, "--cflags")]
        libraries = next(folder.rglob("libunroll.so")).parent

        shared = folder / "shared"
        run(*compiler, "-o", shared, *pkg_config(folder, "--libs"))
        run(shared, env={**os.environ, "LD_LIBRARY_PATH": str(libraries)})

        static = folder / "static"
        flags = pkg_config(folder, "--libs", "--static")
        run(*compiler, "-o", static,
            *[f"-l:lib{f[2:]}.a" if f in ("-lunroll", "-lunroll_graph") else f for f in flags])
        run(static)

        features = pathlib.Path("/proc/cpuinfo").read_text().split()
        for level, needed in {"x86-64": "sse2", "x86-64-v3": "avx2", "x86-64-v4": "avx512vl"}.items():
            if needed in features:
                plain = [flag for flag in compiler if not str(flag).startswith("-march")]
                run(*plain, f"-march={level}", "-o", shared, *pkg_config(folder, "--libs"))
                run(shared, env={**os.environ, "LD_LIBRARY_PATH": str(libraries)})

        project = folder / "project"
        (project / "subprojects").mkdir(parents=True)
        for file in consumer.iterdir():
            (project / file.name).symlink_to(file)
        (project / "subprojects/unroll").symlink_to(source)
        # Without optimisation, intrinsics are macros, which accept fewer kinds of arguments.
        run("meson", "setup", project / "build", project, "--force-fallback-for=unroll",
            "-Doptimization=0", "-Ddebug=false")
        run("ninja", "-C", project / "build", "--quiet")
        run(project / "build/consumer")


main()
