#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Model-checks the segment's protocol (segment.pml) with spin: `check.sh [DIRECTORY FOR WHAT IS BUILT]`. Every search is
# exhaustive for its configuration. Then every BREAK_ variant, which must be found wrong: a model that cannot fail proves
# nothing. One line each, the closing line 'N passed, N failed'; non-zero when one failed.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=${1:-$(mktemp -d)}
mkdir -p "$out"
seconds=${MODEL_SECONDS:-150} # bound of one search; together they take under a minute on two idle cores
megabytes=${MODEL_MEGABYTES:-3000}

if ! command -v spin >/dev/null; then
    if ! command -v apt-get >/dev/null || [[ $EUID -ne 0 ]]; then
        echo 'model-check: spin is not installed; as root: apt-get install spin' >&2
        exit 1
    fi
    echo 'model-check: installing spin' >&2
    apt-get update -qq </dev/null >/dev/null || true
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends spin </dev/null >/dev/null
fi

# search NAME OPTIONS...: builds and runs the verifier; its whole output is in $out/NAME/log.
search() {
    local name=$1
    shift
    rm -rf "${out:?}/$name"
    mkdir -p "$out/$name"
    cd "$out/$name"
    {
        spin "$@" -a "$here/segment.pml" &&
            gcc -O2 -w -DSAFETY -DCOLLAPSE -DMEMLIM="$megabytes" -o pan pan.c &&
            timeout "$seconds" ./pan -m100000 -n
    } >log 2>&1 || true
}

states() { sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' "$out/$1/log" | tail -n 1; }
took() { sed -n 's/^pan: elapsed time \(.*\) seconds/\1/p' "$out/$1/log" | tail -n 1; }
errors() { sed -n 's/.*errors: \([0-9]*\).*/\1/p' "$out/$1/log" | tail -n 1; }
finished() { ! grep -Eq 'Search not completed|max search depth too small|out of memory|MEMLIM' "$out/$1/log"; }
violation() { sed -n 's/^pan:[0-9]*: \(.*\) (at depth.*/\1/p' "$out/$1/log" | head -n 1; }

expect_right() { # NAME DESCRIPTION
    if [[ $(errors "$1") == 0 ]] && finished "$1"; then
        echo "ok     $2: $(states "$1") states, $(took "$1") s"
    elif [[ -n $(errors "$1") && $(errors "$1") != 0 ]]; then
        echo "FAILED $2: $(violation "$1")"
        echo "       spin -t -p -g -k $out/$1/segment.pml.trail with the options of this search shows the way there"
        return 1
    else
        echo "FAILED $2: not finished within $seconds s and $megabytes MB, see $out/$1/log"
        return 1
    fi
}

expect_wrong() { # NAME DESCRIPTION
    if [[ -n $(errors "$1") && $(errors "$1") != 0 ]]; then
        echo "ok     found: $2 ($(violation "$1"))"
    else
        echo "FAILED not found: $2, after $(states "$1") states"
        return 1
    fi
}

passed=0
failed=0
count() { if "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi; }

# NAME|expectation|description|options
searches=(
    'settle|right|kills, reaping processes, and the agent repairing meanwhile|-DKILLS=1 -DLIVES=1 -DOPERATIONS=1 -DAGENT_SETTLES'
    'reap|right|kills, the killed coming back, processes and the agent reaping|-DKILLS=1 -DLIVES=2 -DOPERATIONS=1 -DAGENT_REAPS'
    'holding|right|the same while the reaper holds memory itself|-DKILLS=1 -DKILLS_ONLY_FIRST -DNEVER_REFUSES -DLIVES=1 -DOPERATIONS_OF_FIRST=1 -DBLOCKS=2 -DBYTES=1 -DAGENT_SETTLES'
    'quota|right|kills and a quota that is lowered below use and raised|-DKILLS=1 -DLIVES=1 -DOPERATIONS=2 -DQUOTA_CHANGES'
    'total|right|kills under a cap over all devices|-DKILLS=1 -DLIVES=1 -DOPERATIONS=2 -DTOTAL'
    'alone|right|kills without an agent, processes repair|-DKILLS=1 -DLIVES=2 -DOPERATIONS=1 -DSTANDALONE'
    'cas|wrong|the quota is checked first and charged then|-DBREAK_CAS -DKILLS=0 -DLIVES=1'
    'order|wrong|the slot is charged before the device|-DBREAK_ORDER -DKILLS=0 -DLIVES=1'
    'free|wrong|bytes are given back before the driver has freed them|-DBREAK_FREE -DKILLS=0 -DLIVES=1'
    'lock|wrong|a reaper does not ask whether the owner is gone|-DBREAK_LOCK -DKILLS=1 -DLIVES=1 -DAGENT_REAPS'
    'mark|wrong|a reap is no operation of the slot that it reaps|-DBREAK_MARK -DKILLS=1 -DKILLS_ONLY_FIRST -DNEVER_REFUSES -DLIVES=1 -DOPERATIONS_OF_FIRST=1 -DBLOCKS=2 -DBYTES=1 -DAGENT_SETTLES'
    'end|wrong|a reap leaves begun what the dead had begun|-DBREAK_END -DKILLS=1 -DLIVES=1 -DOPERATIONS=1'
    'moving|wrong|the repair does not look whether something is under way|-DBREAK_SETTLE -DKILLS=0 -DLIVES=1 -DAGENT_SETTLES'
    'aba|wrong|the repair reads the counter before it looks|-DBREAK_ABA -DKILLS=0 -DLIVES=1 -DAGENT_SETTLES'
    'reset|wrong|a new owner counts its operations from zero|-DBREAK_RESET -DKILLS=1 -DLIVES=2 -DOPERATIONS=2 -DAGENT_SETTLES'
    'settlers|wrong|two repair at the same time|-DBREAK_SETTLERS -DKILLS=1 -DLIVES=2 -DOPERATIONS=1 -DSTANDALONE'
)

# Two at a time; the lines come in the order of the list.
running=0
for line in "${searches[@]}"; do
    IFS='|' read -r name _ _ options <<<"$line"
    # shellcheck disable=SC2086
    (search "$name" $options) &
    running=$((running + 1))
    if ((running >= 2)); then
        wait -n
        running=$((running - 1))
    fi
done
wait
for line in "${searches[@]}"; do
    IFS='|' read -r name expectation description _ <<<"$line"
    count "expect_$expectation" "$name" "$description"
done
[[ $# -ge 1 || $failed -gt 0 ]] || rm -rf "$out"
echo "$passed passed, $failed failed"
exit $((failed > 0))
