/* report_text.c: pieces of HTML: escaped text, cells of tables, bytes in base64. */
#include "report/report.h"
#include <math.h>
#include <string.h>

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

/* What markup is made of, or NULL. */
static const char *escape(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

/* Controls, of C1 too, and U+FFFE, U+FFFF are no text. */
static bool is_character(const char *s, int n)
{
    const unsigned char *u = (const unsigned char *)s;

    if (n == 0 || u[0] < ' ' || u[0] == 0x7f || (u[0] == 0xc2 && u[1] < 0xa0))
        return false;
    return !(n == 3 && u[0] == 0xef && u[1] == 0xbf && u[2] >= 0xbe);
}

static void clean(rj_text *t, const char *text, bool markup)
{
    for (const char *c = text; *c;) {
        const int n = rj_utf8(c);
        const char *known = markup ? escape(*c) : NULL;

        if (known)
            rj_text_put(t, known);
        else if (is_character(c, n))
            rj_text_bytes(t, c, (size_t)n);
        else
            rj_text_put(t, replacement);
        c += RJ_MAX(n, 1);
    }
}

void rj_html(rj_text *t, const char *text)
{
    clean(t, text, true);
}

void rj_html_plain(rj_text *t, const char *text)
{
    clean(t, text, false);
}

void rj_html_percent(rj_text *t, double share)
{
    rj_text_fixed(t, 100 * share, 1);
    if (!isnan(share))
        rj_text_put(t, "&nbsp;%");
}

void rj_svg_number(rj_text *t, const char *name, double x)
{
    rj_text_say(t, " %s=\"", name);
    rj_text_fixed(t, x, 1);
    rj_text_put(t, "\"");
}

/* ---- tables ----------------------------------------------------------------------- */

void rj_html_table_start(rj_text *t, const char *caption)
{
    rj_text_put(t, "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"");
    rj_html(t, caption);
    rj_text_put(t, "\"><table><caption>");
    rj_html(t, caption);
    rj_text_put(t, "</caption><thead><tr>");
}

void rj_html_column(rj_text *t, const char *first, const char *second)
{
    rj_text_put(t, "<th scope=\"col\">");
    rj_html(t, first);
    if (second) {
        rj_text_put(t, "<br>");
        rj_html(t, second);
    }
    rj_text_put(t, "</th>");
}

void rj_html_table_body(rj_text *t)
{
    rj_text_put(t, "</tr></thead><tbody>\n");
}

void rj_html_table(rj_text *t, const char *caption, int heads, const char *const *head)
{
    rj_html_table_start(t, caption);
    for (int i = 0; i < heads; i++)
        rj_html_column(t, head[i], NULL);
    rj_html_table_body(t);
}

void rj_html_head(rj_text *t, const char *text)
{
    rj_text_put(t, "<tr><th scope=\"row\"><bdi>");
    rj_html(t, text);
    rj_text_put(t, "</bdi></th>");
}

void rj_html_cell(rj_text *t, double x, int decimals)
{
    rj_text_put(t, "<td>");
    rj_text_fixed(t, x, decimals);
    rj_text_put(t, "</td>");
}

void rj_html_share(rj_text *t, double share)
{
    rj_text_put(t, "<td>");
    rj_html_percent(t, share);
    rj_text_put(t, "</td>");
}

void rj_html_count(rj_text *t, long long n)
{
    rj_text_put(t, "<td>");
    rj_text_count(t, n);
    rj_text_put(t, "</td>");
}

void rj_html_row_end(rj_text *t)
{
    rj_text_put(t, "</tr>\n");
}

void rj_html_table_end(rj_text *t)
{
    rj_text_put(t, "</tbody></table></div>\n");
}

/* ---- bytes ------------------------------------------------------------------------ */

void rj_html_base64(rj_text *t, const uint8_t *bytes, size_t n)
{
    static const char digit[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < n; i += 3) {
        const size_t have = RJ_MIN(n - i, (size_t)3);
        const unsigned b[3] = {bytes[i], have > 1 ? bytes[i + 1] : 0,
                               have > 2 ? bytes[i + 2] : 0};
        const char four[4] = {digit[b[0] >> 2], digit[(b[0] & 3) << 4 | b[1] >> 4],
                              have > 1 ? digit[(b[1] & 15) << 2 | b[2] >> 6] : '=',
                              have > 2 ? digit[b[2] & 63] : '='};

        rj_text_bytes(t, four, 4);
    }
}
