# SPDX-License-Identifier: Apache-2.0
"""Asks a Prometheus that scrapes an agent of scenario.json; prints 'ok NAME' or 'FAILED NAME: why'. Called by run.sh."""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

PATIENCE = 60  # seconds for a state to come; nothing is measured
arguments = argparse.ArgumentParser()
for name in ("prometheus", "agent", "hcs", "kernel-log", "dashboards"):
    arguments.add_argument(f"--{name}", required=True)
arguments = arguments.parse_args()
failures = 0


def ask(path, **parameters):
    url = f"{arguments.prometheus}/api/v1/{path}?{urllib.parse.urlencode(parameters, doseq=True)}"
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return json.load(answer)["data"]
    except urllib.error.HTTPError as error:
        raise ValueError(json.load(error).get("error", str(error))) from None


def query(expression):
    """Series of an instant query: (labels, value)."""
    result = ask("query", query=expression)
    if result["resultType"] == "scalar":
        return [({}, float(result["result"][1]))]
    return [(series["metric"], float(series["value"][1])) for series in result["result"]]


def value(expression):
    found = query(expression)
    return found[0][1] if len(found) == 1 else None


def scrape():
    with urllib.request.urlopen(arguments.agent, timeout=20) as answer:
        return answer.headers["Content-Type"], answer.read().decode()


def hcs(*words):
    subprocess.run([arguments.hcs, "simulate", *words], check=True, stdout=subprocess.DEVNULL)


def check(name, body):
    """`body` returns what is wrong, or nothing."""
    global failures
    try:
        wrong = body()
    except Exception as error:  # a check that breaks has failed, the others go on
        wrong = f"{type(error).__name__}: {error}"
    if wrong:
        failures += 1
    print(f"FAILED {name}: {wrong}" if wrong else f"ok {name}", flush=True)


def becomes(expression, wanted):
    """Waits until the one value of the query is as wanted: a number, or a condition on it."""
    end = time.monotonic() + PATIENCE
    last = None
    while time.monotonic() < end:
        try:
            last = value(expression)
        except (ValueError, OSError) as error:
            last = error
        if isinstance(last, float) and (wanted(last) if callable(wanted) else last == wanted):
            return None
        time.sleep(0.2)
    return f"{expression} is {last}"


# --- The scrape -------------------------------------------------------------------------------------------------------

check("Prometheus scrapes the agent", lambda: becomes('up{job="hcs-agent"}', 1.0)
      or becomes('count(hcs_gpu_health_state{state="healthy"} == 1)', 7.0)
      or becomes('count(count_over_time(up{job="hcs-agent"}[30s]) > 3)', 1.0))


def metadata():
    found = ask("metadata")
    kinds = {"hcs_gpu_energy_joules_total": "counter", "hcs_gpu_health_score": "gauge",
             "hcs_collector_duration_seconds": "histogram", "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": "counter"}
    wrong = [f"{name} is told of {len(told)} times" for name, told in found.items() if len(told) != 1]
    return wrong or [f"{name} is no {kind}" for name, kind in kinds.items() if found[name][0]["type"] != kind]


check("each family has one type and one help", metadata)


def lint(text):
    """promtool's complaints; an exposition that cannot be read is one."""
    return subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True, check=False)


def clean():
    kind, text = scrape()
    if not kind.startswith("text/plain; version=0.0.4"):
        return kind
    native = "".join(line + "\n" for line in text.splitlines() if "DCGM_FI_DEV" not in line.split("{")[0])
    result = lint(native)
    if result.returncode or result.stderr.strip():
        return f"native names: {(result.stdout + result.stderr).strip().splitlines()[:3]}"
    # The names, labels and types of NVIDIA's exporter break the rules of style, nothing else may.
    odd = [line for line in lint(text).stderr.splitlines() if not line.startswith("DCGM_FI_DEV_")]
    return odd[:3]


check("promtool check metrics", clean)

# --- The values -------------------------------------------------------------------------------------------------------

EXPECTED = {
    'hcs_gpu_temperature_celsius{vendor="nvidia",gpu="0",model="NVIDIA H100 80GB HBM3",simulated="true"}': 41,
    'hcs_gpu_power_watts{vendor="ascend"}': 95,
    'hcs_gpu_utilization_ratio{vendor="nvidia",gpu="0"}': 0.37,
    'hcs_gpu_memory_total_bytes{vendor="cambricon"}': 48 << 30,
    'hcs_gpu_energy_joules_total{vendor="nvidia",gpu="0"}': 1000,
    'hcs_gpu_clock_hertz{vendor="nvidia",gpu="0",part="compute"}': 1.2e9,
    'hcs_gpu_telemetry_coverage_ratio{vendor="hygon"} >= bool 0.8': 1,
    'hcs_vendor_worker_state{vendor="nvidia",simulated="true",state="running"}': 1,
    'hcs_probe_state{probe="simulated-kernel-log",state="polling"}': 1,
    'DCGM_FI_DEV_GPU_TEMP{gpu="0"}': 41,
    'DCGM_FI_DEV_GPU_UTIL{gpu="0"}': 37,
    'DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{gpu="0"}': 1e6,
    'DCGM_FI_DEV_FB_TOTAL{gpu="0"}': 81920,
    'DCGM_FI_DEV_SM_CLOCK{gpu="0"}': 1200,
    'DCGM_FI_DEV_PCIE_REPLAY_COUNTER{gpu="0"}': 3,
    # two whole cards and two MIG instances; nobody else's devices, none without the mark
    'count(DCGM_FI_DEV_FB_TOTAL)': 4,
    'count(DCGM_FI_DEV_FB_TOTAL{simulated="true",Hostname="metrics",hostname="metrics",modelName=~"NVIDIA .*"})': 4,
    'count(DCGM_FI_DEV_FB_TOTAL{GPU_I_PROFILE="1g.10gb",gpu="2"})': 2,
    'count({__name__=~"DCGM_FI_(PROF_.*|DEV_XID_ERRORS)"}) or vector(0)': 0,
    'count(process_resident_memory_bytes{job="hcs-agent"} > 0)': 1,
}
check("values in base units, DCGM's in its own", lambda: [
    f"{expression} is {value(expression)}, not {wanted}" for expression, wanted in EXPECTED.items()
    if value(expression) != wanted])

# --- Faults -----------------------------------------------------------------------------------------------------------


def xid(device, code):
    hcs("xid", device, str(code), "--log", arguments.kernel_log)


def faults():
    xid("nvidia:1", 79)
    xid("nvidia:0", 13)
    total = 'hcs_gpu_fault_total{family="xid",code="79",class="hard",gpu="1"}'
    wrong = becomes(total, 1.0) or becomes('hcs_gpu_fault_total{code="13",class!="hard",gpu="0"}', 1.0)
    if wrong:
        return wrong
    xid("nvidia:1", 79)
    return becomes(total, 2.0) or becomes(
        'time() - hcs_gpu_fault_last_timestamp_seconds{code="79"}', lambda age: -5 < age < 300) or becomes(
        'hcs_gpu_health_state{gpu="1",vendor="nvidia",state="failed"}', 1.0)


check("the same Xid twice counts two", faults)
check("alerts fire", lambda: becomes('count(ALERTS{alertname="HCSHardFault",alertstate="firing",code="79"})', 1.0)
      or becomes('count(ALERTS{alertname="HCSDeviceFailed",alertstate="firing",gpu="1"})', 1.0))

# --- Dashboards -------------------------------------------------------------------------------------------------------

# Nothing of the kind is on this host, or nothing has happened: the query must be understood all the same.
MAY_BE_EMPTY = ["hcs_escape_bytes", "hcs_vendor_worker_missed_deadlines{", "hcs_gpu_link_up", "hcs_gpu_pcie_errors_total"]
VARIABLES = {"job": "hcs-agent", "instance": ".*", "vendor": ".*", "Hostname": "metrics", "gpu": ".*",
             "__rate_interval": "20s"}


def filled(expression, **more):
    variables = VARIABLES | more
    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda name: variables[name[1] or name[2]], expression)


def label_values(definition):
    """What a variable of a dashboard asks for."""
    metric, label = re.fullmatch(r"label_values\((?:(.*), )?(\w+)\)", definition).groups()
    return ask(f"label/{label}/values", **({"match[]": filled(metric)} if metric else {}))


def queries(node):
    """Every query below a part of a dashboard."""
    if isinstance(node, dict):
        yield from ([node["expr"]] if "expr" in node else [])
        for part in node.values():
            yield from queries(part)
    elif isinstance(node, list):
        for part in node:
            yield from queries(part)


def dashboard(path):
    board = json.loads(path.read_text())
    variables = board["templating"]["list"]
    if variables[0]["type"] != "datasource" or not all(
            part["datasource"]["uid"] == "${datasource}" for part in board["panels"] if "targets" in part):
        return "a panel has a data source of its own"
    identifiers = [panel["id"] for panel in board["panels"]]
    if len(set(identifiers)) != len(identifiers):
        return "two panels have one id"
    wrong = [f"no values: {one['definition']}" for one in variables[1:] if not label_values(one["definition"])]
    asked = list(queries(board))
    devices = ask("label/uuid/values")
    for expression in asked:
        try:
            # A figure of one vendor's devices is not asked of another's in vain.
            found = any(query(filled(expression, uuid=device)) for device in devices)
        except ValueError as error:
            wrong.append(f"{expression}: {error}")
            continue
        if not found and not any(part in expression for part in MAY_BE_EMPTY):
            wrong.append(f"{expression}: no series")
    return wrong or (None if len(asked) > 15 else f"only {len(asked)} queries")


for board in sorted(pathlib.Path(arguments.dashboards).glob("*.json")):
    check(f"dashboard {board.stem}", lambda board=board: dashboard(board))

# What dashboard 12239 asks for, in the form of grafana.com (by instance) and in that of NVIDIA's repository (by Hostname),
# and how many series there are to be: two whole cards and two MIG instances, which tell no power.
ROWS = {
    'DCGM_FI_DEV_GPU_TEMP{%s}': 4, 'avg(DCGM_FI_DEV_GPU_TEMP{%s})': 1, 'DCGM_FI_DEV_POWER_USAGE{%s}': 2,
    'sum(DCGM_FI_DEV_POWER_USAGE{%s})': 1, 'DCGM_FI_DEV_SM_CLOCK{%s} * 1000000': 4, 'DCGM_FI_DEV_GPU_UTIL{%s}': 2,
    'DCGM_FI_DEV_FB_USED{%s}': 4, 'DCGM_FI_PROF_PIPE_TENSOR_ACTIVE{%s}': 0,
}
BY_HOST = {
    'max(DCGM_FI_DEV_GPU_TEMP{%s}) by (Hostname, gpu, uuid)': 3, 'avg(DCGM_FI_DEV_GPU_TEMP{%s})': 1,
    'max(DCGM_FI_DEV_POWER_USAGE{%s}) by (Hostname, gpu, uuid)': 2,
    'sum(max(DCGM_FI_DEV_POWER_USAGE{%s}) by (gpu))': 1,
    'max(DCGM_FI_DEV_SM_CLOCK{%s} * 1000000) by (Hostname, UUID, gpu)': 4,
    'max(DCGM_FI_PROF_GR_ENGINE_ACTIVE{%s}) by (Hostname, gpu, GPU_I_ID, GPU_I_PROFILE)': 0,
    'max(DCGM_FI_PROF_PIPE_TENSOR_ACTIVE{%s}) by (Hostname, gpu, GPU_I_ID, GPU_I_PROFILE)': 0,
    'max(DCGM_FI_DEV_FB_USED{%s}) by (Hostname, gpu, GPU_I_ID, GPU_I_PROFILE)': 3,
}


def dashboard_12239(rows, selector, *definitions):
    wrong = [f"no values: {one}" for one in definitions if not label_values(one)]
    for expression, wanted in rows.items():
        found = len(query(filled(expression % selector)))
        if found != wanted:
            wrong.append(f"{expression}: {found} series, not {wanted}")
    return wrong


check("dashboard 12239 by instance", lambda: dashboard_12239(
    ROWS, 'instance=~"$instance", gpu=~"$gpu"', "label_values(DCGM_FI_DEV_GPU_TEMP, instance)",
    "label_values(DCGM_FI_DEV_GPU_TEMP, gpu)"))
check("dashboard 12239 by Hostname", lambda: dashboard_12239(
    BY_HOST, 'Hostname=~"$Hostname", gpu=~"$gpu"', "label_values(DCGM_FI_DEV_FB_FREE, Hostname)",
    'label_values(DCGM_FI_DEV_FB_FREE{Hostname=~"$Hostname"}, gpu)'))

# --- A library that hangs ---------------------------------------------------------------------------------------------


def hang():
    hcs("library", "nvidia", "hangs")
    wrong = becomes('hcs_vendor_worker_missed_deadlines{vendor="nvidia",simulated="true"}', lambda misses: misses >= 1)
    # Its figures leave, those of the others stay, and every scrape is answered.
    wrong = wrong or becomes('count(hcs_gpu_temperature_celsius{vendor="nvidia"}) or vector(0)', 0.0) \
        or becomes('count(hcs_gpu_temperature_celsius)', 3.0) \
        or becomes('count(DCGM_FI_DEV_GPU_TEMP) or vector(0)', 0.0) \
        or becomes('count(hcs_gpu_last_sample_timestamp_seconds{vendor="nvidia"})', 4.0) \
        or becomes('min_over_time(up{job="hcs-agent"}[20s])', 1.0)
    hcs("library", "nvidia", "none")
    return wrong or becomes('count(hcs_gpu_temperature_celsius{vendor="nvidia"})', 4.0)


check("a library that hangs takes its own figures away and no scrape", hang)
sys.exit(failures > 0)
