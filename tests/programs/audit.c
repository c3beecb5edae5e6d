/* An empty audit library (rtld-audit(7)). */
#include <link.h>

unsigned int la_version(unsigned int version)
{
    return version;
}
