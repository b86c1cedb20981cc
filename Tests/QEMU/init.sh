#!/bin/busybox sh
# The guest's first process: starts the loader, then does what comes over the serial line.
/bin/busybox mkdir -p /proc /sys /dev
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs devtmpfs /dev
echo 1 >/proc/sys/kernel/printk
/bin/busybox stty -echo </dev/ttyS0
for module in /modules/*.ko; do /bin/busybox insmod "$module"; done
# Corrected machine checks are looked for this often, in seconds.
echo 1 >/sys/devices/system/machinecheck/machinecheck0/check_interval
echo "hcs-kernel $(/bin/busybox uname -r)"
/loader /bpf/*.bpf.o &
while read -r word; do
    case $word in
    correctable) /bin/busybox cat /aer-correctable >/dev/aer_inject ;;
    off) /bin/busybox poweroff -f ;;
    esac
done </dev/ttyS0
