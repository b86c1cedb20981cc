#!/usr/bin/env bash
# Faults that this machine cannot have, in virtual machines: Debian's kernels 6.1 and 6.12 with a PCIe device behind a
# root port, the BPF objects that the agent embeds, and QEMU's fault injection. Events leave on the serial line, the
# production analyzer reads them (HCSAgentTests, "Faults injected into a virtual machine").
#   run.sh OUT [KERNEL...]      prints 'ok NAME', 'FAILED NAME: why' or 'skip NAME: why'
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
out=$(mkdir -p "$1" && cd "$1" && pwd)
shift
kernels=("$@")
(( ${#kernels[@]} )) || kernels=(6.1 6.12)
failures=0
report() { echo "$*"; [[ $1 != FAILED ]] || failures=$((failures + 1)); }

if [[ $(uname -m) != x86_64 ]]; then
    report skip "qemu: machine checks and this way of CPER records are x86's, this is $(uname -m)"
    exit 0
fi

# MARK: What is needed

missing=()
for package in qemu-system-x86 busybox-static cpio xz-utils; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
done
if (( ${#missing[@]} )); then
    if (( EUID != 0 )); then
        report skip "qemu: ${missing[*]} missing, and only root can install them"
        exit 0
    fi
    apt-get update -qq </dev/null >/dev/null 2>&1 || true
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null >"$out/apt.log" 2>&1 \
        || { report FAILED "qemu: apt-get cannot install ${missing[*]}: see $out/apt.log"; exit 1; }
fi

# The newest package of that version; unpacked, not installed.
fetch_kernel() {
    local version=$1 package
    [[ ! -e $out/$version/vmlinuz ]] || return 0
    package=$(apt-cache pkgnames "linux-image-$version." | grep -E -- '^linux-image-[0-9.]+(-[0-9]+|\+deb12)-amd64$' | sort -V | tail -n 1)
    [[ -n $package ]] || return 1
    rm -rf "$out/$version" && mkdir -p "$out/$version/package"
    (cd "$out/$version" && apt-get download -qq "$package" 2>"$out/$version/apt.log" && dpkg-deb -x "$package"_*.deb package) || return 1
    cp "$out/$version"/package/boot/vmlinuz-* "$out/$version/vmlinuz"
    local name module number=0
    # In the order in which they are loaded: a device without a driver reports no errors.
    mkdir -p "$out/$version/modules"
    for name in virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci aer_inject; do
        module=$(find "$out/$version/package" -name "$name.ko*" | head -n 1)
        [[ -n $module ]] || continue # built in
        number=$((number + 1))
        case $module in
        *.xz) xz -dc "$module" >"$out/$version/modules/$number-$name.ko" ;;
        *.ko) cp "$module" "$out/$version/modules/$number-$name.ko" ;;
        esac
    done
    rm -rf "$out/$version"/package "$out/$version"/*.deb
}

# Little-endian bytes: le WIDTH VALUE...
le() {
    local width=$1 value i
    shift
    for value; do
        for ((i = 0; i < width; i++)); do printf "\\x$(printf %02x $(((value >> (8 * i)) & 255)))"; done
    done
}
zeros() { head -c "$1" /dev/zero; }
# A GUID as UEFI stores it.
guid() {
    local text=${1//-/}
    local order=(6 4 2 0 10 8 14 12 16 18 20 22 24 26 28 30) i
    for i in "${order[@]}"; do printf "\\x${text:i:2}"; done
}

# MARK: Tables and records
# ACPI 6.3, section 18: a generic hardware error source that is polled every 100 ms. Its register and its status block lie
# in memory that the kernel leaves alone; the host writes it through the file that is the guest's memory.
readonly register=$((128 << 20)) block=$(((128 << 20) + 4096))

hest() {
    le 4 1                                     # sources
    le 2 9 1 65535; le 1 0 1; le 4 1 1 4096    # generic, its number, no related one; enabled; preallocation
    le 1 0 64 0 4; le 8 $register              # the register, in memory
    le 1 0 28; le 2 0; le 4 100 0 0 0 0 0      # polled
    le 4 4096
}

# status_block SEVERITY SECTION-GUID FILE: UEFI 2.8 appendix N; severity 0 recoverable, 1 fatal, 2 corrected
status_block() {
    local size
    size=$(stat -c %s "$3")
    le 4 $(((1 << 4) | ($1 == 2 ? 2 : 1))) 0 0 $((72 + size)) "$1"
    guid "$2"; le 4 "$1"; le 2 0x300; le 1 2 0; le 4 "$size"; zeros 16; printf 'DIMM_A1'; zeros 13; le 8 0
    cat "$3"
}

# Memory error section: status, address and its mask are valid; an uncorrected multi-bit error.
memory_section() { le 8 0x8007 0x0400 0x8010000 0xfffffffffffff000; zeros 40; le 1 3; zeros 7; }

build_images() {
    make -s -C "$root/bpf" OUT="$out/bpf" all
    gcc -O2 -Wall -Wextra -Werror -static -I"$root/CSources/probe/include" -I"$root/bpf/include" -o "$out/loader" \
        "$here/loader.c" "$root/CSources/probe/hcs_probe.c" -lbpf -lelf -lz
    hest >"$out/hest"
    memory_section >"$out/memory-section"
    status_block 0 a5bc1114-6f64-4ede-b863-3e83ed7c83b1 "$out/memory-section" >"$out/memory-record"
    zeros 32 >"$out/unknown-section"
    status_block 0 12345678-9abc-def0-1234-56789abcdef0 "$out/unknown-section" >"$out/unknown-record"
    # struct aer_error_inj (drivers/pci/pcie/aer_inject.c): 01:00.0, correctable status BadTLP.
    { le 1 1 0 0 0; le 4 0 0x40; zeros 20; } >"$out/aer-correctable"
}

build_initramfs() {
    local version=$1 tree=$out/$1/tree
    rm -rf "$tree" && mkdir -p "$tree/bin" "$tree/bpf"
    cp /bin/busybox "$tree/bin/busybox"
    cp "$here/init.sh" "$tree/init" && chmod +x "$tree/init"
    cp -r "$out/loader" "$out/aer-correctable" "$out/$version/modules" "$tree/"
    cp "$out"/bpf/*.bpf.o "$tree/bpf/"
    (cd "$tree" && find . | cpio -o -H newc --quiet -R 0:0) >"$out/$version/initramfs"
}

# MARK: One kernel

# Waits for a line of the serial log: wait_for LOG PATTERN SECONDS [COUNT]
wait_for() {
    local i
    for ((i = 0; i < $3 * 10; i++)); do
        (( $(grep -cE -- "$2" "$1" 2>/dev/null || true) >= ${4:-1} )) && return 0
        kill -0 "$qemu" 2>/dev/null || return 1
        sleep 0.1
    done
    return 1
}

# The status word last: the guest may look at any moment.
write_record() {
    dd if="$1" of="$memory" bs=1 skip=4 seek=$((block + 4)) conv=notrunc status=none
    dd if="$1" of="$memory" bs=1 count=4 seek=$block conv=notrunc status=none
}

# expect NAME LOG PATTERN, after an injection
expect() {
    if wait_for "$2" "$3" 60; then report ok "$version $1"; else report FAILED "$version $1: no event '$3' within 60 s: see $2"; fi
}

run_kernel() {
    version=$1
    local directory=$out/$version
    local log=$directory/serial.log
    memory=$directory/memory
    rm -f "$directory"/{serial,monitor}.{in,out} "$log" "$memory"
    mkfifo "$directory"/{serial,monitor}.{in,out}
    truncate -s 256M "$memory"
    { le 8 $block; } | dd of="$memory" bs=1 seek=$register conv=notrunc status=none
    : >"$log"
    qemu-system-x86_64 -M q35,memory-backend=ram -accel tcg -cpu max -m 256 -smp 1 -display none -no-reboot -nodefaults \
        -object "memory-backend-file,id=ram,size=256M,mem-path=$memory,share=on" \
        -kernel "$directory/vmlinuz" -initrd "$directory/initramfs" \
        -append 'console=ttyS0 quiet panic=-1 memmap=64K$0x8000000' \
        -acpitable "sig=HEST,data=$out/hest" \
        -device pcie-root-port,id=rootport,chassis=1 -device virtio-rng-pci,id=device,bus=rootport,disable-legacy=on,aer=on \
        -chardev "pipe,id=serial,path=$directory/serial" -serial chardev:serial \
        -chardev "pipe,id=monitor,path=$directory/monitor" -mon monitor </dev/null 2>"$directory/qemu.log" &
    qemu=$!
    cat "$directory/serial.out" >>"$log" &
    cat "$directory/monitor.out" >"$directory/monitor.log" &
    exec 7>"$directory/serial.in" 8>"$directory/monitor.in"
    if ! wait_for "$log" '^hcs-ready' 180; then
        report FAILED "$version boot: not ready: see $log and $directory/qemu.log"
    else
        for object in "$out"/bpf/*.bpf.o; do
            local name
            name=$(basename "$object" .bpf.o)
            if grep -qE "^hcs-probe $name (attached|loaded)" "$log"; then
                report ok "$version $name $(sed -n "s/^hcs-probe $name \([a-z]*\).*/\1/p" "$log")"
            else
                report FAILED "$version $name: $(grep -m1 "^hcs-probe $name" "$log" || echo 'not tried')"
            fi
        done
        echo 'pcie_aer_inject_error device POISON_TLP' >&8
        expect 'non-fatal PCIe error' "$log" '^hcs-event pcie_error .{24}00'
        echo 'mce 0 1 0x9c00004000010090 0x0 0xabcd000 0x8c' >&8
        expect 'machine check' "$log" '^hcs-event machine_check '
        write_record "$out/unknown-record"
        expect 'firmware record' "$log" '^hcs-event firmware_record '
        local before
        before=$(grep -c '^hcs-event machine_check ' "$log" || true)
        write_record "$out/memory-record"
        # x86 hands it on as a machine check (arch/x86/kernel/cpu/mce/apei.c).
        if wait_for "$log" '^hcs-event machine_check ' 60 $((before + 1)); then report ok "$version CPER memory record"
        else report FAILED "$version CPER memory record: no event within 60 s: see $log"; fi
        echo 'pcie_aer_inject_error device 0x40000' >&8
        expect 'fatal PCIe error' "$log" '^hcs-event pcie_error .{24}01'
        # Last: from now on aer_inject answers for the device's registers.
        echo 'correctable' >&7
        expect 'correctable PCIe error' "$log" '^hcs-event pcie_error .{24}02'
        echo 'off' >&7
    fi
    for ((i = 0; i < 200; i++)); do kill -0 "$qemu" 2>/dev/null || break; sleep 0.1; done
    kill "$qemu" 2>/dev/null || true
    exec 7>&- 8>&-
    wait
    rm -f "$memory"
    tr -d '\r' <"$log" | grep -E '^hcs-(kernel|event)' >"$out/events-$version" || true
}

build_images
for kernel in "${kernels[@]}"; do
    if ! fetch_kernel "$kernel"; then
        report skip "$kernel: no package of this kernel can be fetched"
        continue
    fi
    build_initramfs "$kernel"
    run_kernel "$kernel"
done
(( failures == 0 ))
