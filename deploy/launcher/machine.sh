# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2015,SC2034,SC2154,SC2164
#
# machine.sh - what the machine must have: system, room, Debian packages.

packages_run=(postgresql-15 curl ca-certificates)
packages_build=(
        build-essential cmake ninja-build pkg-config patch xz-utils dpkg-dev
        libwslay-dev zlib1g-dev libyaml-dev         # for h2o
        liburing-dev libjemalloc-dev libpq-dev      # journal, allocator, database
        libjansson-dev libsimdjson-dev libinih-dev  # JSON, configuration
        libcurl4-openssl-dev libcrypt-dev libzstd-dev # outgoing HTTP and mail, bcrypt, archive
        libsqlite3-dev                                # the agent's queue
        libcmocka-dev                               # unit tests are configured with the rest
)
packages_test=(
        clang libclang-rt-14-dev # libFuzzer
        libck-dev wrk            # benchmarks: rival of our ring, load on plain h2o
        openssl                  # certificates of the tests' own
        python3 python3-pytest python3-pytest-xdist python3-psycopg2 python3-requests python3-websockets
        python3-aiosmtpd python3-cryptography # stand-ins for a mail server and for Google
        nghttp2-server                        # a server for our HTTP/2 requests
        python3-jsonschema
        procps iproute2 e2fsprogs zstd
        age rsync # encrypted backups, and off-site ones
)
# The Windows agent: its compiler, what puts SQLite together, what runs it. 1.1 GB on the disk.
packages_windows=(gcc-mingw-w64-x86-64-win32 tcl wine64)
# The console is built with tools from npm; so is the linter of the API's description. Debian's Node.js
# is enough to fetch a newer one (console.sh).
command -v npm >/dev/null || packages_build+=(nodejs npm)

check_system()
{
        local id='' version='' pretty='an unknown system' free_kib
        # shellcheck disable=SC1091
        [[ ! -r /etc/os-release ]] ||
                IFS='|' read -r id version pretty < <(. /etc/os-release && echo "${ID-}|${VERSION_ID-}|${PRETTY_NAME-}")
        [[ $id == debian && $version == 12 ]] ||
                warn "Muster is made for Debian 12 and this is $pretty: it goes on, but may miss packages"

        case $(uname -m) in
        x86_64 | aarch64) ;;
        *) die "Muster runs on x86-64 and 64-bit ARM; this machine is $(uname -m)" ;;
        esac

        free_kib=$(df -Pk "$root" | awk 'NR == 2 { print $4 }')
        ((free_kib >= 2 * 1024 * 1024)) ||
                die "only $((free_kib / 1024)) MiB are free on the file system of $root: the build needs 2 GiB"
}

missing_packages()
{
        comm -23 <(printf '%s\n' "$@" | sort -u) \
                <(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' "$@" 2>/dev/null |
                        sed -n 's/^ii  *//p' | sort -u)
}

as_root()
{
        if ((EUID == 0)); then
                "$@"
        else
                sudo -n -- "$@"
        fi
}

# Asks for the password now, on the terminal, if packages are missing and we are not root.
prepare_root()
{
        local missing
        missing=$(missing_packages "$@" | xargs)
        [[ -n $missing ]] && ((EUID != 0)) || return 0
        command -v sudo >/dev/null ||
                die "these Debian packages are missing and there is no sudo here: $missing." \
                        "As root: apt-get install $missing"
        sudo -n true 2>/dev/null || sudo -v ||
                die "sudo is needed to install these Debian packages: $missing"
}

# PostgreSQL's package would make and start a cluster of its own beside ours.
forbid_default_cluster()
{
        local conf=/etc/postgresql-common/createcluster.conf
        [[ -z $(missing_packages postgresql-15) ]] && return
        as_root mkdir -p /etc/postgresql-common
        if [[ ! -e $conf ]]; then
                echo 'create_main_cluster = false' | as_root tee "$conf" >/dev/null
        else
                as_root sed -i -E 's/^#? *create_main_cluster *=.*/create_main_cluster = false/' "$conf"
                grep -q '^create_main_cluster = false' "$conf" ||
                        echo 'create_main_cluster = false' | as_root tee -a "$conf" >/dev/null
        fi
}

install_packages()
{
        local missing
        mapfile -t missing < <(missing_packages "$@")
        if ((${#missing[@]} == 0)); then
                echo "all there" >"$log.said"
                return
        fi
        command -v apt-get >/dev/null ||
                fail "these Debian packages are missing and there is no apt-get here: ${missing[*]}."
        forbid_default_cluster
        # Old lists may still do: only a failing install is fatal.
        as_root apt-get -q update || true
        as_root env DEBIAN_FRONTEND=noninteractive UCF_FORCE_CONFFOLD=1 \
                apt-get -q -y --no-install-recommends -o Dpkg::Options::=--force-confold \
                -o Acquire::Retries=3 -o DPkg::Lock::Timeout=120 install "${missing[@]}" ||
                fail "apt could not install: ${missing[*]}. Is the network up, and Debian 12's main" \
                        "archive among the apt sources?"
        echo "${#missing[@]} installed" >"$log.said"
}
