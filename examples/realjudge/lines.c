/* lines.c: lines of a pipe, each handed on as soon as it is there, so that what another
 * program finds is judged while it searches. A signal ends the wait. */
#include "tool.h"
#include <errno.h>
#include <poll.h>
#include <unistd.h>

enum { WAIT_MS = 100, CHUNK = 65536 };

static int over(const lines *l, const atomic_int *stopped)
{
    return l->ended || stop_asked() || (stopped && atomic_load(stopped));
}

/* More bytes behind those that are there, or the end of all. */
static void more(lines *l)
{
    struct pollfd p = {.fd = l->fd, .events = POLLIN};
    ssize_t got;

    if (poll(&p, 1, WAIT_MS) <= 0)
        return;
    if (l->at > 0) {
        memmove(l->text, l->text + l->at, l->n - l->at);
        l->n -= l->at;
        l->at = 0;
    }
    if (l->room - l->n < CHUNK) {
        l->room = 2 * l->room + CHUNK + 1;
        l->text = need(realloc(l->text, l->room));
    }
    got = read(l->fd, l->text + l->n, CHUNK);
    if (got > 0)
        l->n += (size_t)got;
    else if (got == 0 || (errno != EINTR && errno != EAGAIN))
        l->ended = 1;
}

/* The line that begins at `at` and has n bytes; NULL if it is empty. */
static char *take(lines *l, size_t n, size_t end)
{
    char *line = n > 0 ? need(strndup(l->text + l->at, n)) : NULL;

    l->at += n + end;
    return line;
}

char *lines_next(lines *l, const atomic_int *stopped)
{
    size_t looked = 0; // bytes behind `at` without an end

    for (;;) {
        const size_t n = l->n - l->at;
        const char *from = l->text ? l->text + l->at : "";
        const char *end = n > looked ? memchr(from + looked, l->end, n - looked) : NULL;
        char *line = end ? take(l, (size_t)(end - from), 1) : NULL;

        if (line)
            return line;
        if (end) {
            looked = 0;
            continue;
        }
        looked = n;
        if (over(l, stopped)) // what stands behind the last end is a line too
            return l->ended && n > 0 ? take(l, n, 0) : NULL;
        more(l);
    }
}

void lines_free(lines *l)
{
    free(l->text);
    l->text = NULL;
}
