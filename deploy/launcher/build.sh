# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2015,SC2034,SC2154,SC2164
#
# build.sh - the libraries built from Debian source packages, and our own targets.

jobs=${MUSTER_JOBS:-$(nproc)}

build_dependencies()
{
        MUSTER_JOBS=$jobs "$root/cmake/build-deps.sh" ||
                fail "h2o and BoringSSL could not be built from Debian's source packages."
        ! tail -n 1 "$log" | grep -q 'up to date' || echo "up to date" >"$log.said"
}

# build_preset PRESET [TARGET...]: all targets when none is named. Configuring each time costs a second
# and notices what git brought meanwhile.
build_preset()
{
        local preset=$1 target_options=()
        shift
        (($# == 0)) || target_options=(--target "$@")
        cd "$root"
        cmake --preset "$preset" || fail "The build could not be configured (preset $preset)."
        cmake --build --preset "$preset" -j "$jobs" "${target_options[@]}" ||
                fail "The build failed (preset $preset)."
}

build_windows_dependencies()
{
        MUSTER_JOBS=$jobs "$root/cmake/build-deps-windows.sh" ||
                fail "The Windows agent's libraries could not be built from Debian's source packages."
        ! tail -n 1 "$log" | grep -q 'up to date' || echo "up to date" >"$log.said"
}

build_windows_agent()
{
        cmake -S "$root/agent/windows" -B "$root/build/windows" -G Ninja &&
                cmake --build "$root/build/windows" -j "$jobs" ||
                fail "The build failed (agent/windows)."
}

command_bench()
{
        check_system
        steps 3 bench
        prepare_root "${packages_run[@]}" "${packages_build[@]}" "${packages_test[@]}"
        must_step "Debian packages" install_packages \
                "${packages_run[@]}" "${packages_build[@]}" "${packages_test[@]}"
        must_step "h2o and BoringSSL" build_dependencies
        must_step "Building" build_preset release
        [[ -x $root/bench/run.py ]] || die "there is no bench/run.py in this tree"
        MUSTER_BIN_DIR=$root/build/release/bin exec "$root/bench/run.py" "$@"
}
