#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A program exports no symbol of BoringSSL or h2o. Usage: check_exports.py PROGRAM

OpenSSL comes into the process with libpq, and one of the two would take the other's calls.
"""
import re
import subprocess
import sys

import tree

DEFINED = re.compile(r"^[0-9a-f]+ [A-TV-Z] (.+)$")
OURS_ALONE = re.compile(r"^(SSL_|EVP_|ERR_|X509|BIO_|CRYPTO_|OPENSSL_|HMAC|SHA256|RAND_|h2o_)")


def exported(symbols):
    names = (DEFINED.match(line) for line in symbols.split("\n"))
    return [match.group(1) for match in names if match and OURS_ALONE.match(match.group(1))]


def main(program):
    symbols = subprocess.run(["nm", "-D", program], capture_output=True, text=True, check=True)
    tree.report("exports", [f"{program} exports {name}" for name in exported(symbols.stdout)])


if __name__ == "__main__":
    main(sys.argv[1])
