#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: check.sh LIBRARY EXPORTS_MAP FLOOR: what the library needs and exports, against what it may.
set -eu
LC_ALL=C
export LC_ALL
library=$1 map=$2 floor=$3
readelf=${READELF:-readelf}
bad=0
complain() { echo "check: $*" >&2; bad=1; }

for name in $($readelf -dW "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
    case $name in
    libc.so.6 | libdl.so.2 | libpthread.so.0 | ld-linux-x86-64.so.2 | ld-linux-aarch64.so.1) ;;
    *) complain "needs $name" ;;
    esac
done
$readelf -dW "$library" | grep -Eq 'RUNPATH|RPATH' && complain "has a RUNPATH"
$readelf -dW "$library" | grep -q 'SONAME.*\[libhcs_interceptor.so\]' || complain "has another SONAME"
$readelf -dW "$library" | grep -q TEXTREL && complain "has text relocations"

for version in $($readelf -VW "$library" | grep -o 'GLIBC_[0-9A-Z.]*' | sort -u); do
    number=${version#GLIBC_}
    case $number in
    [0-9]*) ;;
    *) complain "needs $version" ;;
    esac
    newest=$(printf '%s\n%s\n' "$number" "$floor" | sort -V | tail -n 1)
    [ "$newest" = "$floor" ] || complain "needs $version, newer than GLIBC_$floor"
done

exported=$($readelf --dyn-syms -W "$library" | awk '$5 != "LOCAL" && $7 != "UND" && NR > 3 && $8 != "" { print $8 }' | sort -u)
wanted=$(tr ';' '\n' <"$map" | sed -n 's/^[ \t]*\([A-Za-z_][A-Za-z0-9_]*\)[ \t]*$/\1/p' | sort -u)
[ "$exported" = "$wanted" ] || complain "exports differ from the hook lists:
exported: $(echo $exported)
wanted:   $(echo $wanted)"
# A versioned definition would not interpose cudaMalloc@libcudart.so.12.
echo "$exported" | grep -q '@' && complain "exports carry a version"

[ $bad = 0 ] && echo "check: $library: $(echo "$exported" | wc -l) exports, nothing newer than GLIBC_$floor"
exit $bad
