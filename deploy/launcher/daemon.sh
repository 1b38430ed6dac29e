# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2015,SC2034,SC2154,SC2164
#
# daemon.sh - up, down, status, psql, load, ctl.
#
# musterd writes DATA_DIR/musterd.pid ("PID START", the start time in clock ticks as in /proc/PID/stat,
# so that a stranger with a recycled pid is never signalled) and DATA_DIR/run.json (flat; where it
# listens, where its database is).

data_dir=$(realpath -m "${MUSTER_DATA_DIR:-$root/var}")
port=${MUSTER_PORT:-8443}
http_port=${MUSTER_HTTP_PORT:-8080}
bin=$root/build/release/bin

# The first start makes a database cluster; a start after a crash replays the journal.
ready_wait_s=180
ready_quiet_s=20 # so long nothing is said about it
drain_wait_s=120

# run_value KEY: a string or number of run.json.
run_value()
{
        sed -nE "s/.*\"$1\"[[:space:]]*:[[:space:]]*\"?([^\",}]*)\"?.*/\1/p" "$data_dir/run.json" 2>/dev/null |
                head -n 1
}

# Field 22 of /proc/PID/stat, counted from behind the command's closing parenthesis.
start_time_of()
{
        sed -E 's/^.*\) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20
}

# The pid of the running musterd of this data directory, or nothing.
running_pid()
{
        local pid='' start=''
        read -r pid start 2>/dev/null <"$data_dir/musterd.pid" || [[ -n $pid ]] || return 0
        [[ $pid =~ ^[0-9]+$ && $(cat "/proc/$pid/comm" 2>/dev/null) == musterd ]] || return 0
        [[ -z $start || $start == "$(start_time_of "$pid")" ]] || return 0
        echo "$pid"
}

http_url() { echo "http://127.0.0.1:$http_port"; }

ready_status() { curl -s -m 5 -o /dev/null -w '%{http_code}' "$1/ready" 2>/dev/null || true; }

check_ports()
{
        local wanted name owner
        [[ $port =~ ^[0-9]+$ ]] && ((port <= 65535)) || die "MUSTER_PORT is not a port number: $port"
        [[ $http_port =~ ^[0-9]+$ ]] && ((http_port <= 65535)) ||
                die "MUSTER_HTTP_PORT is not a port number: $http_port"
        for name in MUSTER_PORT MUSTER_HTTP_PORT; do
                [[ $name == MUSTER_PORT ]] && wanted=$port || wanted=$http_port
                (exec 3<>"/dev/tcp/127.0.0.1/$wanted") 2>/dev/null || continue
                owner=$(ss -ltnpH "sport = :$wanted" 2>/dev/null |
                        sed -nE 's/.*users:\(\("([^"]*)",pid=([0-9]+).*/ (\1, pid \2)/p' | head -n 1 || true)
                die "port $wanted is taken by another program$owner: stop that, or choose another port with" \
                        "$name=$((wanted + 1)) ./muster up"
        done
}

print_log_tail()
{
        local file
        for file in "$data_dir/logs/musterd.out" "$data_dir/logs/musterd.log"; do
                [[ -s $file ]] || continue
                printf '  %s:\n' "$file"
                tail -n 8 "$file" | cut -c1-300 | sed 's/^/  | /'
        done
}

# Starts musterd in a session of its own: Ctrl-C reaches the launcher alone, which passes it on once.
start_musterd()
{
        mkdir -p "$data_dir/logs" 2>/dev/null && [[ -w $data_dir/logs ]] ||
                die "$data_dir cannot be written by $(id -un): give it to yourself, or set MUSTER_DATA_DIR"
        : >"$data_dir/logs/musterd.out"
        log_bytes_before=$(stat -c %s "$data_dir/logs/musterd.log" 2>/dev/null || echo 0)
        setsid "$bin/musterd" --data-dir "$data_dir" --port "$port" --http-port "$http_port" \
                --log-file "$data_dir/logs/musterd.log" \
                </dev/null >>"$data_dir/logs/musterd.out" 2>&1 &
        musterd_pid=$!
}

stop_half_started()
{
        kill -TERM "$musterd_pid" 2>/dev/null || true
        wait "$musterd_pid" 2>/dev/null || true
}

# Why it is not ready: the newest error of this start, else the newest warning, else what /ready names.
reason_not_ready()
{
        local level said=''
        for level in error warning; do
                [[ -z $said ]] || break
                said=$(tail -c "+$((log_bytes_before + 1))" "$data_dir/logs/musterd.log" 2>/dev/null |
                        grep -a "\"level\":\"$level\"" | tail -n 1 |
                        sed -nE 's/.*"detail":"(([^"\\]|\\.)*)".*/\1/p' | sed -E 's/\\(["\\])/\1/g' || true)
        done
        [[ -n $said ]] ||
                said=$(curl -s -m 5 "$(http_url)/ready" 2>/dev/null |
                        sed -nE 's/.*"degraded":\[("[^]]*)\].*/degraded: \1/p' | tr -d '"' || true)
        printf '%s' "${said:-nothing is wrong as far as it says}" | cut -c1-300
}

wait_ready()
{
        local start=${EPOCHREALTIME/./} status=0 reason told='' next_look=$ready_quiet_s waited
        while [[ $(ready_status "$(http_url)") != 200 ]]; do
                if ! kill -0 "$musterd_pid" 2>/dev/null; then
                        wait "$musterd_pid" || status=$?
                        print_log_tail >&2
                        die "musterd stopped while starting (exit code $status); its last words are above"
                fi
                waited=$(((${EPOCHREALTIME/./} - start) / 1000000))
                if ((waited >= next_look)); then
                        reason=$(reason_not_ready)
                        if [[ $reason != "$told" ]]; then
                                clear_line
                                say "still waiting: $reason"
                                told=$reason
                        fi
                        next_look=$((waited + ready_quiet_s))
                fi
                if ((waited > ready_wait_s)); then
                        print_log_tail >&2
                        stop_half_started
                        die "musterd was not ready after $ready_wait_s s and was stopped; its last words are above"
                fi
                [[ ! -t 1 ]] || printf '\r\033[KStarting … %s' "$(elapsed "$start")"
                sleep 0.1
        done
        clear_line
}

# The secrets come from files through pipes: never in the arguments of a process.
print_banner()
{
        local pid=$1 secrets=$data_dir/secrets register heartbeat token
        register="printf 'X-Admin-Key: %s' \"\$(cat '$secrets/admin-key')\" | curl -sS -H @-"
        register+=" --json '{\"alias\":\"first\",\"kind\":\"desktop\"}' $(http_url)/v1/register"
        token="sed -E 's/.*\"token\" *: *\"([^\"]*)\".*/Authorization: Bearer \\1/'"
        heartbeat="curl -sS -H @- --json \"{\\\"ts\\\":\$(date +%s),\\\"battery\\\":87}\" $(http_url)/v1/heartbeat"
        cat <<EOF

Muster is running (pid $pid).

  URL       https://localhost:$port   (own certificate, self-signed until you replace it)
            $(http_url)   (this machine only)
  sign in   admin; the password is in $secrets/admin-password
  secrets   $secrets/   (admin-key, …)
  log       $data_dir/logs/musterd.log

Register a device and send a heartbeat:

  $register | $token | $heartbeat

Watch this machine with the agent:

  build/release/bin/muster-agent enroll --server https://localhost:$port --pin '$(run_value tls_pin)' \\
    --admin-key-file '$secrets/admin-key' --alias "\$(hostname)" && build/release/bin/muster-agent run

Look at it from the command line (the API: $(http_url)/api/docs):

  ./muster ctl login --password-file '$secrets/admin-password' && ./muster ctl devices list

EOF
}

run_in_foreground()
{
        local signals=0 status=0
        trap 'signals=$((signals + 1)); say "Stopping …"; kill -TERM "$musterd_pid" 2>/dev/null || true' INT TERM HUP
        say "Ctrl-C stops it."
        while kill -0 "$musterd_pid" 2>/dev/null; do
                status=0
                wait "$musterd_pid" || status=$?
        done
        if ((signals == 0)); then
                print_log_tail >&2
                die "musterd ended by itself (exit code $status); its last words are above"
        fi
        say "Stopped."
        exit "$status"
}

serves_built_console()
{
        cmp -s "$console_dir/index.html" <(curl -s -m 5 -H 'Accept: text/html' "$1/" 2>/dev/null)
}

# renew_console PID: a running musterd has the console in memory, and reads it anew when it is told.
renew_console()
{
        local url tries
        url=$(run_value http_url)
        [[ -z ${MUSTER_CONSOLE_DIR-} ]] && ! serves_built_console "$url" || return 0
        if ! kill -HUP "$1" 2>/dev/null; then
                warn "musterd (pid $1) is not yours to signal: it goes on with the console it has"
                return
        fi
        for ((tries = 0; tries < 100; tries++)); do
                if serves_built_console "$url"; then
                        say "The console was rebuilt, and is served now."
                        return
                fi
                sleep 0.1
        done
        warn "the console served is another than the one built into $console_dir;" \
                "$data_dir/logs/musterd.log may say why"
}

command_up()
{
        local detach=0 pid
        case ${1-} in
        '') ;;
        --detach | -d) detach=1 ;;
        *) die "up knows only --detach, not '$1'" ;;
        esac
        check_system
        steps 4 up
        prepare_root "${packages_run[@]}" "${packages_build[@]}"
        must_step "Debian packages" install_packages "${packages_run[@]}" "${packages_build[@]}"
        must_step "h2o and BoringSSL" build_dependencies
        must_step "Building Muster" build_preset release musterd musterctl muster-loadgen muster-agent
        # Devices are served without it, too: a registry that is away must not keep them out.
        if ! run_step "Building the console" build_console; then
                explain_failure "Building the console"
                warn "the appliance goes on without a new console; ./muster up tries it again"
        fi

        pid=$(running_pid)
        if [[ -n $pid ]]; then
                port=$(run_value https_url | sed -E 's/.*:([0-9]+).*/\1/')
                http_port=$(run_value http_url | sed -E 's/.*:([0-9]+).*/\1/')
                print_banner "$pid"
                renew_console "$pid"
                say "It was running already; nothing was started. After an upgrade: ./muster down, then up."
                return
        fi
        check_ports
        start_musterd
        trap 'stop_half_started; exit 130' INT
        trap 'stop_half_started; exit 143' TERM
        wait_ready
        print_banner "$musterd_pid"
        ((detach)) || run_in_foreground
}

command_down()
{
        local pid start=${EPOCHREALTIME/./}
        (($# == 0)) || die "down takes no options"
        pid=$(running_pid)
        if [[ -z $pid ]]; then
                say "Muster is not running in $data_dir."
                return
        fi
        kill -TERM "$pid" 2>/dev/null || die "musterd (pid $pid) is not yours to stop: use sudo ./muster down"
        while [[ $(running_pid) == "$pid" ]]; do
                (((${EPOCHREALTIME/./} - start) / 1000000 <= drain_wait_s)) ||
                        die "musterd (pid $pid) is still storing its backlog after $drain_wait_s s. It goes on;" \
                                "./muster down again stops it at once, and the backlog waits in the journal"
                [[ ! -t 1 ]] || printf '\r\033[KStopping … %s' "$(elapsed "$start")"
                sleep 0.1
        done
        clear_line
        say "Stopped after $(elapsed "$start")."
}

# status_json PID BODY READY BACKLOG
status_json()
{
        local details=null
        [[ $2 != \{* ]] || details=$2
        printf '{"running":true,"pid":%s,"https_url":"%s","http_url":"%s","ready":%s,"backlog":%s,"details":%s}\n' \
                "$1" "$(run_value https_url)" "$(run_value http_url)" "$3" "${4:-null}" "$details"
}

command_status()
{
        local json=0 pid url code body ready=false backlog
        case ${1-} in
        '') ;;
        --json) json=1 ;;
        *) die "status knows only --json, not '$1'" ;;
        esac
        pid=$(running_pid)
        if [[ -z $pid ]]; then
                if ((json)); then
                        say '{"running":false,"pid":null,"ready":false,"backlog":null}'
                else
                        say "Muster is not running in $data_dir."
                fi
                exit 3
        fi
        url=$(run_value http_url)
        body=$(curl -s -m 5 -w '\n%{http_code}' "${url:-$(http_url)}/ready" 2>/dev/null || true)
        code=${body##*$'\n'}
        body=${body%$'\n'*}
        [[ $code != 200 ]] || ready=true
        backlog=$(sed -nE 's/.*"backlog":\{"records":([0-9]+).*/\1/p' <<<"$body")
        if ((json)); then
                status_json "$pid" "$(tr -d '\n' <<<"$body")" "$ready" "$backlog"
                return
        fi
        say "Muster is running (pid $pid)."
        say "  URL      $(run_value https_url)  $url"
        say "  pin      $(run_value tls_pin)  (of its certificate: muster-agent enroll --pin)"
        say "  ready    $ready${code:+ (answer $code)}"
        say "  backlog  ${backlog:-unknown} heartbeats on disk, not yet in the database"
}

need_running()
{
        [[ -n $(running_pid) ]] || die "Muster is not running in $data_dir: ./muster up starts it"
}

command_psql()
{
        local url psql password
        need_running
        psql=$(command -v psql || echo /usr/lib/postgresql/15/bin/psql)
        [[ -x $psql ]] || die "there is no psql here: apt-get install postgresql-client-15"
        url=${MUSTER_DATABASE_URL:-$(run_value database)}
        if [[ $url =~ ^([a-z]+://[^:/@]*):([^@]*)(@.*)$ ]]; then # the password stays out of the arguments
                url=${BASH_REMATCH[1]}${BASH_REMATCH[3]}
                password=${BASH_REMATCH[2]}
                PGPASSWORD=$(printf '%b' "${password//%/\\x}")
                export PGPASSWORD
        fi
        exec "$psql" -d "$url" "$@"
}

command_load()
{
        local url argument defaults=()
        [[ -x $bin/muster-loadgen ]] || die "the load generator is not built yet: ./muster up builds it"
        for argument in "$@"; do
                [[ $argument != --help && $argument != -h ]] || exec "$bin/muster-loadgen" --help
        done
        need_running
        url=$(run_value http_url)
        defaults=(--url "${url:-$(http_url)}" --admin-key-file "$data_dir/secrets/admin-key"
                --devices-file "$data_dir/loadgen-devices")
        exec "$bin/muster-loadgen" "${defaults[@]}" "$@"
}

# Where to is given; who was, is remembered from `./muster ctl login`.
command_ctl()
{
        local url
        [[ -x $bin/musterctl ]] || die "musterctl is not built yet: ./muster up builds it"
        url=$(run_value http_url)
        MUSTER_URL=${MUSTER_URL:-${url:-$(http_url)}} MUSTER_DATA_DIR=$data_dir \
                exec "$bin/musterctl" "$@"
}
