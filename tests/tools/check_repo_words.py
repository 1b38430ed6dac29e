#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The tree names no machine: no paths of somebody's computer, no package mirrors.

Usage: check_repo_words.py ROOT
"""
import re
import sys

import tree

# Put together here so that this file does not find itself.
FORBIDDEN = [
    (re.compile(r"(?<![\w./$}])/(home|root|work|Users)/[\w.]"), "a path of one machine"),
    (re.compile(r"/tmp/" + r"mu/"), "a path of one machine"),
    (re.compile(r"\b(deb|ftp|security|snapshot)\." + r"debian\.org"), "a package mirror"),
    (re.compile(r"\b(FIX" + r"ME|XX" + r"X)\b"), "an open end: put it right or say it aloud"),
]


def check(root):
    findings = []
    for path in tree.files(root):
        text = tree.read(root, path)
        for number, line in enumerate((text or "").split("\n"), 1):
            for pattern, why in FORBIDDEN:
                if pattern.search(line) and not path.startswith("cmake/patches/"):
                    findings.append(f"{path}:{number}: {why}: {line.strip()[:80]}")
    return findings


if __name__ == "__main__":
    tree.report("words", check(sys.argv[1]))
