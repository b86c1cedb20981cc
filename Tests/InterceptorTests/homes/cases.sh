# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154,SC2317 # variables are the caller's, cases are called by name
# Sourced by run.sh here and in ../gpu. A case is a function that runs in a shell of its own and ends at the first command
# that fails, at die, or at skip; a line 'note: …' of its output is shown beside its name.
#   out      where its output goes      only     part of the name of the cases to run
#   seconds  a program that is not over by then hangs
passed=0 failed=0 skipped=0

check() { # NAME FUNCTION ARGUMENTS...
    local name=$1 log=$out/log status
    shift
    [[ $name == *"$only"* ]] || return 0
    (
        set -e
        "$@"
        leftovers
    ) >"$log" 2>&1
    status=$?
    case $status in
    0)
        passed=$((passed + 1))
        echo "ok     $name$(sed -n 's/^note: /, /p' "$log" | tr -d '\n')"
        ;;
    77)
        skipped=$((skipped + 1))
        echo "skip   $name: $(tail -n 1 "$log")"
        ;;
    *)
        failed=$((failed + 1))
        echo "FAILED $name"
        tail -n 12 "$log" | sed 's/^/       /'
        ;;
    esac
}
leftovers() {
    [[ ! -e /dev/shm/hcs-$EUID-$HCS_JOB ]] || die "the last process left /dev/shm/hcs-$EUID-$HCS_JOB behind"
}
skip() { echo "$*" >&2; exit 77; }
die() { echo "$*" >&2; exit 1; }
bounded() { # COMMAND...: its own status, or a word that it hangs
    local status=0
    timeout -k 5 "$seconds" "$@" || status=$?
    [[ $status != 124 && $status != 137 ]] || die "hangs: not over after $seconds s: $*"
    return "$status"
}
finish() {
    echo "$passed passed, $failed failed, $skipped skipped"
    exit $((failed > 0))
}
