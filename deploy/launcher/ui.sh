# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2015,SC2034,SC2154,SC2164
#
# ui.sh - numbered steps with elapsed time; their output goes to a log that a failure names.
#
# A step is a function. It runs in a process group of its own, so that Ctrl-C ends all of it, and says
# why it failed with `fail SENTENCE`.

logs=$root/build/logs
log=
step_number=0
step_count=0
step_group=

die()
{
        printf 'muster: %s\n' "$*" >&2
        exit 1
}

say() { printf '%s\n' "$*"; }

# Ends a line that changes.
clear_line() { [[ ! -t 1 ]] || printf '\r\033[K'; }

warn() { printf 'muster: note: %s\n' "$*" >&2; }

# Inside a step: the sentence that the person reads.
fail()
{
        printf '%s\n' "$*" >"$log.why"
        exit 1
}

# steps COUNT COMMAND: begins a numbered list of steps with a fresh log for COMMAND.
steps()
{
        step_count=$1
        step_number=0
        mkdir -p "$logs" 2>/dev/null && [[ -w $logs ]] ||
                die "$logs cannot be written: an earlier run by root made it; give it to yourself with:" \
                        "sudo chown -R $(id -un) $root/build"
        log=$logs/$2.log
        : >"$log"
        rm -f "$log.why"
        trap 'end_step_group; exit 130' INT
        trap 'end_step_group; exit 143' TERM
}

end_step_group()
{
        [[ -z $step_group ]] || kill -TERM -- "-$step_group" 2>/dev/null || true
}

# elapsed START_US: for people.
elapsed()
{
        local tenths=$(((${EPOCHREALTIME/./} - $1) / 100000))
        if ((tenths < 100)); then
                printf '%d.%d s' $((tenths / 10)) $((tenths % 10))
        elif ((tenths < 1200)); then
                printf '%d s' $((tenths / 10))
        else
                printf '%d min %02d s' $((tenths / 600)) $((tenths / 10 % 60))
        fi
}

# How far the build tool says it is: its lines begin with [12/300].
progress_of_log()
{
        tail -c 4000 "$log" | sed '/^== /h;//!H;$!d;x' |
                grep -aoE '^\[ *[0-9]+(/[0-9]+|%)\]|^build-deps: .*' | tail -n 1 | cut -c1-50
}

# Waits for process $1 and keeps the person informed: a line that changes on a terminal, else a line
# every minute.
watch_step()
{
        local pid=$1 start=$2 title=$3 next_note=60
        while kill -0 "$pid" 2>/dev/null; do
                if [[ -t 1 ]]; then
                        printf '\r\033[K%s %s %s' "$title" "$(elapsed "$start")" "$(progress_of_log)"
                elif (((${EPOCHREALTIME/./} - start) / 1000000 >= next_note)); then
                        say "      … $(elapsed "$start") $(progress_of_log)"
                        next_note=$((next_note + 60))
                fi
                sleep 0.1
        done
}

# run_step TITLE FUNCTION [ARGUMENT...]: 0, or the function's failure (shown, not fatal). Each step's
# closing words may be left in $log.said.
run_step()
{
        local title start pid status=0 said
        step_number=$((step_number + 1))
        title="[$step_number/$step_count] $1"
        shift
        start=${EPOCHREALTIME/./}
        rm -f "$log.why" "$log.said"
        printf '\n== %s\n' "$title" >>"$log"
        [[ -t 1 ]] || say "$title"

        set -m # a process group of its own
        ("$@") </dev/null >>"$log" 2>&1 &
        pid=$!
        set +m
        step_group=$pid
        watch_step "$pid" "$start" "$title"
        wait "$pid" || status=$?
        step_group=

        said=$(cat "$log.said" 2>/dev/null || true)
        if [[ -z $said ]]; then
                said='done'
                ((status == 0)) || said=FAILED
        fi
        if [[ -t 1 ]]; then
                printf '\r\033[K%-58s %s, %s\n' "$title" "$said" "$(elapsed "$start")"
        else
                say "      $said, $(elapsed "$start")"
        fi
        return "$status"
}

# As run_step, but a failure ends the command with its sentence and the last lines of the log.
must_step()
{
        run_step "$@" && return
        explain_failure "$1"
        exit 1
}

explain_failure()
{
        tail -n 12 "$log" | cut -c1-200 | sed 's/^/  | /' >&2
        if [[ -s $log.why ]]; then
                printf 'muster: %s\n' "$(<"$log.why")" >&2
        else
                printf 'muster: "%s" failed.\n' "$1" >&2
        fi
        printf 'muster: the whole output is in %s\n' "$log" >&2
}
