#!/bin/sh
# Writes a Swift file that holds each BPF object as a hexadecimal string: embed.sh DIR/kernel_log.bpf.o ...
set -eu
echo "// Made by bpf/embed.sh from bpf/*.bpf.c; not for editing."
echo "/// The BPF objects, as hexadecimal text."
echo "package enum EmbeddedPrograms {"
for object in "$@"; do
    # kernel_log -> kernelLog
    name=$(basename "$object" .bpf.o | awk -F_ '{ s = $1; for (i = 2; i <= NF; i++) s = s toupper(substr($i, 1, 1)) substr($i, 2); print s }')
    printf '    package static let %s: StaticString = "' "$name"
    od -An -v -tx1 "$object" | tr -d ' \n'
    printf '"\n'
done
echo "}"
