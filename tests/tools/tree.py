# SPDX-License-Identifier: Apache-2.0
"""What the checks share: the files of the tree, and how a finding is reported."""
import os
import re
import sys

SKIPPED_FOLDERS = {".git", "build", "var", "__pycache__", ".pytest_cache", "corpus", "crashers",
                   "node_modules", "dist"}
SKIPPED_FILES = {".shot.json"}  # one person's settings


def files(root, *folders):
    """Paths below root, relative, sorted; only in the given folders if any are named."""
    found = []
    for start in folders or [""]:
        for folder, names, entries in os.walk(os.path.join(root, start)):
            names[:] = sorted(set(names) - SKIPPED_FOLDERS)
            found += [os.path.relpath(os.path.join(folder, entry), root)
                      for entry in entries if entry not in SKIPPED_FILES]
    return sorted(found)


def read(root, path):
    """The text of a file, or None when it is not text."""
    with open(os.path.join(root, path), "rb") as file:
        data = file.read()
    try:
        return None if b"\0" in data else data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def code_only(text):
    """C source with comments and literals blanked; lines and columns stay."""
    pattern = r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
    return re.sub(pattern, lambda m: re.sub(r"[^\n]", " ", m.group()), text, flags=re.S)


def report(what, findings):
    """Prints the findings and ends the program with the verdict."""
    for finding in findings:
        print(finding)
    if findings:
        sys.exit(f"{what}: {len(findings)} to put right")
    print(f"{what}: nothing to put right")
