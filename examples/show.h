/* show.h: what the examples print: a progress bar, tables of figures. */
#ifndef EXAMPLES_SHOW_H
#define EXAMPLES_SHOW_H

#include <realjudge.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static inline double seconds_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- progress --------------------------------------------------------------------- */

/* On a terminal one line is drawn again and again; elsewhere a line is printed at the
 * start and the end of a phase and every `every_s` seconds between. */
typedef struct bar {
    const char *title; /* put before every line; "" for none */
    double every_s;
    char phase[16];
    double told_s;
    int open; /* a line on the terminal waits for its end */
    FILE *to; /* NULL: standard output */
} bar;

#define BAR_INIT                                                                         \
    {                                                                                    \
        "", 15, "", 0, 0, NULL                                                           \
    }

static inline FILE *bar_file(const bar *b)
{
    return b->to ? b->to : stdout;
}

static inline int bar_columns(const bar *b)
{
    struct winsize size;

    return ioctl(fileno(bar_file(b)), TIOCGWINSZ, &size) == 0 && size.ws_col > 20
               ? size.ws_col
               : 100;
}

/* The figures of a message, the most telling first: a terminal may cut the rest. */
static inline void bar_figures(const rij_progress *p, char *text, size_t size)
{
    const int first = strcmp(p->phase, "stage 1") == 0;
    const int second = strcmp(p->phase, "stage 2") == 0;
    int n = 0;

    text[0] = 0;
    if (p->loss > 0)
        n += snprintf(text + n, size - (size_t)n, "  loss %.3f", p->loss);
    if (p->auc > 0)
        n += snprintf(text + n, size - (size_t)n, "  auc %.3f", p->auc);
    if (first && p->rank > 0)
        n += snprintf(text + n, size - (size_t)n, "  cosine %.2f rank %.1f spread %.3f",
                      p->cosine, p->rank, p->spread);
    if (first)
        snprintf(text + n, size - (size_t)n, "  hom %.3f het %.3f dec %.3f",
                 p->loss_part[0], p->loss_part[1], p->loss_part[2]);
    else if (second)
        snprintf(text + n, size - (size_t)n, "  classifier %.3f contrast %.3f",
                 p->loss_part[0], p->loss_part[1]);
}

static inline void bar_line(const bar *b, const rij_progress *p, int live, char *text,
                            size_t size)
{
    const int width = 12;
    const int full = p->steps > 0 ? (int)(width * p->step / p->steps) : width;
    const int left = (int)(p->eta_s + 0.5);
    int n = snprintf(text, size, "%s%-9s ", b->title, p->phase);

    if (live)
        n += snprintf(text + n, size - (size_t)n, "[%.*s%.*s] ", full, "############",
                      width - full, "............");
    n += snprintf(text + n, size - (size_t)n, "%4jd/%jd", (intmax_t)p->step,
                  (intmax_t)p->steps);
    if (p->images_s > 0)
        n += snprintf(text + n, size - (size_t)n, "  %4.0f images/s", p->images_s);
    n += snprintf(text + n, size - (size_t)n, "  %d:%02d left", left / 60, left % 60);
    bar_figures(p, text + n, size - (size_t)n);
}

/* A rij_progress_fn; `user` is a bar. */
static inline int show_progress(const rij_progress *p, void *user)
{
    bar *b = user;
    FILE *to = bar_file(b);
    const int live = isatty(fileno(to));
    const int begins = strcmp(b->phase, p->phase) != 0;
    const int ends = p->steps > 0 && p->step >= p->steps;
    const double now_s = seconds_now();
    char text[512];

    if (b->open && (begins || p->note)) {
        fputc('\n', to);
        b->open = 0;
    }
    if (begins)
        snprintf(b->phase, sizeof b->phase, "%s", p->phase);
    if (p->note) {
        fprintf(to, "%s%s: %s\n", b->title, p->phase, p->note);
    } else if (live) {
        bar_line(b, p, live, text, sizeof text);
        fprintf(to, "\r\033[K%.*s", bar_columns(b) - 1, text);
        b->open = 1;
    } else if (begins || ends || now_s - b->told_s >= b->every_s) {
        bar_line(b, p, live, text, sizeof text);
        fprintf(to, "%s\n", text);
        b->told_s = now_s;
    }
    fflush(to);
    return 0;
}

/* Leave the bar's line, before something else is printed. */
static inline void bar_end(bar *b)
{
    if (b->open)
        fputc('\n', bar_file(b));
    b->open = 0;
    b->phase[0] = 0;
}

/* ---- figures ---------------------------------------------------------------------- */

/* Every row of an evaluation. AP= is the average precision with as many reals as fakes:
 * chance is 0.5. */
static inline void show_table(const rij_evaluation *e)
{
    rij_evaluation_row r;

    printf("%-22s %-9s %5s %5s  %6s %6s %6s %6s %6s\n", "generator", "column", "reals",
           "fakes", "AP", "AP=", "AUC", "racc", "facc");
    for (int i = 0; i < rij_evaluation_rows(e); i++) {
        if (rij_evaluation_row_at(e, i, &r) != RIJ_OK)
            return;
        printf("%-22s %-9s %5d %5d  %6.4f %6.4f %6.4f %6.4f %6.4f\n", r.generator,
               r.column, r.n_real, r.n_fake, r.ap_plain, r.ap, r.auc, r.racc, r.facc);
    }
    if (rij_evaluation_unusable(e) > 0)
        printf("%d images could not be used\n", rij_evaluation_unusable(e));
}

#endif
