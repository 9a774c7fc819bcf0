/* record.c: JSON that any reader takes, whatever a file is called. A path is bytes, JSON
 * is UTF-8 (RFC 8259): bytes that are none become U+FFFD, and the exact path stands
 * beside it, percent-encoded as in RFC 3986. */
#include "tool.h"
#include <ctype.h>
#include <math.h>

/* Bytes of the character at `text` (Unicode 15, table 3-7), or 0: it is none. */
static size_t character(const char *text)
{
    const unsigned char *c = (const unsigned char *)text;
    unsigned char low = 0x80, high = 0xbf;
    size_t n;

    if (c[0] < 0x80)
        return 1;
    if (c[0] < 0xc2 || c[0] > 0xf4)
        return 0;
    n = c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : 4;
    if (c[0] == 0xe0)
        low = 0xa0; // no longer than needed
    else if (c[0] == 0xed)
        high = 0x9f; // no surrogates
    else if (c[0] == 0xf0)
        low = 0x90;
    else if (c[0] == 0xf4)
        high = 0x8f; // up to U+10FFFF
    if (c[1] < low || c[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if (c[i] < 0x80 || c[i] > 0xbf)
            return 0;
    return n;
}

int is_utf8(const char *text)
{
    size_t n;

    for (; *text; text += n)
        if ((n = character(text)) == 0)
            return 0;
    return 1;
}

json_t *text_json(const char *text)
{
    char *clean = need(malloc(3 * strlen(text) + 1)), *to = clean;
    json_t *string;

    while (*text) {
        const size_t n = character(text);

        memcpy(to, n ? text : "\xef\xbf\xbd", n ? n : 3);
        to += n ? n : 3;
        text += n ? n : 1;
    }
    *to = 0;
    string = need(json_string(clean));
    free(clean);
    return string;
}

static json_t *percent_json(const char *path)
{
    char *text = need(malloc(3 * strlen(path) + 1)), *to = text;
    json_t *string;

    for (const unsigned char *c = (const unsigned char *)path; *c; c++)
        if (*c < 0x80 && (isalnum(*c) || strchr("-._~/", *c)))
            *to++ = (char)*c;
        else
            to += sprintf(to, "%%%02X", *c);
    *to = 0;
    string = need(json_string(text));
    free(text);
    return string;
}

void path_json(json_t *record, const char *key, const char *path)
{
    char exact[64];

    json_object_set_new(record, key, text_json(path));
    if (is_utf8(path))
        return;
    snprintf(exact, sizeof exact, "%s_percent", key);
    json_object_set_new(record, exact, percent_json(path));
}

json_t *number_json(double x)
{
    return need(isfinite(x) ? json_real(x) : json_null());
}

/* Nine digits tell all floats apart; the networks' numbers are no more. */
char *json_line(json_t *record)
{
    const size_t flags = JSON_COMPACT | JSON_REAL_PRECISION(9);
    const size_t n = json_dumpb(record, NULL, 0, flags);
    char *text = need(malloc(n + 2));

    json_dumpb(record, text, n, flags);
    text[n] = '\n';
    text[n + 1] = 0;
    json_decref(record);
    return text;
}

/* U+0000 to 1F and 7F to 9F move cursors, as does what is no UTF-8 where a terminal
 * takes bytes for characters. */
static int shows(const unsigned char *c, size_t n)
{
    return n == 1 ? *c >= 0x20 && *c != 0x7f : n > 1 && (c[0] != 0xc2 || c[1] >= 0xa0);
}

char *path_shown(const char *path)
{
    char *text = need(malloc(4 * strlen(path) + 1)), *to = text;

    while (*path) {
        const size_t n = character(path), bytes = n ? n : 1;
        const int as_is = shows((const unsigned char *)path, n);

        for (size_t i = 0; i < bytes; i++, path++)
            if (as_is)
                *to++ = *path;
            else
                to += sprintf(to, "\\x%02x", (unsigned char)*path);
    }
    *to = 0;
    return text;
}
