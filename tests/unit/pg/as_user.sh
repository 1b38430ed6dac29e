#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs a test program as an ordinary user; 77 (skipped) where we are one already, or there is no
# way in.
set -eu
[ "$(id -u)" = 0 ] || { echo "already an ordinary user"; exit 77; }
nobody="setpriv --reuid nobody --regid nogroup --clear-groups"
$nobody test -x "$1" || { echo "nobody can't get at $1"; exit 77; }
cd /
exec env -u HOME -u TMPDIR $nobody "$1"
