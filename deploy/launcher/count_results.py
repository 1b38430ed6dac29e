#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Counts one JUnit file: prints "PASSED FAILED SKIPPED", then the name of each failed case and,
behind tabs, up to 12 lines of why it failed.

A file that is missing, unreadable or without a case counts as one failure: a run that did not
happen must not look like one that passed.

--ids FILE              prints pytest's ids of the failed cases
--second FILE AGAIN     the cases that passed in AGAIN have passed in FILE from now on; prints them
"""
import re
import sys
import xml.etree.ElementTree as ElementTree

WHY_LINES = 12


def outcome_of(case):
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    if case.get("status") == "fail":  # ctest's own word, for example for a timeout
        return "failed"
    if case.find("skipped") is not None or case.get("status") in ("disabled", "notrun"):
        return "skipped"
    return "passed"


def name_of(case):
    return "::".join(filter(None, (case.get("classname"), case.get("name"))))


def why(case):
    """Returns the lines of a failed case that say most of it, without colours."""
    told = "\n".join(found.text or "" for tag in ("failure", "error") for found in case.iter(tag))
    printed = "\n".join(found.text or "" for found in case.iter("system-out"))
    lines = [line for line in re.sub(r"\x1b?\[[0-9;]*m", "", told.strip() or printed).splitlines()
             if line.strip()]
    # pytest's and cmocka's own mark of what was wrong; Playwright says it first, a crash last.
    marked = [line for line in lines if re.match(r"E  |.*\[ +(ERROR|LINE) ", line)]
    lines = (marked or lines)[:WHY_LINES] if marked or told.strip() else lines[-WHY_LINES:]
    return [line[:160] for line in lines]


def cases_of(path):
    """Yields (name, outcome, case) for each test case."""
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        yield name_of(case), outcome_of(case), case


def print_ids(path):
    try:
        cases = list(cases_of(path))
    except (OSError, ElementTree.ParseError):
        return
    for name, outcome, _ in cases:
        if outcome == "failed" and "::" in name:
            module, _, test = name.partition("::")
            print(f"{module.replace('.', '/')}.py::{test}")


def take_second(path, again):
    try:
        passed = {name for name, outcome, _ in cases_of(again) if outcome == "passed"}
        tree = ElementTree.parse(path)
    except (OSError, ElementTree.ParseError):
        return
    for case in tree.getroot().iter("testcase"):
        if outcome_of(case) == "failed" and name_of(case) in passed:
            for child in list(case):
                case.remove(child)
            print(name_of(case))
    tree.write(path, encoding="utf-8")


def main():
    if sys.argv[1] == "--ids":
        return print_ids(sys.argv[2])
    if sys.argv[1] == "--second":
        return take_second(sys.argv[2], sys.argv[3])
    try:
        cases = list(cases_of(sys.argv[1]))
    except (OSError, ElementTree.ParseError) as error:
        return print(f"0 1 0\nno result: {error}")
    if not cases:
        return print(f"0 1 0\nno test ran: {sys.argv[1]} has no case")
    outcomes = [outcome for _, outcome, _ in cases]
    print(*(outcomes.count(word) for word in ("passed", "failed", "skipped")))
    for name, outcome, case in cases:
        if outcome == "failed":
            print(name)
            for line in why(case):
                print(f"\t{line}")


if __name__ == "__main__":
    main()
