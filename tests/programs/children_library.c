/* A library that has something to do when the process ends. */
extern void (*at_library_end)(void);
void (*at_library_end)(void);

__attribute__((destructor)) static void at_end(void)
{
    if (at_library_end)
        at_library_end();
}
