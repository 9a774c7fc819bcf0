/* status.c: names of statuses and the thread's message. The only thread-local state. */
#include "base/base.h"
#include <stdarg.h>
#include <stdio.h>

#undef rj_fail /* an analyser's */

static _Thread_local char detail[256];

rij_status rj_fail(rij_status status, const char *format, ...)
{
    char text[sizeof detail] = ""; // an argument may be the old message itself
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    for (size_t i = 0; i < sizeof detail; i++)
        detail[i] = text[i] == '\n' || text[i] == '\r' ? ' ' : text[i];
    detail[sizeof detail - 1] = 0;
    return status;
}

RIJ_API const char *rij_last_error(void)
{
    return detail;
}

RIJ_API const char *rij_status_name(rij_status status)
{
    switch (status) {
#define X(name, number, text)                                                            \
    case RIJ_##name:                                                                     \
        return "RIJ_" #name;
        RIJ_STATUS_MAP(X)
#undef X
    }
    return "RIJ_UNKNOWN";
}

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

RIJ_API const char *rij_version(void)
{
    return TEXT(RIJ_VERSION_MAJOR) "." TEXT(RIJ_VERSION_MINOR) "." TEXT(
        RIJ_VERSION_PATCH);
}
