#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The real librocm_smi64 of Debian (AMD's 5.2), read by hcs-vendor-worker: with a sysfs tree of two MI210 in a private
# mount namespace, and without any. Usage: rsmi.sh OUTPUT-DIRECTORY, with HCS_VENDOR_WORKER = the worker's path, or a
# debug build in .build. Prints one line for each check.
set -u

out=$(mkdir -p "$1" && cd "$1" && pwd) || exit 1
here=$(cd "$(dirname "$0")" && pwd)
worker=${HCS_VENDOR_WORKER:-$here/../../.build/debug/hcs-vendor-worker}
failures=0

skip() { echo "skip rsmi: $1"; exit 0; }
check() { # NAME CONDITION-RESULT WHY
    if [ "$2" = 0 ]; then echo "ok $1"; else echo "FAILED $1: $3"; failures=$((failures + 1)); fi
}
put() { mkdir -p "$(dirname "$1")" && printf '%s\n' "$2" >"$1"; }

# One card: NUMBER BUS UNIQUE-ID NUMA-NODE
card() {
    device=/sys/devices/pci0000:00/0000:$2:00.0
    mkdir -p "$device"/drm/card"$1" "$device"/hwmon/hwmon"$1" /sys/class/drm /sys/class/hwmon
    ln -s ../.. "$device"/drm/card"$1"/device
    ln -s ../../devices/pci0000:00/0000:"$2":00.0/drm/card"$1" /sys/class/drm/card"$1"
    ln -s ../../devices/pci0000:00/0000:"$2":00.0/hwmon/hwmon"$1" /sys/class/hwmon/hwmon"$1"
    put "$device"/vendor 0x1002
    put "$device"/device 0x740f
    put "$device"/subsystem_vendor 0x1002
    put "$device"/subsystem_device 0x0c34
    put "$device"/revision 0x02
    put "$device"/unique_id "$3"
    put "$device"/serial_number "PCB0000$1"
    put "$device"/vbios_version 113-D67301-063
    put "$device"/numa_node "$4"
    put "$device"/mem_info_vram_total 68702699520
    put "$device"/mem_info_vram_used 10997760000
    put "$device"/mem_info_gtt_total 540000000000
    put "$device"/mem_info_gtt_used 123456789
    put "$device"/gpu_busy_percent 37
    put "$device"/mem_busy_percent 12
    put "$device"/pcie_replay_count 3
    put "$device"/ras/features "feature mask: 0x5"
    put "$device"/ras/umc_err_count "ue: 2
ce: 7"
    put "$device"/ras/gfx_err_count "ue: 0
ce: 1"
    put "$device"/ras/gpu_vram_bad_pages "0x00000042 : 0x00001000 : R
0x00000043 : 0x00001000 : P"
    put "$device"/pp_dpm_sclk "0: 500Mhz
1: 1200Mhz *
2: 1700Mhz"
    put "$device"/pp_dpm_mclk "0: 400Mhz
1: 1600Mhz *"
    put "$device"/pp_dpm_pcie "0: 8.0GT/s, x8 *
1: 16.0GT/s, x16"
    put "$device"/hwmon/hwmon"$1"/name amdgpu
    ln -s ../.. "$device"/hwmon/hwmon"$1"/device
    put "$device"/hwmon/hwmon"$1"/in0_label vddgfx
    put "$device"/hwmon/hwmon"$1"/in0_input 806
    sensor=1
    for pair in edge=41000 junction=48000 mem=52000; do
        put "$device"/hwmon/hwmon"$1"/temp${sensor}_label ${pair%=*}
        put "$device"/hwmon/hwmon"$1"/temp${sensor}_input ${pair#*=}
        put "$device"/hwmon/hwmon"$1"/temp${sensor}_crit 100000
        put "$device"/hwmon/hwmon"$1"/temp${sensor}_emergency 105000
        sensor=$((sensor + 1))
    done
    put "$device"/hwmon/hwmon"$1"/power1_average 91000000
    put "$device"/hwmon/hwmon"$1"/power1_cap 300000000
    # KFD: nodes 0 and 1 are processors, then one for each card, linked to its own and to each other by XGMI (type 11).
    kfd=/sys/class/kfd/kfd/topology/nodes
    node=$kfd/$(($1 + 2))
    put $node/gpu_id $((1000 + $1))
    put $node/name aldebaran
    put $node/properties "cpu_cores_count 0
simd_count 416
location_id $((0x$2 * 256))
domain 0
device_id 29711
unique_id $((0x$3))
hive_id 77
array_count 8
simd_arrays_per_engine 1
cu_per_simd_array 16"
    link $(($1 + 2)) 0 "$4" 2 20 0
    link $(($1 + 2)) 1 $((3 - $1)) 11 15 100000
    link "$4" 0 $(($1 + 2)) 2 20 0
}

# FROM NUMBER TO TYPE WEIGHT BANDWIDTH
link() {
    put /sys/class/kfd/kfd/topology/nodes/"$1"/io_links/"$2"/properties "type $4
node_from $1
node_to $3
weight $5
min_bandwidth $(($6 / 2))
max_bandwidth $6"
}

processor() { # NUMBER
    put /sys/class/kfd/kfd/topology/nodes/"$1"/gpu_id 0
    put /sys/class/kfd/kfd/topology/nodes/"$1"/name ""
    put /sys/class/kfd/kfd/topology/nodes/"$1"/properties "cpu_cores_count 64
simd_count 0
location_id 0
domain 0"
}

# Runs in the mount namespace.
inside() {
    mount -t tmpfs hcs-rsmi /sys || exit 75
    processor 0
    processor 1
    put /sys/class/kfd/kfd/topology/system_properties "platform_oem 0"
    # This shell holds memory on the first card.
    put /sys/class/kfd/kfd/proc/$$/pasid 32770
    put /sys/class/kfd/kfd/proc/$$/vram_1000 67108864
    put /sys/class/kfd/kfd/proc/$$/vram_1001 0
    put /sys/class/kfd/kfd/proc/$$/sdma_1000 0
    put /sys/class/kfd/kfd/proc/$$/sdma_1001 0
    put /sys/class/kfd/kfd/proc/$$/queues/0/gpuid 1000
    echo $$ >"$out/pid"
    card 0 c1 4f9d4a2b7c6e1001 1
    card 1 c6 4f9d4a2b7c6e1002 0
    "$worker" --vendor hygon --library-directory "$out/lib" --describe >"$out/described"
    echo $? >"$out/code"
    # The second card goes while the worker runs.
    {
        echo "1 inventory"; echo "2 sample"
        sleep 1
        rm -rf /sys/class/drm/card1 /sys/class/hwmon/hwmon1 /sys/class/kfd/kfd/topology/nodes/3 \
            /sys/devices/pci0000:00/0000:c6:00.0
        echo "3 sample"; echo "4 inventory"; echo "5 quit"
    } | "$worker" --vendor hygon --library-directory "$out/lib" >"$out/removed"
    # Listing starts the library anew each time: it must not grow by that.
    for count in 20 400; do
        python3 - "$worker" "$out/lib" $count >"$out/growth.$count" <<'END'
import resource, subprocess, sys
requests = "".join(f"{i} inventory\n" for i in range(int(sys.argv[3]))) + "0 quit\n"
subprocess.run([sys.argv[1], "--vendor", "hygon", "--library-directory", sys.argv[2]], input=requests.encode(),
               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
END
    done
}

fetch() {
    [ -e "$out/lib/librocm_smi64.so.1" ] && return 0
    for tool in apt-get dpkg-deb; do
        command -v $tool >/dev/null || skip "no $tool to fetch librocm-smi64-1 with"
    done
    (mkdir -p "$out/deb" && cd "$out/deb" && apt-get download librocm-smi64-1 >"$out/fetch.log" 2>&1) ||
        skip "librocm-smi64-1 cannot be fetched"
    for package in "$out"/deb/*.deb; do dpkg-deb -x "$package" "$out/root" || exit 1; done
    mkdir -p "$out/lib"
    cp "$(find "$out/root" -name 'librocm_smi64.so.1.*' -type f | head -n 1)" "$out/lib/librocm_smi64.so.1" || exit 1
}

if [ "${2:-}" = inside ]; then inside; exit 0; fi

[ -x "$worker" ] || { echo "FAILED rsmi: no worker at $worker"; exit 1; }
command -v python3 >/dev/null || skip "no python3"
fetch

# Without the tree: the host's own sysfs, which has no such card on a machine where this is run.
if [ ! -e /dev/kfd ]; then
    "$worker" --vendor hygon --library-directory "$out/lib" --describe >"$out/bare"
    check no-driver $(($? != 0)) "the worker ended with an error"
    grep -q '"code":"initFailed".*"vendorCode":8' "$out/bare"
    check no-driver-reason $? "$(head -c 400 "$out/bare")"
fi

unshare -m true 2>/dev/null || skip "a private mount namespace needs root"
unshare -m sh "$0" "$1" inside
[ $? != 75 ] || skip "no tmpfs can be mounted over /sys here"
check worker-ends-well "$(cat "$out/code" 2>/dev/null || echo 1)" "see $out/described"
few=$(cat "$out/growth.20")
many=$(cat "$out/growth.400")
[ "$many" -lt $((few + 1024)) ]
check listing-again-leaks-nothing $? "$few kB after 20 listings, $many kB after 400"
python3 "$here/rsmi_check.py" "$out" || failures=$((failures + 1))
[ "$failures" = 0 ]
