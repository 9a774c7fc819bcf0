/* teller.c: what is said on standard error, and the signals that stop. Answers alone go
 * to standard output. */
#include "tool.h"
#include <signal.h>
#include <stdarg.h>

static volatile sig_atomic_t stopped; /* the signal that came, or 0 */

static void keep_signal(int signal)
{
    stopped = signal;
}

/* The second signal finds the usual way to end again. */
void stop_watch(void)
{
    struct sigaction a = {.sa_handler = keep_signal, .sa_flags = (int)SA_RESETHAND};

    sigemptyset(&a.sa_mask);
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
}

int stop_asked(void)
{
    return stopped;
}

/* So a shell, and whatever else started this program, sees what ended it. */
void stop_by(int number)
{
    sigset_t all;

    fflush(NULL);
    signal(number, SIG_DFL);
    raise(number);
    sigemptyset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    _exit(128 + number);
}

void say(const char *format, ...)
{
    char text[1024], *shown;
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    fflush(stdout);
    shown = path_shown(text);
    fprintf(stderr, "realjudge: %s\n", shown);
    free(shown);
}

int complain(rij_status status)
{
    if (status == RIJ_E_CANCELLED && stopped)
        say("stopped by %s", stopped == SIGINT ? "SIGINT" : "SIGTERM");
    else
        say("%s", rij_last_error());
    return status == RIJ_E_ARGUMENT ? USAGE : FATAL;
}

teller teller_make(int quiet)
{
    teller t = {.b = BAR_INIT, .quiet = quiet};

    t.b.every_s = 30;
    t.b.to = stderr;
    return t;
}

int tell(const rij_progress *progress, void *user)
{
    teller *t = user;

    if (!t->quiet)
        show_progress(progress, &t->b);
    return stopped != 0;
}

void *need(void *memory)
{
    if (memory)
        return memory;
    fputs("realjudge: memory ran out\n", stderr);
    exit(FATAL);
}
