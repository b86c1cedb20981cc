#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A real Prometheus scrapes an agent of a simulated host; promtool reads the scrape, the alert rules and their tests; every
# query of the dashboards is asked; promtool reads a scrape of the scheduler. `run.sh DIRECTORY` keeps there what it fetches and builds. PROGRAMS names the directory
# of hcs-agent and hcs-scheduler. Prometheus comes from PATH, else from Debian's package, which is unpacked and not installed. Prints lines
# 'ok NAME', 'FAILED NAME: why', 'skip NAME: why'; the closing line counts them. Non-zero when one failed.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
out=${1:?usage: run.sh DIRECTORY}
mkdir -p "$out" || exit 2
out=$(cd "$out" && pwd)
programs=${PROGRAMS:-$root/.build/debug}
rules=$root/packaging/prometheus
lines=$out/lines
: >"$lines"
work=
children=()

say() { echo "$*" | tee -a "$lines"; }
finish() {
    ((${#children[@]} == 0)) || kill "${children[@]}" 2>/dev/null
    wait 2>/dev/null
    [[ -z $work ]] || rm -rf "$work"
    local passed failed skipped
    passed=$(grep -c '^ok ' "$lines")
    failed=$(grep -c '^FAILED ' "$lines")
    skipped=$(grep -c '^skip ' "$lines")
    echo "$passed passed, $failed failed, $skipped skipped"
    exit $((failed > 0))
}
trap finish EXIT
trap 'exit 130' INT TERM

check() { # NAME COMMAND...: ok when it succeeds, else its last words
    local name=$1
    shift
    if "$@" >"$out/log" 2>&1; then say "ok $name"; else
        cat "$out/log" >&2
        say "FAILED $name: $(grep . "$out/log" | tail -n 1)"
        return 1
    fi
}

# --- Prometheus -------------------------------------------------------------------------------------------------------------

fetch() {
    [[ -x $out/prometheus/usr/bin/promtool ]] && return
    command -v apt-get dpkg-deb >/dev/null || return 1
    apt-cache policy prometheus | grep -q 'Candidate: [0-9]' || { ((EUID == 0)) && apt-get update -qq; } || return 1
    rm -rf "$out/package" && mkdir -p "$out/package" || return 1
    (cd "$out/package" && apt-get download -qq prometheus) && dpkg-deb -x "$out"/package/prometheus_*.deb "$out/prometheus"
}

if ! { command -v prometheus && command -v promtool; } >/dev/null; then
    if ! fetch >"$out/fetch.log" 2>&1 </dev/null; then
        say "skip metrics: no Prometheus in PATH and none to be fetched: $(tail -n 1 "$out/fetch.log")"
        exit
    fi
    PATH=$out/prometheus/usr/bin:$PATH
fi
if ! command -v python3 >/dev/null; then
    say 'skip metrics: no python3'
    exit
fi

# --- What needs no agent ----------------------------------------------------------------------------------------------------

tested() { # every alert is expected by some test, or nobody knows whether it ever fires
    python3 - "$rules/hcs-alerts.yaml" "$rules/hcs-alerts.test.yaml" <<'END'
import re, sys
alerts = re.findall(r"- alert: (\w+)", open(sys.argv[1]).read())
tests = re.findall(r"- alertname: (\w+)\s+eval_time: \S+\s+exp_alerts:\n", open(sys.argv[2]).read())
missing = sorted(set(alerts) - set(tests))
sys.exit(f"no test in which they fire: {', '.join(missing)}" if missing or not alerts else 0)
END
}
check 'alert rules: promtool check rules' promtool check rules "$rules/hcs-alerts.yaml"
check 'alert rules: promtool test rules' promtool test rules "$rules/hcs-alerts.test.yaml"
check 'alert rules: each fires in a test' tested
check 'scrape configuration: promtool check config' promtool check config "$rules/hcs-agent.scrape.yaml"

# --- The agent --------------------------------------------------------------------------------------------------------------

check 'simulated libraries' make -s -C "$root/CSources" OUT="$out/native" all || exit
work=$(mktemp -d) || exit 2
ports=$(python3 -c 'import socket
s = [socket.socket() for _ in range(2)]
for one in s: one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in s))')
read -r agent_port prometheus_port <<<"$ports"
: >"$work/kernel.log"
"$programs/hcs-agent" run --node-name metrics --config-dir "$work/config" --state-dir "$work/state" \
    --runtime-dir "$work/run" --segment-dir "$work/segments" --metrics-port "$agent_port" --sample-interval 200ms \
    --interceptor "$out/native/libhcs_interceptor.so" --shim "$out/native/hcs-shim" \
    --worker "$programs/hcs-vendor-worker" --simulate "$here/scenario.json" \
    --simulated-libraries "$out/native/simulated" --simulated-kernel-log "$work/kernel.log" >"$work/agent.log" 2>&1 &
children+=($!)
sed "s/127.0.0.1:9470/127.0.0.1:$agent_port/; s/15s/1s/; s|hcs-alerts.yaml|$rules/hcs-alerts.yaml|" \
    "$rules/hcs-agent.scrape.yaml" >"$work/prometheus.yaml"
prometheus --config.file="$work/prometheus.yaml" --storage.tsdb.path="$work/data" --log.level=warn \
    --web.listen-address="127.0.0.1:$prometheus_port" >"$work/prometheus.log" 2>&1 &
children+=($!)

# --- The scheduler ----------------------------------------------------------------------------------------------------------

"$programs/hcs-scheduler" --listen 127.0.0.1:0 --state-dir "$work/scheduler" --alert-program /bin/true \
    >"$work/scheduler.log" 2>&1 &
children+=($!)
scrape_scheduler() { # with the node token, and none without one
    python3 - "$work/scheduler" <<'END' >"$out/scheduler.metrics" && promtool check metrics <"$out/scheduler.metrics"
import os, sys, time, urllib.error, urllib.request
for _ in range(600):
    if os.path.exists(sys.argv[1] + "/address"): break
    time.sleep(0.1)
url = open(sys.argv[1] + "/address").read().strip() + "/metrics"
try: sys.exit(f"open without a token: {urllib.request.urlopen(url).status}")
except urllib.error.HTTPError as error:
    if error.code != 401: sys.exit(f"without a token: {error.code}")
token = open(sys.argv[1] + "/node.token").read().strip()
print(urllib.request.urlopen(urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})).read().decode(), end="")
END
}
check 'scheduler: promtool check metrics' scrape_scheduler
check 'scheduler: counts its answers' grep -q '^hcs_scheduler_http_answers_total{method="GET",code="401"} 1$' "$out/scheduler.metrics"

# --- The checks -------------------------------------------------------------------------------------------------------------

HCS_RUNTIME_DIR=$work/run timeout 300 python3 "$here/check.py" --prometheus "http://127.0.0.1:$prometheus_port" \
    --agent "http://127.0.0.1:$agent_port/metrics" --hcs "$programs/hcs" --kernel-log "$work/kernel.log" \
    --dashboards "$root/packaging/grafana" | tee -a "$lines"
status=${PIPESTATUS[0]}
if ((status != 0)); then
    tail -n 20 "$work/agent.log" "$work/prometheus.log" >&2
    grep -q '^FAILED' "$lines" || say "FAILED metrics: exit $status"
fi
