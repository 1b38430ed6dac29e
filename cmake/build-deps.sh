#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# build-deps.sh - BoringSSL and h2o as static libraries, from Debian's source packages.
#
# Results: build/deps/lib/{libboringssl_ssl,libboringssl_crypto,libh2o-evloop}.a and
# build/deps/include/{boringssl,h2o}. A second run does nothing unless a pinned version, a patch or
# this script changed. Needs no root, and changes nothing of the machine's apt configuration: the
# source list is derived from it and handed to apt privately; apt verifies signatures and checksums.
#
# Environment: MUSTER_DEPS_DIR (default build/deps), MUSTER_JOBS (default: all processors).

set -euo pipefail

# Upstream versions. A newer Debian revision of the same upstream is taken, as long as the files that
# we patch are still the ones the patches were made for.
readonly boringssl_package=android-platform-external-boringssl boringssl_version=13.0.0+r24
readonly h2o_package=h2o h2o_version=2.2.5+dfsg2

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly here
deps=$(realpath -m "${MUSTER_DEPS_DIR:-$here/../build/deps}")
readonly deps
readonly jobs=${MUSTER_JOBS:-$(nproc)}
work=

say() { printf 'build-deps: %s\n' "$*"; }

die()
{
        printf 'build-deps: %s\n' "$*" >&2
        exit 1
}

# run WHAT COMMAND...: output goes to the log, which is named when the command fails.
run()
{
        local what=$1
        shift
        printf '\n== %s: %s\n' "$what" "$*" >>"$log"
        if ! "$@" >>"$log" 2>&1; then
                tail -n 15 "$log" | sed 's/^/  | /' >&2
                die "$what failed; the whole output is in $log"
        fi
}

# What is looked for, and the Debian package that brings it.
needed_tools()
{
        cat <<'EOF'
                apt-get apt
                dpkg-source dpkg-dev
                patch patch
                xz xz-utils
                make make
                cc gcc
                c++ g++
                cmake cmake
                pkg-config pkg-config
                flock util-linux
                /usr/include/zlib.h zlib1g-dev
                /usr/include/wslay/wslay.h libwslay-dev
                /usr/include/yaml.h libyaml-dev
EOF
}

check_tools()
{
        local missing=() tool package
        while read -r tool package; do
                case $tool in
                /*) [[ -e $tool ]] || missing+=("$package") ;;
                *) command -v "$tool" >/dev/null || missing+=("$package") ;;
                esac
        done < <(needed_tools)
        ((${#missing[@]} == 0)) ||
                die "these Debian packages are missing: ${missing[*]}. Install them with:" \
                        "apt-get install ${missing[*]}"
}

# Our own apt world below $1: the machine's `deb` entries as `deb-src`, own lists, own cache.
derive_sources()
{
        local apt_dir=$1 etc file
        etc=$(apt-config shell dir Dir::Etc/f)
        eval "etc=${etc#dir=}"
        mkdir -p "$apt_dir"/{parts,lists/partial,cache/archives/partial}

        for file in "$etc"/sources.list "$etc"/sources.list.d/*.list; do
                [[ -r $file ]] || continue
                sed -nE 's/^[[:space:]]*deb([[:space:]])/deb-src\1/p' "$file" | grep -v cdrom: || true
        done >"$apt_dir/parts/machine.list"

        for file in "$etc"/sources.list.d/*.sources; do
                [[ -r $file ]] || continue
                sed -E 's/^([Tt]ypes:).*/\1 deb-src/; /^#/d' "$file"
                echo
        done >"$apt_dir/parts/machine.sources"

        grep -qE '^(deb-src|[Tt]ypes:)' "$apt_dir"/parts/machine.* ||
                die "no apt source was found in $etc: add Debian 12's main archive to $etc/sources.list"

        apt_options=(-q
                -o "Dir::Etc::sourcelist=/dev/null" -o "Dir::Etc::sourceparts=$apt_dir/parts"
                -o "Dir::State::Lists=$apt_dir/lists" -o "Dir::Cache=$apt_dir/cache"
                -o "APT::Sandbox::User=" -o "Acquire::Languages=none" -o "Acquire::Retries=3")
}

# Newest Debian revision of package $1 with upstream version $2.
newest_revision()
{
        local candidate best=
        while read -r candidate; do
                [[ ${candidate%-*} == "$2" ]] || continue
                if [[ -z $best ]] || dpkg --compare-versions "$candidate" gt "$best"; then
                        best=$candidate
                fi
        done < <(apt-cache "${apt_options[@]}" showsrc "$1" 2>/dev/null | sed -n 's/^Version: //p')
        echo "$best"
}

# The source package $1 of upstream version $2 into $sources, checksums verified by apt. What was
# verified once is kept with its SHA-256, so that a rebuild after a changed patch needs no network.
fetch()
{
        local package=$1 upstream=$2 revision dir=$deps/sources/$1_$2
        if [[ -f $dir/SHA256SUMS ]] && (cd "$dir" && sha256sum --quiet -c SHA256SUMS) >/dev/null 2>&1; then
                return
        fi
        rm -rf "$dir" "$work/fetch"
        mkdir -p "$dir" "$work/fetch"
        if ((${#apt_options[@]} == 0)); then
                derive_sources "$work/apt"
                say "reading the list of Debian's source packages"
                # A third-party archive without sources must not stop us; a missing package will.
                apt-get "${apt_options[@]}" update >>"$log" 2>&1 || true
        fi
        revision=$(newest_revision "$package" "$upstream")
        [[ -n $revision ]] ||
                die "apt offers no source package $package $upstream: is Debian 12's main archive among the" \
                        "apt sources, and is the network up? apt's answers are in $log"
        say "fetching $package $revision"
        run "fetching $package" env -C "$work/fetch" \
                apt-get "${apt_options[@]}" source --only-source --download-only "$package=$revision"
        (cd "$work/fetch" && sha256sum -- * >SHA256SUMS)
        mv "$work/fetch"/* "$dir"/
}

# Unpacks package $1 upstream $2 to $work/$1.
unpack()
{
        rm -rf "${work:?}/$1"
        run "unpacking $1" dpkg-source --no-check -x "$deps/sources/$1_$2"/*.dsc "$work/$1"
}

build_boringssl()
{
        local src=$work/$boringssl_package out=$work/boringssl-out
        fetch "$boringssl_package" "$boringssl_version"
        unpack "$boringssl_package" "$boringssl_version"
        say "building BoringSSL"
        run "building BoringSSL" make -C "$src" -f "$here/boringssl.mk" -j "$jobs" \
                ARCH="$(uname -m)" OUT="$out"
        install_headers boringssl "$src/src/include/openssl"
        mv -f "$out"/libboringssl_{crypto,ssl}.a "$deps/lib/"
}

build_h2o()
{
        local src=$work/$h2o_package out=$work/h2o-out patch_file
        fetch "$h2o_package" "$h2o_version"
        unpack "$h2o_package" "$h2o_version"

        # The patches carry no context lines, so they fit only the very files they were made for.
        (cd "$src" && sha256sum --quiet -c "$here/patches/h2o.sha256") >>"$log" 2>&1 ||
                die "Debian changed a file of h2o that we patch: redo cmake/patches for it (see $log)"
        for patch_file in "$here"/patches/h2o-*.patch; do
                run "patching h2o with ${patch_file##*/}" \
                        patch -d "$src" -p1 --fuzz=0 --no-backup-if-mismatch -i "$patch_file"
        done

        say "building h2o"
        run "configuring h2o" cmake -S "$src" -B "$out" -Wno-dev \
                -DCMAKE_BUILD_TYPE= -DCMAKE_POSITION_INDEPENDENT_CODE=ON \
                -DCMAKE_C_FLAGS="-w -fno-omit-frame-pointer -DH2O_MAX_REQLEN=32768" \
                -DWITH_BUNDLED_SSL=OFF -DWITH_MRUBY=OFF -DWITH_PICOTLS=OFF \
                -DOPENSSL_INCLUDE_DIR="$deps/include/boringssl" \
                -DOPENSSL_SSL_LIBRARY="$deps/lib/libboringssl_ssl.a" \
                -DOPENSSL_CRYPTO_LIBRARY="$deps/lib/libboringssl_crypto.a"
        run "building h2o" cmake --build "$out" --target libh2o-evloop -j "$jobs"
        install_headers h2o "$src/include/h2o.h" "$src/include/h2o" \
                "$src/deps/yoml/yoml.h" "$src/deps/klib/khash.h"
        mv -f "$out/libh2o-evloop.a" "$deps/lib/"
}

# install_headers NAME FILE...: include/NAME is replaced as a whole.
install_headers()
{
        local name=$1
        shift
        rm -rf "$deps/include/$name.new"
        mkdir -p "$deps/include/$name.new"
        cp -r -- "$@" "$deps/include/$name.new/"
        rm -rf "$deps/include/$name"
        mv "$deps/include/$name.new" "$deps/include/$name"
}

# stamp NAME FILE...: what the result of NAME depends on, in one line.
stamp()
{
        local name=$1
        shift
        { echo "$name $(uname -m) $(cc -dumpfullversion)"; cat -- "$@"; } | sha256sum | cut -d' ' -f1
}

prepare()
{
        check_tools
        mkdir -p "$deps"/{lib,include,sources}
        exec 9>"$deps/.lock"
        flock 9 # two launchers may come at once
        log=$deps/build.log
}

begin_work()
{
        : >"$log"
        apt_options=()
        work=$deps/work
        rm -rf "$work"
        mkdir "$work"
        trap 'rm -rf "$work"' EXIT
}

main()
{
        prepare
        local boringssl_stamp h2o_stamp
        boringssl_stamp=$(stamp "$boringssl_version" "$here"/{build-deps.sh,boringssl.mk})
        h2o_stamp=$(stamp "$h2o_version $boringssl_stamp" "$here"/patches/h2o*)
        if [[ $(cat "$deps/lib/boringssl.stamp" "$deps/lib/h2o.stamp" 2>/dev/null) == \
                "$boringssl_stamp"$'\n'"$h2o_stamp" ]]; then
                say "BoringSSL and h2o are up to date"
                return
        fi
        begin_work
        if [[ $(cat "$deps/lib/boringssl.stamp" 2>/dev/null) != "$boringssl_stamp" ]]; then
                rm -f "$deps/lib/boringssl.stamp"
                build_boringssl
                echo "$boringssl_stamp" >"$deps/lib/boringssl.stamp"
        fi
        rm -f "$deps/lib/h2o.stamp"
        build_h2o
        echo "$h2o_stamp" >"$deps/lib/h2o.stamp"
        say "BoringSSL and h2o are ready in $deps"
}

# build-deps-windows.sh takes the functions alone.
[[ ${BASH_SOURCE[0]} != "$0" ]] || main "$@"
