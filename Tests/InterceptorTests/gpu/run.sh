#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The preload library on a real NVIDIA GPU: PyTorch, nvidia-smi, and each way of allocating of the driver.
#   run.sh [DIRECTORY FOR WHAT IS FETCHED AND BUILT] [PART OF A NAME]
#   PYTHON=<a python with PyTorch>  LIBRARY=<another libhcs_interceptor.so to put to the test>
# Needs a C compiler, no CUDA toolkit, and 6 GiB free on the first visible device. One line for each test, the closing line
# 'N passed, N failed, N skipped'; non-zero when one failed. Without a GPU nothing is tested and the closing line says so.
# shellcheck disable=SC1091,SC2034,SC2317 # cases.sh uses the variables and calls cases by name
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
sources=$(cd "$here/../../.." && pwd)
out=${1:-$sources/.build/gpu}
only=${2:-}
seconds=${GPU_SECONDS:-600} # a program that is not over by then hangs
mkdir -p "$out" || exit 2
out=$(cd "$out" && pwd)
quota=$((1 << 30)) # of the driver's clients
torch_quota=$((4 << 30))
. "$here/../homes/cases.sh"
unset LD_PRELOAD HCS_SEGMENT HCS_VRAM_QUOTA HCS_LOG_LEVEL PYTORCH_CUDA_ALLOC_CONF PYTORCH_ALLOC_CONF DOOR
export HCS_JOB=gpu-$$ PYTHONDONTWRITEBYTECODE=1
export CUDA_VISIBLE_DEVICES=${CUDA_VISIBLE_DEVICES:-0}

{
    make -s -C "$sources/CSources/hcs_interceptor" OUT="$out" -j2 &&
        "${CC:-cc}" -std=gnu17 -D_GNU_SOURCE -Wall -Wextra -Werror -O1 -g -I"$sources/CSources/vendors/nvidia" \
            -o "$out/driver" "$here/driver.c" -ldl
} >"$out/log" 2>&1 || { tail -n 20 "$out/log" >&2; exit 2; }
library=${LIBRARY:-$out/libhcs_interceptor.so}

if ! device=$(timeout 120 "$out/driver" probe); then
    device=${device:-the NVIDIA driver does not answer}
    if [[ -e /dev/nvidiactl ]]; then
        echo "FAILED there is /dev/nvidiactl, but not a device with 6 GiB free: $device"
        exit 1
    fi
    echo "skip: $device"
    echo '0 passed, 0 failed, all skipped: no NVIDIA device'
    exit 0
fi
echo "device: $device${HCS_SIM_STATE:+ (simulated)}"

held() { # QUOTA NAME=VALUE... COMMAND...
    local quota=$1
    shift
    bounded env LD_PRELOAD="$library" HCS_VRAM_QUOTA="$quota" "$@"
}

# --- the driver -------------------------------------------------------------------------------------------------------------

driver() { # KIND: first without the preload library, then held, through both doors
    local door
    for door in dlsym lookup; do
        bounded env DOOR="$door" "$out/driver" "$1" 0 >/dev/null || skip "without the preload library: status $?"
    done
    held "$quota" DOOR=dlsym "$out/driver" "$1" "$quota" >/dev/null
    held "$quota" DOOR=lookup "$out/driver" "$1" "$quota"
}

# --- more than one process ----------------------------------------------------------------------------------------------

holder=
hold() { # MIB: a process of the job that holds that much until its input ends; answer is what it said
    local input=$out/input.fifo output=$out/output.fifo
    rm -f "$input" "$output"
    mkfifo "$input" "$output"
    held "$quota" "$out/driver" hold "$quota" "$1" <"$input" >"$output" &
    holder=$!
    exec 5>"$input" 6<"$output"
    answer=
    read -r -t "$seconds" answer <&6 || die 'the holder does not answer'
}
let_go() {
    exec 5>&- 6<&-
    wait "$holder"
}
asks() { held "$quota" "$out/driver" hold "$quota" "$1" </dev/null; }

two_processes() {
    local mib=$((1 << 20))
    hold 600
    [[ $answer == "0 $((600 * mib))" ]] || die "the first got: $answer"
    answer=$(asks 600)
    [[ $answer == "2 $((600 * mib))" ]] || die "the second asked for 600 MiB and got: $answer"
    answer=$(asks 400)
    [[ $answer == "0 $((1000 * mib))" ]] || die "the second asked for 400 MiB and got: $answer"
    let_go
    answer=$(asks 600)
    [[ $answer == "0 $((600 * mib))" ]] || die "after the first has ended: $answer"
}

# As in two containers that mount the directory of one segment: nothing else is common, neither pids nor /dev/shm.
container() {
    local mib=$((1 << 20))
    [[ $EUID == 0 ]] || skip 'not root, which mounts need'
    unshare -m -p -f true || skip 'this process may not make namespaces'
    mkdir -p "$out/segments"
    hold 600
    # shellcheck disable=SC2016
    answer=$(bounded unshare -m -p -f sh -ec 'mount --bind /dev/shm "$1"; mount -t tmpfs tmpfs /dev/shm; shift; exec "$@"' sh \
        "$out/segments" env LD_PRELOAD="$library" HCS_SEGMENT="$out/segments/hcs-$EUID-$HCS_JOB" \
        "$out/driver" hold "$quota" 600 </dev/null)
    [[ $answer == "2 $((600 * mib))" ]] || die "the second asked for 600 MiB and got: $answer"
    let_go
}

nvidia_smi() {
    command -v nvidia-smi >/dev/null || skip 'no nvidia-smi here'
    # shellcheck disable=SC2016
    answer=$(held "$quota" "$out/driver" hold "$quota" 600 \
        'nvidia-smi --query-gpu=memory.total,memory.used --format=csv,noheader,nounits -i "$GPU_UUID"' </dev/null)
    [[ ${answer##*$'\n'} == "$((quota >> 20)), 600" ]] || die "it says: $answer"
}

# --- PyTorch ---------------------------------------------------------------------------------------------------------------

sees_gpu() { timeout 300 "$1" "$here/pytorch.py" probe 0 >"$out/probe" 2>&1; }
find_python() {
    local candidate
    for candidate in ${PYTHON:+"$PYTHON"} "$out/venv/bin/python" python3; do
        if command -v "$candidate" >/dev/null && sees_gpu "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    # Some gigabytes: only where there is a device to use them.
    [[ -e /dev/nvidiactl && -z ${PYTHON:-} ]] || return 0
    python3 -m venv "$out/venv" >&2 &&
        "$out/venv/bin/python" -m pip install -q --disable-pip-version-check torch numpy >&2 &&
        sees_gpu "$out/venv/bin/python" && echo "$out/venv/bin/python"
}
pytorch() { # ALLOCATOR'S CONFIGURATION blocks|graph
    [[ -n $python ]] || skip "no python with a PyTorch that sees the GPU: $(tail -n 1 "$out/probe")"
    held "$torch_quota" PYTORCH_CUDA_ALLOC_CONF="$1" "$python" "$here/pytorch.py" "$2" "$torch_quota"
}

for kind in pointer managed pitch async pool array array3d mipmap create mapped graph host; do
    check "driver: $kind" driver "$kind"
done
check 'two processes share a quota' two_processes
check 'a container that mounts the segment shares it' container
check 'nvidia-smi shows the quota' nvidia_smi
python=$(find_python)
for configuration in backend:native expandable_segments:True backend:cudaMallocAsync; do
    check "PyTorch, $configuration: blocks" pytorch "$configuration" blocks
    check "PyTorch, $configuration: graph" pytorch "$configuration" graph
done
finish
