#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The checks themselves: each must find its bad sample, and leave the good one alone."""
import os
import tempfile
import unittest

import check_exports
import check_layers
import check_options
import check_repo_words
import check_style
import check_wire

SPDX = "/* SPDX-License-Identifier: Apache-2.0 */\n"


def findings(check, **files):
    """What `check` says of a tree with these files (path, with __ for /, and suffix)."""
    with tempfile.TemporaryDirectory() as root:
        for path, text in files.items():
            path = os.path.join(root, path.replace("__", "/").replace("_DOT_", "."))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        return check(root)


class Layers(unittest.TestCase):
    def refused(self, path, header):
        found = findings(check_layers.check, **{path: f'{SPDX}#include "{header}"\n'})
        self.assertEqual(len(found), 1, found)
        return found[0]

    def test_downwards_is_allowed(self):
        for header in ("ingest/a.h", "a.h", "base/a.h", "pg/a.h", "muster/ring.h"):
            source = f'#include "{header}"\n#include <stdio.h>\n'
            self.assertEqual(findings(check_layers.check, src__ingest__a_DOT_c=source), [])

    def test_upwards_is_refused(self):
        self.assertIn("lies above", self.refused("src__base__a_DOT_c", "ingest/a.h"))

    def test_neighbours_are_refused(self):
        self.assertIn("both on level 2", self.refused("src__pg__a_DOT_h", "http/a.h"))

    def test_planes_are_apart(self):
        self.assertIn("data plane", self.refused("src__control__a_DOT_c", "ingest/a.h"))
        self.assertIn("data plane", self.refused("src__ingest__a_DOT_c", "control/alert/a.h"))

    def test_shared_contracts_stand_alone(self):
        self.assertIn("not part of", self.refused("include__muster__a_DOT_h", "base/a.h"))

    def test_unknown_folders_and_dots_are_refused(self):
        self.assertIn("no module of ours", self.refused("src__pg__a_DOT_c", "misc/a.h"))
        self.assertIn("without ..", self.refused("src__pg__a_DOT_c", "../base/a.h"))
        self.assertEqual(len(findings(check_layers.check, src__misc__a_DOT_c="")), 1)


class Wire(unittest.TestCase):
    def test_paths_come_from_the_header(self):
        good = '/* "/v1/x" */ const char *path = MU_PATH_HEARTBEAT; // "/v1/x"\n'
        self.assertEqual(findings(check_wire.check, agent__core__a_DOT_c=good,
                                  src__wire__a_DOT_c='"/v1/x"\n'), [])

    def test_others_are_refused(self):
        for path in ("agent__core__a_DOT_c", "loadgen__a_DOT_h"):
            found = findings(check_wire.check, **{path: '\nf("POST /v1/heartbeat HTTP/1.1");\n'})
            self.assertEqual(len(found), 1)
            self.assertIn(":2: ", found[0])


class Style(unittest.TestCase):
    def refused(self, path, text, words):
        found = findings(check_style.check, **{path: text})
        self.assertEqual(len(found), 1, found)
        self.assertIn(words, found[0])

    def test_good_file(self):
        body = "int f(void)\n{\n" + "        g();\n" * 70 + "}\n"
        self.assertEqual(findings(check_style.check, src__pg__a_DOT_c=SPDX + body), [])

    def test_limits(self):
        path = "src__pg__a_DOT_c"
        self.refused(path, "int a;\n", "SPDX")
        self.refused("muster", "#!/bin/bash\necho\n", "SPDX")
        self.refused(path, SPDX + "/* " + "x" * 98 + " */\n", "columns")
        self.refused(path, SPDX + "int a; \n", "white space")
        self.refused(path, SPDX + "\tint a;\n", "tab")
        self.refused(path, SPDX + "int a;", "no end")
        self.refused(path, SPDX + "int a;\n" * 800, "801 lines")
        self.refused("src__pg__a_DOT_h", SPDX + "int a;\n" * 200, "201 lines")
        self.refused(path, SPDX + "int f(void)\n{\n" + "        g();\n" * 71 + "}\n", "71 lines")

    def test_limits_of_typescript(self):
        spdx = "// SPDX-License-Identifier: Apache-2.0\n"
        path = "ui__src__a_DOT_tsx"
        self.refused(path, "const a = 1;\n", "SPDX")
        self.refused(path, spdx + "const a = " + "1 + " * 40 + "1;\n", "columns")
        self.refused(path, spdx + "f();\n" * 300, "301 lines")
        self.refused("ui__tests__a_DOT_spec_DOT_ts", spdx + "f();\n" * 400, "401 lines")
        text = spdx + 'const a = "' + "x" * 200 + '";\n'
        self.assertEqual(findings(check_style.check, **{path: text}), [])

    def test_a_reason_excuses(self):
        text = SPDX + "/* one thing because it is a table */\n" + "int a;\n" * 900
        self.assertEqual(findings(check_style.check, src__pg__a_DOT_c=text), [])

    def test_banned_functions(self):
        self.refused("src__pg__a_DOT_c", SPDX + "x = atoi(y);\n", "atoi")
        self.refused("src__pg__a_DOT_c", SPDX + "x = time(NULL);\n", "base/clock.h")
        self.refused("tests__unit__a_DOT_c", SPDX + "usleep(1);\n", "wait for the event")
        allowed = SPDX + "snprintf(a); x.time(); /* atoi( */ s = \"gets(\";\n"
        allowed += "x = atoi(y); /* allowed because it is a sample */\n"
        self.assertEqual(findings(check_style.check, src__pg__a_DOT_c=allowed), [])


class Words(unittest.TestCase):
    def test_machine_paths(self):
        for bad in ("cd /ho" + "me/someone/x", "see /wo" + "rk/main", "FIX" + "ME later"):
            self.assertEqual(len(findings(check_repo_words.check, README_DOT_md=bad)), 1, bad)
        for good in ("/usr/bin/python3", "$root/work/x", "/v1/work", "http://a/home/x"):
            self.assertEqual(findings(check_repo_words.check, README_DOT_md=good), [], good)


class Options(unittest.TestCase):
    source = 'MU_OPTION(journal, tail, BYTES, "32MiB", 1, 2, false,\n          "Help.")\n'

    def compared(self, conf):
        return check_options.compare(check_options.options_of_source(self.source),
                                     check_options.options_of_conf(conf), "conf")

    def test_options(self):
        self.assertEqual(self.compared("[journal]\n# Help: a = b\n# tail = 32MiB\n"), [])
        self.assertIn("not documented", self.compared("[pg]\ntail = 32MiB\n")[0])
        self.assertIn("the default is", self.compared("[journal]\ntail = 1MiB\n")[0])
        self.assertIn("no option", self.compared("[journal]\ntail = 32MiB\nx = 1\n")[0])


class Exports(unittest.TestCase):
    def test_exports(self):
        bad = "0000000000001234 T SSL_new\n"
        good = "                 U SSL_new\n0000000000001234 T main\n"
        self.assertEqual(check_exports.exported(bad), ["SSL_new"])
        self.assertEqual(check_exports.exported(good), [])


if __name__ == "__main__":
    unittest.main()
