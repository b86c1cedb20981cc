#ifndef HCS_COUNTER_H
#define HCS_COUNTER_H

/* Instructions that this thread has executed in user space since the first call (perf_event_open(2)); -1 where the kernel
   or the machine counts none. Only here: Swift cannot call syscall(2), which is variadic. */
long long hcs_counter_instructions(void);

#endif
