/* Data that every process touches when it starts or ends stands beside the tables, whose page the loader has written
 * already: in .bss each piece could be the only one on its page that a short program needs. */
#ifndef UNIRUN_SHIM_HOT_H
#define UNIRUN_SHIM_HOT_H

#define HOT __attribute__((section(".data")))

#endif
