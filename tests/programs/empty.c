/* A preload that does nothing: what any preload costs, for comparison. */
extern int empty_preload;
int empty_preload = 1;
