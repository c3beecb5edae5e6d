/* Says which mode the shim around it is in. */
#include <stdio.h>

#include "shim/unirun.h"

int main(void)
{
    puts(unirun_mode ? unirun_mode() : "no shim");
    return 0;
}
