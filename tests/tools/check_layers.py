#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A file includes only its own folder and lower levels (src/README.md).

Usage: check_layers.py ROOT
"""
import posixpath
import re
import sys

import tree

LEVELS = {
    "base": 0,
    "metrics": 1, "wire": 1, "archive": 1,
    "ctl": 2, "pg": 2, "http": 2, "outbound": 2,
    "identity": 3, "backup": 3,
    "ingest": 4, "control": 4,
    "jobs": 5,
    "app": 6,
}

# Outside src: what may be included beside own headers and the contracts in include/muster.
OUTSIDE = {
    "include": set(),
    "agent": {"base"},
    "loadgen": {"base"},
    "bench": set(LEVELS),
}

# The agent's own: the core stands alone, the network needs it, a shell may have both.
AGENT = {"core": 0, "net": 1, "linux": 2, "windows": 2, "macos": 2}

PLANES = {"ingest", "control"}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


def refusal(owner, target):
    """Why a file of module `owner` may not include a header of module `target`, or None."""
    if owner == target or target == "muster":
        return None
    if owner in AGENT:
        if target in AGENT:
            return (None if AGENT[target] < AGENT[owner] else
                    f"the agent's {target} does not lie below its {owner}")
        owner = "agent"
    if target not in LEVELS:
        return (f"'{target}' is no module of ours: foreign headers come in <>, new modules get a "
                "level in check_layers.py and src/README.md")
    if owner in OUTSIDE:
        if target in OUTSIDE[owner]:
            return None
        return f"{owner} is not part of the server: it shares only include/muster with it"
    if {owner, target} == PLANES:
        return "the data plane and the control plane meet in PostgreSQL and on base/bus only"
    if LEVELS[target] < LEVELS[owner]:
        return None
    if LEVELS[target] == LEVELS[owner]:
        return f"{owner} and {target} are both on level {LEVELS[owner]}: neither may know the other"
    return (f"{target} (level {LEVELS[target]}) lies above {owner} (level {LEVELS[owner]}): "
            "pass in a function or a struct instead")


def owner_of(path):
    """The module that a file belongs to, or None when the rules do not cover it."""
    parts = path.split("/")
    if parts[0] == "src":
        return parts[1] if len(parts) > 2 else None
    if parts[0] == "agent" and len(parts) > 2:
        return parts[1]
    return parts[0]


def check(root):
    findings = []
    for path in tree.files(root, "src", "include", "agent", "loadgen", "bench"):
        if not path.endswith((".c", ".cc", ".h", ".inc")):
            continue
        owner = owner_of(path)
        if owner not in LEVELS and owner not in OUTSIDE and owner not in AGENT:
            findings.append(f"{path}: its folder has no level: add it to check_layers.py and "
                            "src/README.md")
            continue
        text = tree.read(root, path) or ""
        for match in INCLUDE.finditer(text):
            header = match.group(1)
            where = f"{path}:{text.count(chr(10), 0, match.start(1)) + 1}"
            if ".." in header.split("/"):
                findings.append(f'{where}: "{header}": include by the path below src, without ..')
                continue
            target = posixpath.dirname(header).split("/")[0] or owner
            why = refusal(owner, target)
            if why:
                findings.append(f'{where}: may not include "{header}": {why}')
    return findings


if __name__ == "__main__":
    tree.report("include layers", check(sys.argv[1]))
