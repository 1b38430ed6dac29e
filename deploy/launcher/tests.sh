# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2015,SC2034,SC2154,SC2164
#
# tests.sh - every suite in turn, summed up in the last line: "N passed, N failed".
#
# A part that cannot be built counts as one failure, and so does one in which no test ran.
#
# Which build runs what, in a whole run:
#
#   release   all unit tests and the checks of the tree, on the disk; of the system tests those marked
#             `release`: what is about this build (the launcher, memory), kill -9, full disks, a look
#             at each area, and whatever the sanitizer builds leave out
#   asan      all unit tests, all system tests, in memory: bad use of memory and of C anywhere. Its
#             musterd has failpoints, which half of the tests of crashes need
#   tsan      all unit tests, all system tests but those marked `one_thread`, in memory
#   fuzz      libFuzzer on each parser, for seconds; what it once found runs in all other builds
#   ui        the console's types and unit tests; journeys: in a browser, against the release build
#   windows   the agent for Windows under Wine, against the release build
#
# --quick and --only system run all system tests in the release build (those that need failpoints
# leave themselves out). The marks are told in tests/system/conftest.py.

passed=0
failed=0
failures=()
unstable=()
scratches=()  # of in_memory
summed_up=0
quick=0
only=
readonly few=5 # failed cases that get a second try

# count_part NAME JUNIT_FILE: adds a part's cases to the sum; its closing words for the step, and why
# the first of the failed cases failed: on a CI machine, nobody can look into a log afterwards.
count_part()
{
        local name=$1 file=$2 counts line shown=0 part_passed part_failed part_skipped
        {
                read -r part_passed part_failed part_skipped
                counts="$part_passed passed, $part_failed failed"
                ((part_skipped == 0)) || counts+=", $part_skipped skipped"
                passed=$((passed + part_passed))
                failed=$((failed + part_failed))
                say "      $counts"
                while IFS= read -r line; do
                        if [[ $line != $'\t'* ]]; then
                                failures+=("$name: $line (log: ${log#"$root"/})")
                                shown=$((shown + 1))
                                line="FAILED  $line"
                        fi
                        ((shown > 10)) || say "      ${line/$'\t'/  | }"
                done
        } < <("$launcher/count_results.py" "$file")
}

# count_failure PART SENTENCE: of a step that is no test case.
count_failure()
{
        explain_failure "$1"
        failed=$((failed + 1))
        failures+=("$1: $2 (log: ${log#"$root"/})")
}

# build_part PRESET [TARGET...]: 0, or the failure is counted.
build_part()
{
        local preset=$1
        run_step "$preset: building" build_preset "$@" && return
        count_failure "$preset" "the build failed"
        return 1
}

run_ctest()
{
        local preset=$1 file=$2
        shift 2
        cd "$root"
        # More than there are cores: dozens of them wait for most of their time.
        ctest --preset "$preset" -j "$((jobs * 2))" --no-tests=error --output-junit "$file" "$@"
}

# preset_part PRESET TARGET_OR_all [ctest option...]
preset_part()
{
        local preset=$1 target=$2 file=$logs/test-$1.xml
        shift 2
        rm -f "$file"
        build_part "$preset" "$target" || return 0
        run_step "$preset: tests" run_ctest "$preset" "$file" "$@" || true
        count_part "$preset" "$file"
}

# run_pytest KIND PRESET JUNIT_FILE [pytest option...]
run_pytest()
{
        local kind=$1 preset=$2 file=$3 what=("tests/$1")
        local -a options=()
        shift 3
        while (($#)); do
                if [[ $1 == --ids ]]; then
                        what=("${@:2}")
                        break
                fi
                options+=("$1")
                shift
        done
        cd "$root"
        # Side by side, two a core: the tests mostly wait, each for a daemon of its own.
        # A report of a sanitizer must be seen even where the test would not notice the daemon's end.
        local report=log_path=$logs/sanitizer-$preset
        ASAN_OPTIONS=$report UBSAN_OPTIONS=$report:print_stacktrace=1 TSAN_OPTIONS=$report \
                MUSTER_TEST_BIN=$root/build/$preset/bin PYTHONDONTWRITEBYTECODE=1 \
                /usr/bin/python3 -m pytest -q -rfE -p no:cacheprovider -n "$((jobs * 2))" --dist loadgroup \
                --junitxml "$file" "${options[@]}" "${what[@]}" && return
        say_few "$file"
        return 1
}

# second_try PART JUNIT_FILE COMMAND...: the cases that failed, once more and alone, by COMMAND AGAIN_FILE.
# These tests run real daemons against the clock on a machine that may stall. Whoever passes now is
# counted as passed and named as unstable; more than a handful, or a sanitizer's report, is no accident.
second_try()
{
        local part=$1 file=$2 again=${2%.xml}-again.xml count name
        shift 2
        count=$("$launcher/count_results.py" --ids "$file" | wc -l)
        ((count > 0 && count <= few)) || return 0
        rm -f "$again"
        step_count=$((step_count + 1))
        run_step "$part, again" "$@" "$again" || true
        while read -r name; do
                unstable+=("$part: $name (log: ${log#"$root"/})")
        done < <("$launcher/count_results.py" --second "$file" "$again")
}

# Inside a step that failed: a few cases, which get a second try, are not yet a failure.
say_few()
{
        local count
        count=$("$launcher/count_results.py" --ids "$1" | wc -l)
        ((count == 0 || count > few)) || echo "all but $count" >"$log.said"
}

# again_pytest KIND PRESET JUNIT_FILE [pytest option...] AGAIN_FILE
again_pytest()
{
        local kind=$1 preset=$2 file=$3 again=${*: -1}
        local -a ids options=("${@:4:$#-4}")
        mapfile -t ids < <("$launcher/count_results.py" --ids "$file")
        run_pytest "$kind" "$preset" "$again" -n 0 "${options[@]}" --ids "${ids[@]}"
}

# pytest_part KIND PRESET [pytest option...]
pytest_part()
{
        local kind=$1 preset=$2 file=$logs/test-$1-$2.xml report
        shift 2
        rm -f "$file" "$logs/sanitizer-$preset".*
        if ! run_step "$kind tests ($preset)" run_pytest "$kind" "$preset" "$file" "$@"; then
                second_try "$kind tests ($preset)" "$file" again_pytest "$kind" "$preset" "$file" "$@"
        fi
        count_part "$kind ($preset)" "$file"
        while read -r report; do
                failed=$((failed + 1))
                failures+=("$kind ($preset): the sanitizer's report is in ${report#"$root"/}")
                head -n 40 "$report" | cut -c1-160 | sed 's/^/        | /'
        done < <(compgen -G "$logs/sanitizer-$preset.*")
}

has_pytest() { [[ -n $(find "$root/tests/$1" -name 'test_*.py' -print -quit 2>/dev/null) ]]; }

# in_memory COMMAND...: whose temporary files lie in memory, if there is room for them. A database made
# and thrown away by each test is most of what the tests cost; on a disk, several times as much.
in_memory()
{
        local shm=/dev/shm room=$((4 * 1024 * 1024)) scratch available
        available=$(awk '$1 == "MemAvailable:" { print $2 }' /proc/meminfo)
        if [[ -n ${TMPDIR-} || $(stat -f -c %T "$shm" 2>/dev/null) != tmpfs || ! -w $shm ]] ||
                (($(df -Pk "$shm" | awk 'NR == 2 { print $4 }') < room || available < room * 3 / 2)); then
                "$@"
                return
        fi
        scratch=$(mktemp -d "$shm/muster-tests.XXXXXX")
        scratches+=("$scratch")
        chmod 1777 "$scratch" # PostgreSQL's user gets in too
        TMPDIR=$scratch "$@"
        rm -rf "$scratch" || warn "not all of $scratch could be removed"
}

# However it ends: nothing is left in memory, and the last line is the sum. A run that broke off has failed.
end_of_tests()
{
        local status=$?
        ((${#scratches[@]} == 0)) || rm -rf "${scratches[@]}" || true
        if ((!summed_up)); then
                say "the run broke off (exit code $status)"
                say "$passed passed, $((failed + 1)) failed"
                ((status != 0)) || exit 1
        fi
}

# sanitizer_part PRESET: the unit tests, and the system tests with fewer rounds of kill -9.
sanitizer_part()
{
        preset_part "$1" all -LE "$not_again"
        [[ -x $root/build/$1/bin/musterd ]] && has_pytest system || return 0
        local -a options=()
        # -m before the options that only conftest.py knows: argparse gives up behind those.
        [[ $1 != tsan ]] || options=(-m 'not one_thread')
        pytest_part system "$1" "${options[@]}" --rounds 5
}

# release_part KIND: all of it, unless a whole run has the sanitizer builds for most.
release_part()
{
        local -a options=()
        [[ $1 != system ]] || ! has_part asan || ! has_part tsan || options=(-m release --rounds 20)
        pytest_part "$1" release "${options[@]}"
}

# The agent for Windows, built here and run by Wine against a release musterd. A machine that can't
# have the packages goes without, unless it was asked for by name.
windows_part()
{
        local file=$logs/test-windows.xml
        rm -f "$file"
        if ! run_step "Debian packages for Windows" install_packages "${packages_windows[@]}" &&
                [[ $only != windows ]]; then
                say "      left out: these packages can't be installed here: ${packages_windows[*]}"
                return 0
        fi
        if ! run_step "libraries for Windows" build_windows_dependencies ||
                ! run_step "windows: building" build_windows_agent; then
                explain_failure "windows: building"
                failed=$((failed + 1))
                failures+=("windows: the build failed (log: ${log#"$root"/})")
                return 0
        fi
        export MUSTER_TEST_WINDOWS_AGENT=$root/build/windows/muster-agent.exe
        run_step "windows: tests" run_pytest system release "$file" -n 0 \
                --ids tests/system/test_agent_windows.py ||
                second_try windows "$file" again_pytest system release "$file"
        count_part windows "$file"
}

check_types()
{
        cd "$ui"
        node_modules/.bin/tsc --noEmit
}

run_vitest()
{
        use_node
        cd "$ui"
        node_modules/.bin/vitest run --reporter=default --reporter=junit --outputFile.junit="$1"
}

# ui_part: types, unit tests, and that it can be built.
ui_part()
{
        local file=$logs/test-ui.xml
        rm -f "$file"
        if ! run_step "ui: tools from npm" install_console_tools; then
                count_failure "ui" "its tools could not be installed"
                return
        fi
        run_step "ui: types" check_types || count_failure "ui" "tsc found mistakes"
        run_step "ui: tests" run_vitest "$file" || true
        count_part ui "$file"
        run_step "ui: building" build_console || count_failure "ui" "the build failed"
}

# run_journeys [playwright option...] JUNIT_FILE
run_journeys()
{
        local file=${*: -1}
        install_console_tools
        cd "$ui"
        MUSTER_JOURNEYS_JUNIT=$file MUSTER_TEST_BIN=$root/build/release/bin \
                node_modules/.bin/playwright test "${@:1:$#-1}" && return
        say_few "$file"
        return 1
}

# journeys_part: the console in a browser, against a release musterd.
journeys_part()
{
        local file=$logs/test-journeys.xml
        rm -f "$file"
        if ! run_step "journeys: building the console" build_console; then
                count_failure journeys "the console could not be built"
                return
        fi
        run_step "journeys: tests" run_journeys "$file" ||
                second_try journeys "$file" run_journeys --last-failed --workers 1
        count_part journeys "$file"
}

# has_part PART: does the tree have it, and was it asked for?
has_part()
{
        local part=$1
        [[ -z $only || $only == "$part" ]] || return 1
        case $part in
        asan | tsan) ((!quick)) ;;
        windows) ((!quick)) && [[ $(uname -m) == x86_64 ]] ;; # as its Debian packages
        fuzz) ((!quick)) && [[ -f $root/tests/fuzz/CMakeLists.txt ]] ;;
        ui | journeys) [[ -f $ui/package.json ]] ;;
        system | stage | fault) has_pytest "$part" ;;
        esac
}

# A label of ctest that repeats nothing the release build has already said.
readonly not_again='tools'

run_parts()
{
        local kind
        if has_part release; then
                preset_part release all
        elif has_part system || has_part stage || has_part fault; then
                build_part release all || return 0
        elif has_part journeys; then
                build_part release musterd muster-loadgen muster-agent || return 0
        elif has_part windows; then
                build_part release musterd || return 0
        fi
        ! has_part ui || ui_part
        ! has_part journeys || in_memory journeys_part
        ! has_part fuzz || preset_part fuzz fuzz_targets -L fuzz
        ! has_part asan || in_memory sanitizer_part asan
        ! has_part tsan || in_memory sanitizer_part tsan
        for kind in system stage fault; do
                ! has_part "$kind" || release_part "$kind"
        done
        ! has_part windows || windows_part
}

count_steps()
{
        local part count=2
        for part in release fuzz asan tsan; do
                ! has_part "$part" || count=$((count + 2))
        done
        ! has_part ui || count=$((count + 4))
        ! has_part journeys || count=$((count + 2))
        for part in asan tsan; do
                ! { has_part "$part" && has_pytest system; } || count=$((count + 1))
        done
        for part in system stage fault; do
                ! has_part "$part" || count=$((count + 1))
        done
        ! has_part windows || count=$((count + 4))
        if ! has_part release &&
                { has_part system || has_part stage || has_part fault || has_part journeys ||
                        has_part windows; }; then
                count=$((count + 1))
        fi
        echo "$count"
}

command_test()
{
        local start=${EPOCHREALTIME/./} line
        while (($#)); do
                case $1 in
                --quick) quick=1 ;;
                --only)
                        only=${2-}
                        [[ $only =~ ^(release|asan|tsan|fuzz|ui|journeys|system|stage|fault|windows)$ ]] ||
                                die "--only takes one of release, asan, tsan, fuzz, ui, journeys, system," \
                                        "stage, fault, windows"
                        shift
                        ;;
                *) die "test knows only --quick and --only PART, not '$1'" ;;
                esac
                shift
        done
        check_system
        trap end_of_tests EXIT
        steps "$(count_steps)" test
        ! has_part journeys || packages_test+=(chromium)
        [[ $only != windows ]] || packages_test+=("${packages_windows[@]}")
        prepare_root "${packages_run[@]}" "${packages_build[@]}" "${packages_test[@]}"
        if run_step "Debian packages" install_packages \
                "${packages_run[@]}" "${packages_build[@]}" "${packages_test[@]}" &&
                run_step "h2o and BoringSSL" build_dependencies; then
                run_parts
        else
                explain_failure "Preparing the machine"
                failed=1
        fi

        say ""
        for line in "${unstable[@]}"; do
                say "UNSTABLE  failed beside others, passed alone: $line"
        done
        for line in "${failures[@]}"; do
                say "FAILED  $line"
        done
        say "in $(elapsed "$start")"
        if ((passed + failed == 0)); then
                say "no test ran"
                failed=1
        fi
        say "$passed passed, $failed failed"
        summed_up=1
        ((failed == 0))
}
