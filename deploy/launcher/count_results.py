#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Counts one JUnit file: prints "PASSED FAILED SKIPPED", then a line per failed case.

A file that is missing, unreadable or without a case counts as one failure: a run that did not
happen must not look like one that passed.

--ids FILE              prints pytest's ids of the failed cases
--second FILE AGAIN     the cases that passed in AGAIN have passed in FILE from now on; prints them
"""
import sys
import xml.etree.ElementTree as ElementTree


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


def cases_of(path):
    """Yields (name, outcome) for each test case."""
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        yield name_of(case), outcome_of(case)


def print_ids(path):
    try:
        cases = list(cases_of(path))
    except (OSError, ElementTree.ParseError):
        return
    for name, outcome in cases:
        if outcome == "failed" and "::" in name:
            module, _, test = name.partition("::")
            print(f"{module.replace('.', '/')}.py::{test}")


def take_second(path, again):
    try:
        passed = {name for name, outcome in cases_of(again) if outcome == "passed"}
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
    outcomes = [outcome for _, outcome in cases]
    print(*(outcomes.count(word) for word in ("passed", "failed", "skipped")))
    for name, outcome in cases:
        if outcome == "failed":
            print(name)


if __name__ == "__main__":
    main()
