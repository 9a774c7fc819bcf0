/* page_checker.h: whether a page is UTF-8, its tags close in order, its attributes are in
 * quotes and its ampersands begin what HTML knows. Stricter than HTML. */
#ifndef RJ_PAGE_CHECKER_H
#define RJ_PAGE_CHECKER_H

#include "test.h"
#include <ctype.h>
#include <string.h>

enum { PAGE_DEPTH = 64 };

static inline void page_entity(const char *at)
{
    static const char *const known[] = {"&amp;",  "&lt;",  "&gt;",
                                        "&quot;", "&#39;", "&nbsp;"};
    bool found = false;

    for (int i = 0; i < RJ_COUNT(known); i++)
        found = found || strncmp(at, known[i], strlen(known[i])) == 0;
    HOLDS(found, "an ampersand at %.40s", at);
}

/* From behind a tag's name to its '>'; names and values in quotes. */
static inline const char *page_attributes(const char *at, bool *closed)
{
    *closed = false;
    for (;;) {
        at += strspn(at, " ");
        if (*at == '>')
            return at + 1;
        if (at[0] == '/' && at[1] == '>') {
            *closed = true;
            return at + 2;
        }
        HOLDS(isalpha((unsigned char)*at), "an attribute at %.40s", at);
        at += strcspn(at, "=> ");
        if (*at != '=')
            continue;
        HOLDS(at[1] == '"', "no quote at %.40s", at);
        for (at += 2; *at != '"'; at++) {
            HOLDS(*at && *at != '<' && *at != '>', "a value at %.40s", at);
            if (*at == '&')
                page_entity(at);
        }
        at++;
    }
}

static inline bool page_void(const char *name)
{
    static const char *const empty[] = {"meta", "br", "img", "!DOCTYPE"};
    bool found = false;

    for (int i = 0; i < RJ_COUNT(empty); i++)
        found = found || strcmp(name, empty[i]) == 0;
    return found;
}

/* A tag at '<'; returns what is behind it. */
static inline const char *page_tag(const char *at, char open[PAGE_DEPTH][16], int *depth)
{
    const bool ends = at[1] == '/';
    const char *start = at + 1 + ends;
    const size_t n = strcspn(start, " />");
    char name[16];
    bool closed;

    HOLDS(n > 0 && n < sizeof name, "a tag at %.40s", at);
    memcpy(name, start, n);
    name[n] = 0;
    at = page_attributes(start + n, &closed);
    if (ends) {
        HOLDS(*depth > 0 && strcmp(open[*depth - 1], name) == 0, "</%s> closes <%s>",
              name, *depth ? open[*depth - 1] : "");
        --*depth;
    } else if (!closed && !page_void(name)) {
        HOLDS(*depth < PAGE_DEPTH, "too deep");
        memcpy(open[(*depth)++], name, sizeof name);
    }
    return at;
}

static inline void page_holds(const char *page)
{
    char open[PAGE_DEPTH][16];
    int depth = 0;

    for (const char *c = page; *c; c += rj_utf8(c)) {
        HOLDS(rj_utf8(c) > 0, "no UTF-8");
        HOLDS((unsigned char)*c >= ' ' || *c == '\n', "a control character");
    }
    for (const char *at = page; *at;) {
        if (*at == '<') {
            at = page_tag(at, open, &depth);
            continue;
        }
        if (*at == '&')
            page_entity(at);
        HOLDS(*at != '>', "a bracket at %.40s", at);
        at++;
    }
    HOLDS(depth == 0, "<%s> is open", depth ? open[depth - 1] : "");
}

#endif
