#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Agents and the load generator take the wire's paths from include/muster, and spell none of them.
Usage: check_wire.py [tree]
"""
import re
import sys

import tree

FOLDERS = ("agent", "loadgen")
TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.S)


def check(root):
    findings = []
    for path in tree.files(root, *FOLDERS):
        text = tree.read(root, path) if path.endswith((".c", ".h")) else None
        for match in TOKEN.finditer(text or ""):
            if match.group().startswith('"') and "/v1/" in match.group():
                line = text.count("\n", 0, match.start()) + 1
                findings.append(f"{path}:{line}: {match.group()}: use MU_PATH_... of muster/wire.h")
    return findings


def main():
    tree.report("wire", check(sys.argv[1] if len(sys.argv) > 1 else "."))


if __name__ == "__main__":
    main()
