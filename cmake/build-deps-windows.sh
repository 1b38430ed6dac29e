#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# build-deps-windows.sh - jansson, SQLite, libcurl and wslay as static libraries for 64-bit Windows,
# from Debian's source packages, with mingw-w64.
#
# Results: build/deps-windows/{lib,include}. A second run does nothing unless a pinned version or
# these scripts changed. wslay comes out of aria2's source package, which carries it whole.
#
# Environment: MUSTER_DEPS_DIR (default build/deps-windows), MUSTER_JOBS (default: all processors).

MUSTER_DEPS_DIR=${MUSTER_DEPS_DIR:-$(dirname "${BASH_SOURCE[0]}")/../build/deps-windows}
# shellcheck source-path=SCRIPTDIR source=build-deps.sh
source "$(dirname "${BASH_SOURCE[0]}")/build-deps.sh"

# Upstream versions, each with the name that its sources are built under.
readonly packages=(jansson=2.14=jansson sqlite3=3.40.1=sqlite3 curl=7.88.1=curl aria2=1.36.0=wslay)

needed_tools()
{
        cat <<'EOT'
                apt-get apt
                dpkg-source dpkg-dev
                make make
                cc gcc
                tclsh tcl
                flock util-linux
                x86_64-w64-mingw32-gcc gcc-mingw-w64-x86-64-win32
EOT
}

# SQLite's one file is put together by its own scripts, for this machine.
build_amalgamation()
{
        run "configuring SQLite" env -C "$work/sqlite3" sh ./configure --disable-tcl --disable-readline
        run "putting SQLite together" make -C "$work/sqlite3" sqlite3.c
}

build_windows()
{
        local package name version out=$work/out
        for package in "${packages[@]}"; do
                IFS='=' read -r package version name <<<"$package"
                fetch "$package" "$version"
                unpack "$package" "$version"
                [[ $package == "$name" ]] || mv "$work/$package" "$work/$name"
        done
        say "building them"
        build_amalgamation
        run "building for Windows" make -C "$work" -f "$here/windows-deps.mk" -j "$jobs" OUT="$out"
        install_headers jansson "$work/jansson/src/jansson.h" "$out/jansson/jansson_config.h"
        install_headers sqlite "$work/sqlite3/sqlite3.h"
        install_headers curl "$work/curl/include/curl"
        install_headers wslay "$work/wslay/deps/wslay/lib/includes/wslay"
        mv -f "$out"/lib{jansson,sqlite,curl,wslay}.a "$deps/lib/"
}

main_windows()
{
        local stamp
        prepare
        stamp=$(stamp "${packages[*]} $(x86_64-w64-mingw32-gcc -dumpfullversion)" \
                "$here"/{build-deps.sh,build-deps-windows.sh,windows-deps.mk})
        if [[ $(cat "$deps/lib/windows.stamp" 2>/dev/null) == "$stamp" ]]; then
                say "the libraries for Windows are up to date"
                return
        fi
        begin_work
        rm -f "$deps/lib/windows.stamp"
        build_windows
        echo "$stamp" >"$deps/lib/windows.stamp"
        say "the libraries for Windows are ready in $deps"
}

main_windows "$@"
