/* SPDX-License-Identifier: Apache-2.0
 *
 * What the benchmarks of the daemons share: programs in a directory of their own, sockets to them, their memory and CPU
 * time, and the rows of the table. One benchmark is one process, so that its state may be global.
 */
#ifndef HCS_BENCH_H
#define HCS_BENCH_H

#include <stddef.h>
#include <sys/types.h>

enum { TREE = 64, RUNNING = 4 };

extern char directory[];       /* a template until mkdtemp made it; removed by finish */
extern pid_t running[RUNNING]; /* process groups to end */
extern int missed;             /* rows whose target was missed */

/* Ends what runs, removes the directory, exits. */
__attribute__((noreturn)) void finish(int code);
__attribute__((noreturn, format(printf, 1, 2))) void die(const char *format, ...);

double now(void); /* seconds, CLOCK_MONOTONIC */
int compare(const void *a, const void *b); /* of doubles, for qsort */

/* A port of 127.0.0.1: of *ret_listener, or, where that is NULL, free again for whoever is told next. */
int local_port(int *ret_listener);
/* To a port of 127.0.0.1, or to a Unix socket where path is not NULL; -1 where nobody listens. */
int connect_to(int port, const char *path);

/* argv[0] is the program. Its own process group; standard output and error go to a file in the directory. */
pid_t start(char *const argv[]);
void run(char *const argv[]);
void stop(pid_t pid);

/* `root` and all below it, by parent. */
size_t tree(pid_t root, pid_t found[TREE]);
double kilobytes(pid_t pid); /* Pss of smaps_rollup */
double own_kilobytes(pid_t pid); /* Pss_Anon: heap, stacks, changed data; all of Pss before Linux 5.3 */
double cpu(pid_t pid);       /* CPU seconds of a process so far, to the nanosecond, threads that ended included */
double cpu_of(pid_t root);   /* of it and all below it */

/* A row of the table; target 0 = none. */
void row(const char *what, const char *unit, double value, double target);

#endif
