#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every option of musterd stands in deploy/muster.conf.example with its default, and no other.

Usage: check_options.py ROOT [MUSTERD]. With the program, its --help must say the same.
Answers 77 (skipped) as long as there are no options.
"""
import os
import re
import subprocess
import sys

import tree

OPTION = re.compile(r'^MU_OPTION\(\s*(\w+)\s*,\s*(\w+)\s*,\s*\w+\s*,\s*((?:"[^"]*"|\w)+)', re.M)
SECTION = re.compile(r"^\[(\w+)\]$")
KEY = re.compile(r"^[#;]?\s?([a-z][a-z0-9_]*)\s*=\s*(.*)$")


def options_of_source(text):
    """{section.key: default} of config_options.h."""
    return {f"{section}.{key}": default.replace('"', "")
            for section, key, default in OPTION.findall(text)}


def options_of_conf(text):
    """{section.key: value} of a configuration file; `# key = value` counts too."""
    found, section = {}, None
    for line in text.split("\n"):
        if SECTION.match(line):
            section = SECTION.match(line).group(1)
        elif section and KEY.match(line):
            key, value = KEY.match(line).groups()
            found[f"{section}.{key}"] = value.strip()
    return found


def compare(wanted, found, where):
    findings = []
    for name, default in sorted(wanted.items()):
        if name not in found:
            findings.append(f"{where}: option {name} is not documented")
        elif found[name] != default:
            findings.append(f"{where}: {name} says '{found[name]}', the default is '{default}'")
    findings += [f"{where}: there is no option {name}" for name in sorted(set(found) - set(wanted))]
    return findings


def main(root, musterd=None):
    source = os.path.join(root, "src/app/config_options.h")
    if not os.path.exists(source):
        print("skipped: musterd has no options yet")
        sys.exit(77)
    wanted = options_of_source(tree.read(root, "src/app/config_options.h"))
    example = "deploy/muster.conf.example"
    if not os.path.exists(os.path.join(root, example)):
        tree.report("options", [f"{example} is missing: {len(wanted)} options are not documented"])
    findings = compare(wanted, options_of_conf(tree.read(root, example)), example)
    if musterd:
        said = subprocess.run([musterd, "--help"], capture_output=True, text=True, check=False)
        findings += compare(wanted, options_of_conf(said.stdout), "musterd --help")
    else:
        print("note: musterd is not built here, its --help was not looked at")
    tree.report("options", findings)


if __name__ == "__main__":
    main(*sys.argv[1:])
