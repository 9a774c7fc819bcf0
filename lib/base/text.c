/* text.c: text that grows, and what is UTF-8. */
#include "base/base.h"
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int rj_utf8(const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    const int n = s[0] < 0x80   ? 1
                  : s[0] < 0xc2 ? 0
                  : s[0] < 0xe0 ? 2
                  : s[0] < 0xf0 ? 3
                                : 4;

    if (n < 2)
        return n;
    if (s[0] > 0xf4 || (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    for (int i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

void rj_text_bytes(rj_text *t, const char *bytes, size_t n)
{
    if (t->failed)
        return;
    if (n >= (size_t)(INT_MAX - t->n) ||
        rj_grow((void **)&t->bytes, &t->room, t->n + (int)n + 1, 1) != RIJ_OK) {
        t->failed = true;
        return;
    }
    memcpy(t->bytes + t->n, bytes, n);
    t->n += (int)n;
    t->bytes[t->n] = 0;
}

void rj_text_put(rj_text *t, const char *text)
{
    rj_text_bytes(t, text, strlen(text));
}

void rj_text_line(rj_text *t, const char *name)
{
    for (const char *c = name; *c; c++)
        rj_text_bytes(t, (unsigned char)*c < ' ' ? "?" : c, 1);
}

void rj_text_say(rj_text *t, const char *format, ...)
{
    char line[1024];
    va_list arguments;
    int n;

    va_start(arguments, format);
    n = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (n < 0 || n >= (int)sizeof line)
        t->failed = true;
    else
        rj_text_bytes(t, line, (size_t)n);
}

/* Whole numbers only go through snprintf(), whose decimal point follows the locale. */
void rj_text_fixed(rj_text *t, double x, int decimals)
{
    long long unit = 1, whole;

    for (int i = 0; i < decimals; i++)
        unit *= 10;
    if (!(fabs(x) < 1e12)) {
        rj_text_put(t, "-");
        return;
    }
    whole = llround(fabs(x) * (double)unit);
    rj_text_say(t, "%s%lld", x < 0 && whole ? "-" : "", whole / unit);
    if (decimals > 0)
        rj_text_say(t, ".%0*lld", decimals, whole % unit);
}

void rj_text_count(rj_text *t, long long n)
{
    if (n >= 1000) {
        rj_text_count(t, n / 1000);
        rj_text_say(t, ",%03lld", n % 1000);
    } else {
        rj_text_say(t, "%lld", n);
    }
}

rij_status rj_text_done(const rj_text *t)
{
    RJ_REQUIRE(!t->failed, RIJ_E_MEMORY, "no memory for %d bytes of text", t->n);
    return RIJ_OK;
}

void rj_text_free(rj_text *t)
{
    rj_free(t->bytes);
    *t = (rj_text){0};
}
