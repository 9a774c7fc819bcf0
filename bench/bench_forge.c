/* bench_forge.c: what each family of forgeries takes, and how near its children come.
 *
 *     bench_forge --photos DIR --out DIR [--families LIST] [--crop N] [--crops N]
 *                 [--steps N] [--seed N] [--threads N] [--strips DIR]
 *
 * Every family is forged by itself, so its training counts whole. One line each: seconds
 * of processors, all threads together, with what every family needs (reading photographs,
 * writing parents) in the line "parents"; decibels of children against their parents, the
 * mean and the tenth and ninetieth of a hundred. --strips writes DIR/FAMILY.png: the
 * middle 96 x 96 pixels of the liveliest parent, of its child, and eight times their
 * difference, around grey. */
#include "bench.h"
#include "forge/forge.h"
#include <getopt.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { SIDE = 96, MOST = 100000 };

typedef struct job {
    rij_forge_options o;
    const char *photos, *out, *strips, *families;
} job;

static double used_s(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_utime.tv_sec + (double)u.ru_stime.tv_sec +
           1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static double decibels(const rj_image *a, const rj_image *b)
{
    const int n = a->w * a->h * 3;
    double sum = 0;

    for (int i = 0; i < n; i++)
        sum += (a->rgb[i] - b->rgb[i]) * (a->rgb[i] - b->rgb[i]);
    return 10 * log10(255.0 * 255 * n / fmax(sum, 1));
}

static double variance(const rj_image *a)
{
    const int n = a->w * a->h * 3;
    double sum = 0, squares = 0;

    for (int i = 0; i < n; i++) {
        sum += a->rgb[i];
        squares += a->rgb[i] * a->rgb[i];
    }
    return squares / n - sum / n * sum / n;
}

static void read_one(const job *j, const char *folder, int i, rj_image *image)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/%s/%05d.png", j->out, folder, i);
    bench_check(rj_image_read(path, &rj_default_limits, image), "reading");
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The middle of a parent, of its child, and their difference, side by side. */
static void write_strip(const job *j, const char *family, const rj_image *parent,
                        const rj_image *child)
{
    const int side = RJ_MIN(SIDE, parent->w), x = (parent->w - side) / 2;
    char path[PATH_MAX];
    rj_image strip;

    bench_check(rj_image_new(3 * side, side, &strip), "strip");
    for (int i = 0; i < side; i++)
        for (int k = 0; k < 3 * side; k++) {
            const int from = ((x + i) * parent->w + x + k / 3) * 3 + k % 3;
            const int p = parent->rgb[from], c = child->rgb[from];
            uint8_t *to = strip.rgb + (size_t)(i * 9 * side + k);

            to[0] = (uint8_t)p;
            to[3 * side] = (uint8_t)c;
            to[6 * side] = (uint8_t)RJ_MIN(RJ_MAX(128 + 8 * (c - p), 0), 255);
        }
    snprintf(path, sizeof path, "%s/%s.png", j->strips, family);
    bench_check(rj_folder_make(j->strips), "strips");
    bench_check(rj_image_write_png(path, &strip), "strips");
    rj_image_free(&strip);
}

static int count_parents(const job *j)
{
    char path[PATH_MAX];
    rj_list list = {0};
    int n;

    snprintf(path, sizeof path, "%s/real", j->out);
    bench_check(rj_folder_list(path, &list), "parents");
    n = list.n;
    rj_list_free(&list);
    return n;
}

/* The parent whose numbers vary most. */
static int liveliest(const job *j, int n)
{
    double most = -1;
    int which = 0;

    for (int i = 0; i < n; i++) {
        rj_image image;
        double v;

        read_one(j, "real", i, &image);
        v = variance(&image);
        rj_image_free(&image);
        if (v > most) {
            most = v;
            which = i;
        }
    }
    return which;
}

static void compare(const job *j, const char *family, int n, double *db)
{
    const int shown = j->strips ? liveliest(j, n) : -1;
    char folder[64];

    snprintf(folder, sizeof folder, "fake/%s", family);
    for (int i = 0; i < n; i++) {
        rj_image parent, child;

        read_one(j, "real", i, &parent);
        read_one(j, folder, i, &child);
        db[i] = decibels(&parent, &child);
        if (i == shown)
            write_strip(j, family, &parent, &child);
        rj_image_free(&parent);
        rj_image_free(&child);
    }
}

/* Forge one family and say what that took. */
static void forge(job *j, const char *family)
{
    static double db[MOST];
    const double start_s = used_s();
    double sum = 0, spent_s;
    int n;

    j->o.families = family;
    bench_check(rij_forge(j->photos, j->out, &j->o), family);
    spent_s = used_s() - start_s;
    n = RJ_MIN(count_parents(j), MOST);
    compare(j, family, n, db);
    for (int i = 0; i < n; i++)
        sum += db[i];
    qsort(db, (size_t)n, sizeof *db, ascending);
    printf("%-14s %7.1f s %6.1f dB %6.1f %6.1f\n", family, spent_s, sum / n, db[n / 10],
           db[n - 1 - n / 10]);
    fflush(stdout);
}

static void read_options(int argc, char **argv, job *j)
{
    static const struct option known[] = {{"photos", required_argument, NULL, 'p'},
                                          {"out", required_argument, NULL, 'o'},
                                          {"families", required_argument, NULL, 'f'},
                                          {"strips", required_argument, NULL, 'r'},
                                          {"crop", required_argument, NULL, 0},
                                          {"crops", required_argument, NULL, 1},
                                          {"steps", required_argument, NULL, 2},
                                          {"threads", required_argument, NULL, 3},
                                          {"seed", required_argument, NULL, 's'},
                                          {0}};
    int *const number[] = {&j->o.crop, &j->o.crops, &j->o.steps, &j->o.threads};
    const char **text = NULL;
    int letter;

    while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (letter == '?')
            exit(BENCH_USAGE);
        text = letter == 'p'   ? &j->photos
               : letter == 'o' ? &j->out
               : letter == 'f' ? &j->families
                               : &j->strips;
        if (letter == 's')
            j->o.seed = strtoull(optarg, NULL, 10);
        else if (letter <= 3)
            *number[letter] = atoi(optarg);
        else
            *text = optarg;
    }
    if (!j->photos || !j->out || optind != argc) {
        fputs("bench_forge --photos DIR --out DIR [--families LIST] [--crop N]\n"
              "            [--crops N] [--steps N] [--seed N] [--threads N]\n"
              "            [--strips DIR]\n",
              stderr);
        exit(BENCH_USAGE);
    }
}

int main(int argc, char **argv)
{
    job j = {.o = RIJ_FORGE_OPTIONS_INIT, .families = "all"};
    rj_forge_plan plan;
    rj_parents parents;
    double start_s;

    read_options(argc, argv, &j);
    j.o.families = j.families;
    bench_check(rj_forge_resolve(&j.o, &plan), "families");
    start_s = used_s();
    bench_check(rj_parents_cut(j.photos, NULL, plan.o.crop, plan.o.crops, plan.o.seed,
                               NULL, NULL, &parents),
                "parents");
    printf("%d photographs, %d parents of %d pixels, %d steps\n", parents.names,
           parents.n, plan.o.crop, plan.o.steps);
    printf("%-14s %7.1f s\n", "parents", used_s() - start_s);
    rj_parents_free(&parents);
    for (int i = 0; i < RJ_FAMILIES; i++)
        if (plan.wanted[i])
            forge(&j, rj_families[i].name);
    return 0;
}
