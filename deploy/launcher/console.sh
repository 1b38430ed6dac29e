# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2015,SC2034,SC2154,SC2164
#
# console.sh - the console's tools from npm, its build, the types of the API, pictures of its pages.

ui=$root/ui
console_dir=$root/build/ui # where musterd looks for it

# The oldest that Vite 8, Vitest 4 and jsdom 29 take.
readonly node_wanted='22.13, or 20.19'

node_will_do()
{
        node -e 'const [a, b] = process.versions.node.split(".").map(Number);
                 process.exit(a > 22 || (a === 22 && b >= 13) || (a === 20 && b >= 19) ? 0 : 1)' 2>/dev/null
}

# npm_ci FOLDER WHAT: what its package-lock.json says, unless that is there already; one at a time.
npm_ci()
{
        local stamp turn
        exec {turn}<"$1/package-lock.json"
        flock "$turn"
        stamp=$(sha256sum <"$1/package-lock.json")
        if [[ $(cat "$1/node_modules/.muster-stamp" 2>/dev/null) != "$stamp" ]]; then
                (cd "$1" && npm ci --no-audit --no-fund --ignore-scripts) ||
                        fail "npm could not install $2. Is the network up, and npm's registry within reach?"
                echo "$stamp" >"$1/node_modules/.muster-stamp"
        fi
        exec {turn}<&-
}

# Debian 12 has Node.js 18: where that is all there is, a newer one, named by its hash, comes from npm's
# registry into build/node and goes before it in PATH.
use_node()
{
        local own=$root/build/node bin_of_node
        ! node_will_do || return 0
        mkdir -p "$own"
        cp "$launcher/node/package.json" "$launcher/node/package-lock.json" "$own/"
        npm_ci "$own" "Node.js"
        bin_of_node=$(find "$own/node_modules" -path '*/node-linux-*/bin' -type d | head -n 1)
        # npm says nothing when it can't fetch what is optional, as one of two processors' must be.
        if [[ -z $bin_of_node ]]; then
                rm -f "$own/node_modules/.muster-stamp"
                fail "npm could not fetch Node.js $node_wanted or newer, which the console needs (here is" \
                        "$(node --version 2>&1 | tail -n 1)). Is the network up, and npm's registry within reach?"
        fi
        PATH=$bin_of_node:$PATH
        node_will_do ||
                fail "the console needs Node.js $node_wanted or newer; here is $(node --version 2>&1 | tail -n 1)"
}

install_console_tools()
{
        use_node
        npm_ci "$ui" "what the console is made with"
}

# Everything that the built console depends on.
console_stamp()
{
        (cd "$ui" && find src public scripts index.html package.json package-lock.json tsconfig.json vite.config.ts \
                -type f ! -name '*.test.ts' ! -name '*.test.tsx' -print0 | LC_ALL=C sort -z |
                xargs -0 sha256sum | sha256sum | cut -c1-32)
}

# Into a folder of its own, which takes the old one's place when it is whole.
build_console()
{
        local stamp fresh=$console_dir.new
        stamp=$(console_stamp)
        if [[ $(cat "$console_dir/.stamp" 2>/dev/null) == "$stamp" ]]; then
                echo "up to date" >"$log.said"
                return
        fi
        install_console_tools
        rm -rf "$fresh" "$console_dir.old"
        cd "$ui"
        node_modules/.bin/vite build --outDir "$fresh" --emptyOutDir --logLevel warn ||
                fail "The console could not be built."
        node scripts/pack.mjs "$fresh" || fail "The built console could not be packed."
        node scripts/first-load.mjs "$fresh" || fail "The built console is too large."
        echo "$stamp" >"$fresh/.stamp"
        [[ ! -e $console_dir ]] || mv "$console_dir" "$console_dir.old"
        mv "$fresh" "$console_dir"
        rm -rf "$console_dir.old"
}

# The API as the console's TypeScript knows it, anew from the running appliance.
command_types()
{
        (($# == 0)) || die "types takes no options"
        need_running
        check_system
        steps 2 types
        prepare_root "${packages_build[@]}"
        must_step "Debian packages" install_packages "${packages_build[@]}"
        must_step "Types of the API" write_types "$(run_value http_url)"
        say "written: ui/src/api/schema.d.ts"
}

write_types()
{
        install_console_tools
        curl -sSf -m 30 -o "$root/build/openapi.json" "$1/api/openapi.json" ||
                fail "the running appliance did not give its description: $1/api/openapi.json"
        cd "$ui"
        npm run --silent types || fail "openapi-typescript could not read the description."
}

# Pictures of every page in both themes and on a phone, into build/screenshots: of a small company on an
# appliance of its own, or with --running of the one that runs.
command_screenshots()
{
        local running=0
        if [[ ${1-} == --running ]]; then
                running=1
                shift
                need_running
        fi
        [[ -x $root/build/release/bin/musterd && -f $console_dir/index.html ]] ||
                die "there is nothing to take pictures of yet: ./muster up builds it"
        check_system
        steps 2 screenshots
        prepare_root "${packages_run[@]}" "${packages_build[@]}" chromium
        must_step "Debian packages" install_packages "${packages_run[@]}" "${packages_build[@]}" chromium
        must_step "The console's tools" install_console_tools
        use_node
        export MUSTER_PICTURES=$root/build/screenshots MUSTER_PICTURES_OF="$*"
        export MUSTER_TEST_BIN=$root/build/release/bin MUSTER_TEST_CONSOLE=$console_dir
        if ((running)); then
                export MUSTER_CONSOLE MUSTER_PASSWORD_FILE=$data_dir/secrets/admin-password
                MUSTER_CONSOLE=$(run_value http_url)
        fi
        cd "$ui"
        node_modules/.bin/playwright test -c tests/pictures/pictures.config.ts
        say "pictures: build/screenshots"
}
