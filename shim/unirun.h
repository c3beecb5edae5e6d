/* unirun.h: what a program may ask of the shim that it runs under.
 *
 * Link nothing: the functions are weak references, bound where libunirun_shim.so is preloaded and null elsewhere.
 *
 *     if (unirun_version)
 *         printf("under unirun %s, %s\n", unirun_version(), unirun_mode());
 */
#ifndef UNIRUN_H
#define UNIRUN_H

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the shim, such as "0.1.0". */
const char *unirun_version(void) __attribute__((weak));

/* The mode of this process: "managed" or "passthrough". Constant from the shim's constructor on; before that it may
 * still be "passthrough". */
const char *unirun_mode(void) __attribute__((weak));

#ifdef __cplusplus
}
#endif

#endif
