#ifndef UNIRUN_SHIM_THREAD_LEAVE_H
#define UNIRUN_SHIM_THREAD_LEAVE_H

/* The calling thread is about to end, other than by returning from its start routine. */
void leave_thread(void);

#endif
