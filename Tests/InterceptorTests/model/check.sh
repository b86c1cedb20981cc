#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Model-checks the segment's protocol (segment.pml) with spin: `check.sh [DIRECTORY FOR WHAT IS BUILT]`. Every search is
# exhaustive within its bounds. Then every BREAK_ variant, within the bounds of a search that finds the unbroken protocol
# right, must be found wrong: a model that cannot fail proves nothing. One line each, the closing line 'N passed, N
# failed'; non-zero when one failed.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [[ $# -ge 1 ]]; then
    mkdir -p "$1"
    out=$(cd "$1" && pwd)
else
    out=$(mktemp -d)
fi
seconds=${MODEL_SECONDS:-300}     # bound of one search, which takes under 10 s on an idle core
megabytes=${MODEL_MEGABYTES:-900} # of one search; two run at a time

fail() {
    echo "model-check: $1" >&2
    exit 1
}
if ! command -v spin >/dev/null; then
    if ! command -v apt-get >/dev/null || [[ $EUID -ne 0 ]]; then
        fail 'spin is not installed; as root: apt-get install spin'
    fi
    echo 'model-check: installing spin' >&2
    apt-get update -qq </dev/null >/dev/null || true
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends spin </dev/null >/dev/null ||
        fail 'spin could not be installed with apt-get'
fi
command -v gcc >/dev/null || fail 'gcc is not installed; as root: apt-get install gcc'

# Name, description, bounds (segment.pml has the defaults: one kill, one life, one operation). The longest come first.
right=(
    'alone|no agent: processes come back, reap and settle|-DSTANDALONE -DLIVES=2 -DOPERATIONS=2'
    'everything|agent: the quota changes, it reaps and settles|-DAGENT_REAPS -DAGENT_SETTLES -DQUOTA_CHANGES'
    'lives|agent: processes come back while it settles|-DLIVES=2 -DAGENT_SETTLES -DNEVER_REFUSES'
    'kills|agent: two kills, processes come back, it reaps|-DKILLS=2 -DLIVES=2 -DAGENT_REAPS -DNEVER_REFUSES'
    'total|agent: a cap over all devices, it settles|-DTOTAL -DAGENT_SETTLES'
    'alone-total|no agent: a cap over all devices|-DSTANDALONE -DLIVES=2 -DTOTAL'
    'holding|agent: the process that reaps holds memory, it settles|-DOPERATIONS=2 -DOPERATIONS_OF_FIRST=1 -DBLOCKS=2 -DBYTES=1 -DAGENT_SETTLES -DNEVER_REFUSES'
    'quota|agent: two kills, longer lives, the quota changes|-DKILLS=2 -DOPERATIONS=2 -DQUOTA_CHANGES'
)
# Variant, the search whose bounds it has, description.
wrong=(
    'CAS|quota|the quota is checked first and charged then'
    'ORDER|quota|the slot is charged before the device'
    'FREE|quota|bytes are given back before the driver has freed them'
    'LOCK|kills|a reaper does not ask whether the owner is gone'
    'MARK|holding|a reap is no operation of the slot that it reaps'
    'END|everything|a reap leaves begun what the dead had begun'
    'SETTLE|everything|a settle does not look whether something is under way'
    'ABA|holding|a settle reads the counter before it looks'
    'RESET|lives|a new owner counts its operations from zero'
    'SETTLERS|alone|two settle at the same time'
)

# search NAME OPTIONS...: builds and runs the verifier; its whole output is in $out/NAME/log.
search() {
    local name=$1 optimise=-O1
    shift
    [[ $name != BREAK_* ]] || optimise=-O0 # found sooner than optimised code is compiled
    rm -rf "${out:?}/$name"
    mkdir -p "$out/$name"
    cd "$out/$name"
    {
        spin "$@" -a "$here/segment.pml" &&
            gcc $optimise -w -DSAFETY -DCOLLAPSE -DMEMLIM="$megabytes" -o pan pan.c &&
            timeout "$seconds" ./pan -m100000 -n
    } >log 2>&1 || true
}

states() { sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' "$out/$1/log" | tail -n 1; }
took() { sed -n 's/^pan: elapsed time \(.*\) seconds/\1/p' "$out/$1/log" | tail -n 1; }
errors() { sed -n 's/.*errors: \([0-9]*\).*/\1/p' "$out/$1/log" | tail -n 1; }
finished() { ! grep -Eq 'Search not completed|max search depth too small|out of memory|MEMLIM' "$out/$1/log"; }
violation() { sed -n 's/^pan:[0-9]*: \(.*\) (at depth.*/\1/p' "$out/$1/log" | head -n 1; }

expect_right() { # NAME DESCRIPTION OPTIONS
    if [[ $(errors "$1") == 0 ]] && finished "$1"; then
        echo "ok     $2: $(states "$1") states, $(took "$1") s"
    elif [[ -n $(errors "$1") && $(errors "$1") != 0 ]]; then
        echo "FAILED $2: $(violation "$1")"
        echo "       the way there: spin $3 -t -p -g -k $out/$1/segment.pml.trail $here/segment.pml"
        return 1
    else
        echo "FAILED $2: not finished within $seconds s and $megabytes MB, see $out/$1/log"
        return 1
    fi
}

# An invalid end state is a flaw of the model, never the one that was looked for.
expect_wrong() { # NAME DESCRIPTION
    if [[ $(violation "$1") == 'assertion violated'* ]]; then
        echo "ok     found: $2 ($(violation "$1"))"
    else
        echo "FAILED not found: $2, see $out/$1/log"
        return 1
    fi
}

options_of() { # NAME
    local line
    for line in "${right[@]}"; do
        [[ ${line%%|*} != "$1" ]] || echo "${line##*|}"
    done
}

# Two at a time; the lines come in the order of the lists.
running=0
start() {
    if ((running >= 2)); then
        wait -n
        running=$((running - 1))
    fi
    search "$@" &
    running=$((running + 1))
}
# shellcheck disable=SC2046
{
    for line in "${right[@]}"; do
        start "${line%%|*}" $(options_of "${line%%|*}")
    done
    for line in "${wrong[@]}"; do
        IFS='|' read -r variant of _ <<<"$line"
        start "BREAK_$variant" "-DBREAK_$variant" $(options_of "$of")
    done
}
wait

passed=0
failed=0
count() { if "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi; }
for line in "${right[@]}"; do
    IFS='|' read -r name description options <<<"$line"
    count expect_right "$name" "$description" "$options"
done
for line in "${wrong[@]}"; do
    IFS='|' read -r variant _ description <<<"$line"
    count expect_wrong "BREAK_$variant" "$description"
done
[[ $# -ge 1 || $failed -gt 0 ]] || rm -rf "$out"
echo "$passed passed, $failed failed"
exit $((failed > 0))
