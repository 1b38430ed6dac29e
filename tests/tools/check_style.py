#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The house limits. Usage: check_style.py ROOT

A file or function over its limit stays if a comment in it says why it is one thing:
"one thing because ...". A banned function stays on a line that says "allowed because ...".
"""
import os
import re
import sys

import tree

LINE_MAX = 100
SCRIPT_LINE_MAX = 120  # shell and CMake, where a line is one command
MARKUP_LINE_MAX = 140  # TypeScript, where a line is an element with its classes
FUNCTION_MAX = 70
FILE_MAX = {".c": 800, ".cc": 800, ".h": 200, ".ts": 300, ".tsx": 300, ".mjs": 300}
TESTS = (".spec.ts", ".test.ts", ".test.tsx")
TESTS_MAX = 400
CODE = (".c", ".cc", ".h")
MARKUP = (".ts", ".tsx", ".mjs")
WITH_SPDX = CODE + MARKUP + (".py", ".sh", ".sql", ".cmake", ".mk")
STRING = re.compile(r'"[^"]*"|`[^`]*`')
GENERATED = ("ui/src/api/schema.d.ts",)  # from the API's description

BANNED = {
    "strcpy": "snprintf or memcpy with a checked length",
    "strcat": "snprintf",
    "sprintf": "snprintf",
    "vsprintf": "vsnprintf",
    "gets": "fgets",
    "atoi": "strtol with its errors checked (base/parse_units.h)",
    "atol": "strtol with its errors checked",
    "atoll": "strtoll with its errors checked",
    "atof": "strtod with its errors checked",
    "strtok": "strtok_r",
    "system": "posix_spawn with an argument vector",
    "popen": "posix_spawn with an argument vector",
    "rand": "base/random.h",
    "srand": "base/random.h",
    "tmpnam": "mkstemp",
    "mktemp": "mkstemp",
    "localtime": "localtime_r",
    "gmtime": "gmtime_r",
    "ctime": "strftime",
    "asctime": "strftime",
}
BANNED_IN_TESTS = {name: "wait for the event itself: a sleep is too short or too long"
                   for name in ("sleep", "usleep", "nanosleep")}
# One clock, so that tests and the simulator can set it.
BANNED_IN_SRC = {name: "base/clock.h" for name in ("clock_gettime", "gettimeofday", "time")}
CLOCK = "src/base/clock.c"


def needs_spdx(path, text):
    return (path.endswith(WITH_SPDX) or os.path.basename(path) == "CMakeLists.txt"
            or text.startswith("#!"))


def columns(path, line):
    """In TypeScript a text is not broken for its length."""
    return len(STRING.sub('""', line) if path.endswith(MARKUP) else line)


def check_lines(path, text, findings):
    if needs_spdx(path, text) and not any("SPDX-License-Identifier: Apache-2.0" in line
                                          for line in text.split("\n")[:2]):
        findings.append(f"{path}:1: the SPDX line is missing")
    if not path.endswith(WITH_SPDX) and not text.startswith("#!"):
        return
    if text and not text.endswith("\n"):
        findings.append(f"{path}: the last line has no end")
    most = MARKUP_LINE_MAX if path.endswith(MARKUP) else SCRIPT_LINE_MAX
    if path.endswith(CODE + (".py", ".sql")):
        most = LINE_MAX
    for number, line in enumerate(text.split("\n"), 1):
        if columns(path, line) > most:
            findings.append(f"{path}:{number}: {columns(path, line)} columns, {most} at most")
        if line != line.rstrip():
            findings.append(f"{path}:{number}: white space at the end")
        if "\t" in line and not path.endswith(".mk"):
            findings.append(f"{path}:{number}: a tab")


def check_functions(path, lines, findings):
    """Functions begin with `{` and end with `}` in the first column, as .clang-format has it."""
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line.startswith("}") and start is not None:
            length = number - start - 1
            around = "\n".join(lines[max(0, start - 8):number])
            if length > FUNCTION_MAX and "one thing because" not in around:
                findings.append(f"{path}:{start}: the function has {length} lines, "
                                f"{FUNCTION_MAX} at most")
            start = None


def banned_in(path):
    banned = dict(BANNED)
    if path.startswith("tests/"):
        banned.update(BANNED_IN_TESTS)
    if path.startswith("src/") and path != CLOCK:
        banned.update(BANNED_IN_SRC)
    return banned


def check_calls(path, text, lines, findings):
    banned = banned_in(path)
    call = re.compile(r"(?<![\w.>])(" + "|".join(banned) + r")\s*\(")
    for number, line in enumerate(tree.code_only(text).split("\n"), 1):
        for match in call.finditer(line):
            if "allowed because" not in lines[number - 1]:
                findings.append(f"{path}:{number}: {match.group(1)}() is banned; "
                                f"instead: {banned[match.group(1)]}")


def check(root):
    findings = []
    for path in tree.files(root):
        text = tree.read(root, path)
        if text is None or path in GENERATED:
            continue
        check_lines(path, text, findings)
        suffix = os.path.splitext(path)[1]
        if suffix not in FILE_MAX:
            continue
        lines = text.split("\n")
        size = len(lines) - 1
        most = TESTS_MAX if path.endswith(TESTS) else FILE_MAX[suffix]
        if size > most and "one thing because" not in text:
            findings.append(f"{path}: {size} lines, {most} at most")
        if suffix not in CODE:
            continue
        check_functions(path, lines, findings)
        check_calls(path, text, lines, findings)
    return findings


if __name__ == "__main__":
    tree.report("style", check(sys.argv[1]))
