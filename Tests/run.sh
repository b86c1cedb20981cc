#!/usr/bin/env bash
# Runs what `swift build --build-tests` has built, and says at the end which tests failed and why: the output is long,
# and of a remote run often only its end is kept. Arguments: those of swift test.
#
# All at once, hundreds of tests share as many threads as there are cores, and one that waits for an answer gets its turn
# after its deadline: so a few at a time. Those that start whole clusters go last and nearly alone.
set -uo pipefail

log=$(mktemp)
trap 'rm -f "$log"' EXIT

run() {
    swift test --skip-build --disable-xctest --experimental-maximum-parallelization-width "$@" 2>&1 | tee -a "$log"
}

failed=0
if (( $# > 0 )); then
    run 8 "$@" || failed=1
else
    clusters='^(IntegrationTests|HCSAgentTests)\.'
    run 8 --skip "$clusters" || failed=1
    run 3 --filter "$clusters" || failed=1
fi
if (( failed )); then
    echo
    echo 'What failed:'
    # An issue's own lines follow it, marked with an arrow.
    grep -aE -A 4 'recorded an issue|error:|Fatal error|Exited with' "$log" | grep -avE '^(◇|✔)' | cut -c 1-600 | tail -n 120
fi
exit "$failed"
