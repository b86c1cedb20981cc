#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The preload library where it was not built: an old glibc, sanitizers, jemalloc, real clients and runtimes.
#   run.sh [DIRECTORY FOR WHAT IS FETCHED AND BUILT] [PART OF A NAME]
#   LIBRARY=<another libhcs_interceptor.so to put to the test>
# What is fetched stays for the next run. Nothing is installed but, as root, a missing debootstrap. One line for each test,
# the closing line 'N passed, N failed, N skipped'; non-zero when one failed.
# shellcheck disable=SC1091,SC2034,SC2317 # cases.sh uses the variables and calls cases by name
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
sources=$(cd "$here/../../.." && pwd)
out=${1:-$sources/.build/homes}
only=${2:-}
seconds=${HOMES_SECONDS:-180} # a program that is not over by then hangs; each takes under two on an idle machine
mkdir -p "$out" || exit 2
out=$(cd "$out" && pwd)
simulated=$out/native/simulated
clients=$out/native/clients
state=$out/state
cc=${CC:-cc}
multiarch=$("$cc" -print-multiarch)
cuda_bindings=13.5.0
gib=$((1 << 30))
. "$here/cases.sh"
unset LD_PRELOAD LD_LIBRARY_PATH HCS_SEGMENT HCS_VRAM_QUOTA HCS_LOG_LEVEL HCS_CLIENT_DOOR CUDA_VISIBLE_DEVICES \
    HIP_VISIBLE_DEVICES ROCR_VISIBLE_DEVICES ASAN_OPTIONS TSAN_OPTIONS MALLOC_CONF
export HCS_JOB=homes-$$

echo 'building the preload library and the simulated drivers' >&2
make -s -C "$sources/CSources" OUT="$out/native" -j2 >"$out/log" 2>&1 || { tail -n 20 "$out/log" >&2; exit 2; }
library=${LIBRARY:-$out/native/libhcs_interceptor.so}
"$clients/hcs-sim" make "$state" nvidia=2x80Gi || exit 2

# --- what cases use ----------------------------------------------------------------------------------------------------------

# A program with the simulated driver, with and without the preload library and a quota of 1 GiB. `before` and `after` are
# other libraries to preload.
free() { bounded env LD_LIBRARY_PATH="${path:-$simulated}" HCS_SIM_STATE="$state" "$@"; }
held() {
    free LD_PRELOAD="${before:+$before:}$library${after:+:$after}" HCS_VRAM_QUOTA="$gib" "$@"
}

steps=(info alloc 600Mi alloc 600Mi info free alloc 600Mi free info)
held_steps="info free $gib total $gib
alloc 629145600 ok
alloc 629145600 error 2
info free $((gib - 629145600)) total $gib
free ok
alloc 629145600 ok
free ok
info free $gib total $gib"

expect_held() { # FILE: what a client printed and nothing besides
    diff <(echo "$held_steps") "$1" || die 'the quota is not held: above, < is what should be'
}
expect_free() { # FILE
    grep -c '^alloc .* ok$' "$1" | grep -qx 3 || die "without the library: $(cat "$1")"
}

debian() { # PACKAGE...: they and what they need and this system lacks, unpacked; prints the directory of the libraries
    local to=$out/debian/$1 archive
    if [[ ! -d $to ]]; then
        command -v apt-get >/dev/null || skip "no apt-get here to fetch $1"
        rm -rf "$to.new"
        mkdir -p "$to.new/archives/partial" "$to.new/tree"
        [[ $EUID != 0 ]] || apt-get -qq update </dev/null >&2 || true
        apt-get -y -qq -d --no-install-recommends --reinstall -o Dir::Cache::archives="$to.new/archives" \
            -o APT::Sandbox::User=root -o Debug::NoLocking=1 install "$@" </dev/null >&2 ||
            skip "$1 cannot be fetched from Debian"
        for archive in "$to.new/archives/"*.deb; do
            dpkg -x "$archive" "$to.new/tree" >&2 || skip "$1 cannot be fetched from Debian"
        done
        rm -rf "$to.new/archives"
        mv "$to.new" "$to"
    fi
    echo "$to/tree/usr/lib/$multiarch"
}
wheel() { # NAME==VERSION...: installed into a directory of its own, which is printed
    local to=$out/wheels/$1
    if [[ ! -d $to ]]; then
        rm -rf "$to.new"
        python3 -m pip install -q --disable-pip-version-check --root-user-action=ignore --target "$to.new" "$@" >&2 ||
            skip "$1 cannot be fetched from PyPI"
        mv "$to.new" "$to"
    fi
    echo "$to"
}
compile() { # COMPILER OUTPUT SOURCE OPTIONS...
    local compiler=$1 output=$2 source=$3
    shift 3
    "$compiler" -std=gnu17 -D_GNU_SOURCE -Wall -Wextra -Werror -O1 -g -pthread -I"$sources/CSources/vendors/nvidia" \
        -I"$sources/CSources/vendors/hygon" -o "$output" "$here/$source" "$@"
}

# --- an old home ------------------------------------------------------------------------------------------------------------

symbol_versions() {
    local newest
    newest=$(readelf -VW "$library" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -n 1)
    echo "note: newest $newest"
    [[ $(printf '%s\nGLIBC_2.17\n' "$newest" | sort -V | tail -n 1) == GLIBC_2.17 ]] || die "$newest is newer than GLIBC_2.17"
}

old=$out/bullseye
# Mounts are made in a mount namespace of its own, and go with it.
in_old_home() {
    # shellcheck disable=SC2016
    bounded unshare -m sh -ec 'root=$1; mount -t proc proc "$root/proc"; mount -t tmpfs tmpfs "$root/dev/shm"
        mount --bind "$2" "$root/sources"; shift 2; exec chroot "$root" "$@"' sh "$old" "$sources" \
        env -i PATH=/usr/bin:/bin LC_ALL=C HCS_JOB=old LD_LIBRARY_PATH=/hcs/simulated HCS_SIM_STATE=/hcs/state "$@"
}
make_old_home() {
    [[ ! -d $old ]] || return 0
    local mirror
    if ! command -v debootstrap >/dev/null; then
        command -v apt-get >/dev/null || skip 'no debootstrap here'
        apt-get -qq update </dev/null >&2 || true
        DEBIAN_FRONTEND=noninteractive apt-get -y -qq --no-install-recommends install debootstrap </dev/null >&2 ||
            skip 'debootstrap cannot be installed'
    fi
    for mirror in http://deb.debian.org/debian http://archive.debian.org/debian; do
        rm -rf "$old.new"
        if debootstrap --variant=minbase --include=gcc,libc6-dev,make bullseye "$old.new" "$mirror" >&2; then
            mkdir "$old.new/sources" "$old.new/hcs"
            rm -rf "$old.new/var/cache/apt/archives"
            mv "$old.new" "$old"
            return
        fi
    done
    skip 'Debian bullseye cannot be fetched'
}
old_home() {
    [[ $EUID == 0 ]] || skip 'not root, which debootstrap and chroot need'
    make_old_home
    unshare -m true || skip 'this process may not make a mount namespace'
    echo "note: $(in_old_home ldd --version | sed -n '1s/.* /glibc /p')"
    in_old_home make -s -C /sources/CSources/vendors OUT=/hcs -j2
    in_old_home gcc -std=gnu17 -D_GNU_SOURCE -o /hcs/clients/hcs-client-cuda /sources/CSources/clients/hcs-client-cuda.c \
        -L/hcs/simulated -l:libcudart.so.12
    cp -f "$library" "$old/hcs/libhcs_interceptor.so"
    in_old_home /hcs/clients/hcs-sim make /hcs/state nvidia=2x80Gi
    local preload=LD_PRELOAD=/hcs/libhcs_interceptor.so client
    for client in 'HCS_CLIENT_DOOR=dlsym /hcs/clients/hcs-client-cu' 'HCS_CLIENT_DOOR=lookup /hcs/clients/hcs-client-cu' \
        'HCS_CLIENT_DOOR=linked /hcs/clients/hcs-client-cuda'; do
        echo "$client"
        # shellcheck disable=SC2086
        in_old_home $client "${steps[@]}" >"$out/free" 2>&1
        expect_free "$out/free"
        # shellcheck disable=SC2086
        in_old_home $preload HCS_VRAM_QUOTA="$gib" $client "${steps[@]}" >"$out/held" 2>&1
        expect_held "$out/held"
    done
}

# --- sanitizers ------------------------------------------------------------------------------------------------------------

fetched_clang() { # a clang that is not installed; prints how to call it
    local directory
    directory=$(debian clang-14 libclang-rt-14-dev)
    printf '%s\n' '#!/bin/sh' "LD_LIBRARY_PATH='$directory' exec '${directory%/*}/llvm-14/bin/clang' \"\$@\"" >"$out/clang"
    chmod +x "$out/clang"
    echo "$out/clang"
}
# A program with a sanitizer ends as it does without the preload library, holds the quota, and is not reported upon.
sanitized() { # COMPILER OPTIONS...
    local compiler=$1 program=$out/threads_sanitized
    shift
    set -- threads.c "$@" -L"$simulated" -l:libcuda.so.1 -ldl
    # A toolchain of Swift has a clang whose TSan needs libdispatch.
    if ! compile "$compiler" "$program" "$@"; then
        [[ $compiler == clang ]] || skip "$compiler cannot build it"
        compiler=$(fetched_clang)
        compile "$compiler" "$program" "$@" || skip 'neither the clang here nor that of Debian can build it'
    fi
    free "$program" 0 >"$out/free" 2>&1 || skip "it does not run without the preload library: $(grep -m 1 . "$out/free")"
    held "$program" "$gib" >"$out/held" 2>&1 || die "status $?: $(head -n 30 "$out/held")"
    diff "$out/free" "$out/held" || die 'it says something that it does not say without the preload library'
    echo "note: version $("$compiler" -dumpversion)"
}

# --- jemalloc ---------------------------------------------------------------------------------------------------------------

jemalloc() { # before|after: where it stands beside the preload library
    local directory jemalloc
    directory=$(debian libjemalloc2)
    jemalloc=$directory/libjemalloc.so.2
    [[ -e $jemalloc ]] || die "no $jemalloc"
    local before='' after='' door
    printf -v "$1" %s "$jemalloc"
    compile "$cc" "$out/threads" threads.c -L"$simulated" -l:libcuda.so.1 -ldl
    held MALLOC_CONF=stats_print:true,stats_print_opts:mdablxe "$out/threads" "$gib" >"$out/held" 2>&1 || die "$(cat "$out/held")"
    grep -q jemalloc "$out/held" || die 'jemalloc was not in use'
    for door in dlsym lookup; do
        held HCS_CLIENT_DOOR="$door" "$clients/hcs-client-cu" "${steps[@]}" >"$out/held" 2>&1
        expect_held "$out/held"
    done
    held "$clients/hcs-client-cuda" "${steps[@]}" >"$out/held" 2>&1
    expect_held "$out/held"
}

# --- real clients and runtimes ------------------------------------------------------------------------------------------

# A libcuda.so.1 that writes down what it is asked. Linked by a name that leads to the simulated one, whose own name it has.
watched_driver() {
    watched=$out/watched
    mkdir -p "$watched"
    ln -sf "$simulated/libcuda.so.1" "$watched/libcuda.simulated.so"
    "$cc" -shared -Wl,-soname,libcuda.simulated.so -x c /dev/null -o "$watched/stub.so"
    compile "$cc" "$watched/libcuda.so.1" lookups.c -shared -fPIC -fvisibility=hidden -Wl,--no-as-needed "$watched/stub.so" -ldl
    rm -f "$watched"/{free,held}
}

bindings() {
    local python
    python=$(wheel "cuda-bindings==$cuda_bindings")
    watched_driver
    export PYTHONPATH=$python PYTHONDONTWRITEBYTECODE=1
    path=$watched free LOOKUPS="$watched/free" python3 "$here/bindings.py" 0
    path=$watched held LOOKUPS="$watched/held" python3 "$here/bindings.py" "$gib"
    diff "$watched/free" "$watched/held" || die 'it asks for other names with the preload library'
    echo "note: $(wc -l <"$watched/held") look-ups"
}

same_codes() { # PROGRAM: prints the same lines with the preload library
    free "$1" >"$out/free" 2>&1
    held "$1" >"$out/held" 2>&1
    diff "$out/free" "$out/held" || die 'other codes with the preload library: above, < is without'
}
only_codes() { # CODES: of every line in free, as a pattern
    if grep -vE " ($1)\$" "$out/free"; then die "not one of $1"; fi
}
has_driver() { [[ -e /dev/nvidiactl ]] || ldconfig -p | grep -q 'libcuda\.so\.1'; }

cudart() { # WHEEL==VERSION DIRECTORY LIBRARY MAJOR
    local directory program=$out/cudart
    directory=$(wheel "$1")/$2
    if [[ $3 == *.a ]]; then
        compile "$cc" "$program" cudart.c "-DCUDART=$4" "$directory/$3" -ldl -lrt
    else
        compile "$cc" "$program" cudart.c "-DCUDART=$4" -L"$directory" -l:"$3"
    fi
    if has_driver; then
        echo 'note: the driver of this host is not asked'
    else
        path=$directory same_codes "$program"
        only_codes '35|100'
    fi
    watched_driver
    path=$watched:$directory free LOOKUPS="$watched/free" "$program" >"$out/free"
    path=$watched:$directory held LOOKUPS="$watched/held" "$program" >"$out/held"
    diff "$out/free" "$out/held" || die 'other codes with the preload library on the simulated driver: above, < is without'
    diff "$watched/free" "$watched/held" || die 'it asks for other names with the preload library'
    echo "note: $(grep -vc '^table' "$watched/held") look-ups on the simulated driver, until $(tail -n 1 "$watched/held")"
    # A segment that is not there denies every request that the library sees: proof that it stands before this runtime.
    [[ $3 == *.a ]] && return
    path=$directory free LD_PRELOAD="$library" HCS_SEGMENT=/nonexistent "$program" >"$out/denied" 2>/dev/null || true
    grep -q '^cudaMalloc(.* 2$' "$out/denied" || die "cudaMalloc is not intercepted: $(cat "$out/denied")"
}

amdhip() {
    local directory
    directory=$(debian libamdhip64-5)
    compile "$cc" "$out/hip" hip.c -L"$directory" -Wl,-rpath-link,"$directory" -l:libamdhip64.so.5
    path=$directory same_codes "$out/hip"
    [[ -e /dev/kfd ]] || only_codes '100|101'
    cat "$out/free"
    path=$directory free LD_PRELOAD="$library" HCS_SEGMENT=/nonexistent "$out/hip" >"$out/denied" 2>/dev/null || true
    grep -q '^hipMalloc(.* 2$' "$out/denied" || die "hipMalloc is not intercepted: $(cat "$out/denied")"
}

check 'the library needs no symbol version newer than GLIBC_2.17' symbol_versions
check 'Debian bullseye: quota held by link, dlsym and cuGetProcAddress' old_home
check 'clang -fsanitize=address' sanitized clang -fsanitize=address
check 'clang -fsanitize=thread' sanitized clang -fsanitize=thread
check 'gcc -fsanitize=address -static-libasan' sanitized gcc -fsanitize=address -static-libasan
ASAN_OPTIONS=verify_asan_link_order=0 check 'gcc -fsanitize=address, shared runtime' sanitized gcc -fsanitize=address
check 'gcc -fsanitize=thread -static-libtsan' sanitized gcc -fsanitize=thread -static-libtsan
check 'gcc -fsanitize=thread, shared runtime' sanitized gcc -fsanitize=thread
check 'jemalloc preloaded before it' jemalloc before
check 'jemalloc preloaded after it' jemalloc after
check 'cuda-bindings on the simulated driver' bindings
check 'real libcudart 11' cudart nvidia-cuda-runtime-cu11==11.8.89 nvidia/cuda_runtime/lib libcudart.so.11.0 11
check 'real libcudart 12' cudart nvidia-cuda-runtime-cu12==12.9.79 nvidia/cuda_runtime/lib libcudart.so.12 12
check 'real libcudart 13' cudart nvidia-cuda-runtime==13.5.37 nvidia/cu13/lib libcudart.so.13 13
check 'real static libcudart 12' cudart nvidia-cuda-runtime-cu12==12.9.79 nvidia/cuda_runtime/lib libcudart_static.a 12
check 'real static libcudart 13' cudart nvidia-cuda-runtime==13.5.37 nvidia/cu13/lib libcudart_static.a 13
check 'real libamdhip64 5' amdhip
finish
