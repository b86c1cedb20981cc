/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
 *
 * What the BPF programs tell user space. Shared by bpf/ and CSources/probe; fixed-width fields only. Text is
 * NUL-terminated unless it says otherwise, and any bytes.
 */
#ifndef HCS_EVENTS_H
#define HCS_EVENTS_H

#include <linux/types.h>

#define HCS_LOG_TEXT_BYTES 512 /* a power of two: the program masks the length with it */
#define HCS_LOG_SCAN_BYTES 256 /* how far into a line the program looks for the words of a fault */

/* A kernel-log line at the moment it was stored. It wakes the reader and gives the time; the record itself, with its
 * sequence number and facility, is read from /dev/kmsg. */
struct hcs_log_event {
    __u64 ktime_ns; /* CLOCK_MONOTONIC */
    __u32 length;   /* bytes of text that follow, at most HCS_LOG_TEXT_BYTES - 1 */
    __u32 reserved;
    char text[HCS_LOG_TEXT_BYTES]; /* not NUL-terminated */
};

#define HCS_DEVICE_NAME_BYTES 32

/* ras:aer_event: an error that a PCIe function told of. */
struct hcs_pcie_event {
    __u64 ktime_ns; /* CLOCK_MONOTONIC */
    __u32 status;   /* the error bits of the AER capability; 0 where the function could not be read any more */
    __u8 severity;  /* enum hcs_pcie_severity */
    __u8 reserved[3];
    char device[HCS_DEVICE_NAME_BYTES]; /* "0000:3b:00.0" */
};

/* include/linux/aer.h */
enum hcs_pcie_severity {
    HCS_PCIE_NONFATAL = 0,
    HCS_PCIE_FATAL = 1,
    HCS_PCIE_CORRECTABLE = 2,
};

/* mce:mce_record: a machine check of a processor (x86). */
struct hcs_machine_check_event {
    __u64 ktime_ns;
    __u64 status;  /* MCi_STATUS (Intel SDM volume 3, "Machine-check architecture") */
    __u64 address; /* MCi_ADDR; says something where status has ADDRV */
    __u32 cpu;
    __u8 bank;
    __u8 reserved[3];
};

#define HCS_MODULE_LABEL_BYTES 64
#define HCS_ERROR_TEXT_BYTES 64

/* ras:mc_event: an error of a memory controller (EDAC). */
struct hcs_memory_error_event {
    __u64 ktime_ns;
    __u64 address;
    __u32 type; /* enum hcs_memory_error_type */
    __u32 count;
    __u32 controller;
    __u32 reserved;
    char label[HCS_MODULE_LABEL_BYTES]; /* "CPU_SrcID#0_MC#0_Chan#0_DIMM#0" */
    char text[HCS_ERROR_TEXT_BYTES];
};

/* enum hw_event_mc_err_type of include/linux/edac.h */
enum hcs_memory_error_type {
    HCS_MEMORY_CORRECTED = 0,
    HCS_MEMORY_UNCORRECTED = 1,
    HCS_MEMORY_DEFERRED = 2,
    HCS_MEMORY_FATAL = 3,
    HCS_MEMORY_INFO = 4,
};

#define HCS_FRU_BYTES 32

/* ras:non_standard_event: a section of a firmware error record that the kernel has no handler for. */
struct hcs_firmware_record_event {
    __u64 ktime_ns;
    __u32 length;     /* bytes of the section's own data, which stay in the kernel */
    __u8 severity;    /* enum hcs_firmware_severity */
    __u8 reserved[3];
    __u8 section[16]; /* a GUID in the byte order of UEFI */
    char fru[HCS_FRU_BYTES];
};

/* include/acpi/ghes.h */
enum hcs_firmware_severity {
    HCS_FIRMWARE_INFO = 0,
    HCS_FIRMWARE_CORRECTED = 1,
    HCS_FIRMWARE_RECOVERABLE = 2,
    HCS_FIRMWARE_PANIC = 3,
};

#define HCS_TASK_NAME_BYTES 16 /* TASK_COMM_LEN */

/* oom:mark_victim: a process that the kernel kills for want of memory. */
struct hcs_oom_event {
    __u64 ktime_ns;
    __u32 pid;
    __u32 reserved;
    char name[HCS_TASK_NAME_BYTES]; /* empty on kernels that give the pid only */
};

#define HCS_HOLDER_LIMIT 4096 /* processes that hold a device */
#define HCS_DEVICE_LIMIT 1024 /* device nodes */

/* Iterator task_file: an open file of a device node. */
struct hcs_held_file {
    __u64 start_ns; /* of the process, since boot, suspend included */
    __u32 pid;
    __u32 fd;
    __u32 device; /* major << 20 | minor */
    __u32 reserved;
    char name[HCS_TASK_NAME_BYTES];
};

/* sched:sched_process_exit: the last thread of a process that holds a device ended. */
struct hcs_exit_event {
    __u64 ktime_ns;
    __u32 pid;
    __u32 code; /* as wait(2) has it: signal in the low 7 bits, else status in bits 8 to 15 */
    char name[HCS_TASK_NAME_BYTES];
};

/* signal:signal_generate: a signal was sent to a process that holds a device. */
struct hcs_signal_event {
    __u64 ktime_ns;
    __u32 pid; /* of the process, not of the thread */
    __u32 signal;
    char name[HCS_TASK_NAME_BYTES];
};

#define HCS_ZONE_TYPE_BYTES 20 /* THERMAL_NAME_LENGTH */

/* thermal:thermal_zone_trip: a thermal zone passed a trip point. */
struct hcs_thermal_event {
    __u64 ktime_ns;
    __u32 trip; /* enum hcs_trip_kind */
    __s32 zone;
    __s32 temperature; /* thousandths of a degree Celsius */
    char type[HCS_ZONE_TYPE_BYTES];
};

/* enum thermal_trip_type of include/uapi/linux/thermal.h */
enum hcs_trip_kind {
    HCS_TRIP_ACTIVE = 0,
    HCS_TRIP_PASSIVE = 1,
    HCS_TRIP_HOT = 2,
    HCS_TRIP_CRITICAL = 3,
};

/* Uprobes on a vendor's library: a call took long. */
struct hcs_call_event {
    __u64 ktime_ns; /* of its end */
    __u64 duration_ns;
    __u32 pid;      /* of the process */
    __u32 function; /* index in the list that user space attached */
    char name[HCS_TASK_NAME_BYTES];
};

/* Iterator task: a thread of a process that holds a device. */
struct hcs_task_look {
    __u64 first;    /* arguments of the system call */
    __u64 second;
    __u64 switches; /* how often it left the processor: unchanged, it has not run */
    __u32 pid;      /* of the process */
    __u32 thread;
    __u32 state;    /* enum hcs_task_state */
    __s32 call;     /* number of the system call; -1: in none */
    char name[HCS_TASK_NAME_BYTES];
};

#define HCS_FILE_LIMIT 65536 /* descriptors that lead to a device, of all processes */
#define HCS_CALL_LIMIT 16384 /* threads that are in a call on one */

/* Raw tracepoints sys_enter and sys_exit: a system call on a descriptor of a device. */
struct hcs_device_call {
    __u64 entered_ns; /* CLOCK_MONOTONIC */
    __u64 left_ns;    /* 0: still in it */
    __u32 pid;        /* of the process */
    __u32 thread;
    __u32 call; /* number of the system call */
    __u32 fd;
    char name[HCS_TASK_NAME_BYTES];
};

enum hcs_task_state {
    HCS_TASK_OTHER = 0,
    HCS_TASK_SLEEPING = 1,        /* S */
    HCS_TASK_UNINTERRUPTIBLE = 2, /* D */
};

#endif
