#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Counts one JUnit file: prints "PASSED FAILED SKIPPED", then a line per failed case.

A file that is missing, unreadable or without a case counts as one failure: a run that did not
happen must not look like one that passed.
"""
import sys
import xml.etree.ElementTree as ElementTree


def cases_of(path):
    """Yields (name, outcome) for each test case."""
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        name = "::".join(filter(None, (case.get("classname"), case.get("name"))))
        if case.find("failure") is not None or case.find("error") is not None:
            yield name, "failed"
        elif case.get("status") == "fail":  # ctest's own word, for example for a timeout
            yield name, "failed"
        elif case.find("skipped") is not None or case.get("status") in ("disabled", "notrun"):
            yield name, "skipped"
        else:
            yield name, "passed"


def main():
    try:
        cases = list(cases_of(sys.argv[1]))
    except (OSError, ElementTree.ParseError) as error:
        print(f"0 1 0\nno result: {error}")
        return
    if not cases:
        print(f"0 1 0\nno test ran: {sys.argv[1]} has no case")
        return
    outcomes = [outcome for _, outcome in cases]
    print(*(outcomes.count(word) for word in ("passed", "failed", "skipped")))
    for name, outcome in cases:
        if outcome == "failed":
            print(name)


if __name__ == "__main__":
    main()
