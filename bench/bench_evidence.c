/* bench_evidence.c: whether the evidence lies where a picture was forged.
 *
 *     bench_evidence --model FILE --forged DIR [--families LIST] [--cases N] [--seed N]
 *                    [--calibrate DATA] [--untouched DIR,..] [--levels LIST] [--threads
 * N]
 *                    [--show DIR] [--sides LIST] [--jpeg Q]
 *
 * DIR holds real/N.png and fake/FAMILY/N.png, as rij_forge() writes them. A case is a
 * parent in which a square of 128 to 192 pixels, somewhere, is its child's, over a seam
 * of 8 pixels along which the two are mixed. One line a family: cases, how many peaks lie
 * in the square, and at each level how many are found, and found there. Then how many of
 * the untouched pictures, the parents and all files below the folders, are in the null
 * state; then where the peaks of the cases' own parents lie: in the same squares, by
 * chance.
 * --sides
 * tells the same of their middles of such a side, and the median and ninth decile of
 * peaks.
 * --jpeg sends all that is explained through JPEG of quality Q.
 * --calibrate calibrates the model on DATA before. --show writes a picture a family. */
#include "bench.h"
#include "data/data.h"
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEAM = 8, LEAST = 128, MOST = 192, LEVELS = 4, NAMES = 32, MANY = 4096 };

typedef struct job {
    const char *model, *forged, *calibrate, *show;
    char *family[NAMES], *untouched[NAMES];
    int families, folders, levels, cases, threads, sides, jpeg;
    char *side[NAMES];
    double level[LEVELS];
    uint64_t seed;
    rij_model *m;
    int parents;
} job;

typedef struct square {
    int x, y, side;
} square;

typedef struct tally {
    int n, inside, found[LEVELS], there[LEVELS];
    double peak[MANY];
} tally;

/* ---- one picture ------------------------------------------------------------------- */

static void count_levels(const job *j, const rij_evidence_summary *s, int inside,
                         tally *t)
{
    t->peak[t->n++ % MANY] = s->peak;
    t->inside += inside;
    for (int i = 0; i < j->levels; i++) {
        const int found = s->p <= j->level[i];

        t->found[i] += found;
        t->there[i] += found && inside;
    }
}

static void explain(const job *j, const rj_image *image, const square *q, tally *t,
                    const char *png)
{
    rij_image pixels = {image->w, image->h, 3 * (size_t)image->w, image->rgb};
    rj_image sent = {0};
    rij_explain_options o = RIJ_EXPLAIN_OPTIONS_INIT;
    rij_evidence *e = NULL;
    rij_evidence_summary s;

    if (j->jpeg) {
        bench_check(rj_degrade_jpeg(image, j->jpeg, &sent), "encoding");
        pixels.rgb = sent.rgb;
    }
    o.level = j->level[0];
    bench_check(rij_explain(j->m, &pixels, &o, &e), "explaining");
    bench_check(rij_evidence_sum_up(e, &s), "explaining");
    count_levels(j, &s,
                 q && s.peak_x >= q->x && s.peak_x < q->x + q->side && s.peak_y >= q->y &&
                     s.peak_y < q->y + q->side,
                 t);
    if (png)
        bench_check(rij_evidence_write_png(e, png), "showing");
    rij_evidence_free(e);
    rj_image_free(&sent);
}

/* ---- forged in part ---------------------------------------------------------------- */

static void read_one(const job *j, const char *folder, int i, rj_image *image)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/%s/%05d.png", j->forged, folder, i);
    bench_check(rj_image_read(path, &rj_default_limits, image), "reading");
}

static square draw(rj_random *r, const rj_image *parent)
{
    square q;

    q.side = LEAST + rj_random_below(r, MOST - LEAST + 1);
    q.x = rj_random_below(r, parent->w - q.side + 1);
    q.y = rj_random_below(r, parent->h - q.side + 1);
    return q;
}

/* The child's share grows over the seam from the square's edge inwards. */
static void splice(const rj_image *child, const square *q, rj_image *parent)
{
    for (int y = 0; y < q->side; y++)
        for (int x = 0; x < q->side; x++) {
            const int beside =
                RJ_MIN(RJ_MIN(x, q->side - 1 - x), RJ_MIN(y, q->side - 1 - y));
            const float share = (float)RJ_MIN(beside + 1, SEAM) / SEAM;
            const size_t at =
                3 * ((size_t)(q->y + y) * (size_t)parent->w + (size_t)(q->x + x));

            for (size_t k = at; k < at + 3; k++)
                parent->rgb[k] =
                    rj_rounded(share * child->rgb[k] + (1 - share) * parent->rgb[k]);
        }
}

static void one_case(const job *j, int family, int i, tally *spliced, tally *parents)
{
    rj_random r = rj_random_start(j->seed, RJ_STREAM_TEST, (uint64_t)(family * 1000 + i));
    const int number = rj_random_below(&r, j->parents);
    char folder[64], png[PATH_MAX];
    rj_image parent = {0}, child = {0};
    square q;

    snprintf(folder, sizeof folder, "fake/%s", j->family[family]);
    read_one(j, "real", number, &parent);
    read_one(j, folder, number, &child);
    q = draw(&r, &parent);
    explain(j, &parent, &q, parents, NULL);
    splice(&child, &q, &parent);
    if (j->show && i == 0)
        snprintf(png, sizeof png, "%s/%s.png", j->show, j->family[family]);
    explain(j, &parent, &q, spliced, j->show && i == 0 ? png : NULL);
    rj_image_free(&parent);
    rj_image_free(&child);
}

static void say(const job *j, const char *name, const tally *t)
{
    printf("| %s | %d | %d ", name, t->n, t->inside);
    for (int i = 0; i < j->levels; i++)
        printf("| %d | %d ", t->found[i], t->there[i]);
    puts("|");
    fflush(stdout);
}

static void add(tally *to, const tally *t)
{
    to->n += t->n;
    to->inside += t->inside;
    for (int i = 0; i < LEVELS; i++) {
        to->found[i] += t->found[i];
        to->there[i] += t->there[i];
    }
}

static void spliced(const job *j)
{
    tally all = {0}, parents = {0};

    printf("| family | cases | peak inside ");
    for (int i = 0; i < j->levels; i++)
        printf("| found at %g | found inside ", j->level[i]);
    printf("|\n|---|---|---");
    for (int i = 0; i < 2 * j->levels; i++)
        printf("|---");
    puts("|");
    for (int f = 0; f < j->families; f++) {
        tally t = {0};

        for (int i = 0; i < j->cases; i++)
            one_case(j, f, i, &t, &parents);
        say(j, j->family[f], &t);
        add(&all, &t);
    }
    say(j, "all", &all);
    say(j, "their parents", &parents);
}

/* ---- untouched --------------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The middle of an image where a side is given. */
static void cut(rj_image *image, int side)
{
    const int w = RJ_MIN(image->w, side), h = RJ_MIN(image->h, side);
    rj_image middle = {0};

    if (side == 0)
        return;
    bench_check(
        rj_image_crop(image, (image->w - w) / 2, (image->h - h) / 2, w, h, &middle),
        "cutting");
    rj_image_free(image);
    *image = middle;
}

static void untouched(const job *j, const char *folder, int side)
{
    rj_list list = {0};
    tally t = {0};

    bench_check(rj_folder_list(folder, &list), "untouched");
    for (int i = 0; i < RJ_MIN(list.n, MANY); i++) {
        rj_image image = {0};

        if (rj_image_read(list.path[i], &rj_default_limits, &image) != RIJ_OK)
            continue;
        cut(&image, side);
        explain(j, &image, NULL, &t, NULL);
        rj_image_free(&image);
    }
    rj_list_free(&list);
    qsort(t.peak, (size_t)t.n, sizeof *t.peak, ascending);
    printf("untouched %s", folder);
    if (side)
        printf(", middle of %d", side);
    printf(": %d; peak %.3f, ninth decile %.3f;", t.n, t.peak[t.n / 2],
           t.peak[t.n * 9 / 10]);
    for (int i = 0; i < j->levels; i++)
        printf(" null at %g: %d (%.3f)", j->level[i], t.n - t.found[i],
               t.n ? 1 - (double)t.found[i] / t.n : 0);
    putchar('\n');
    fflush(stdout);
}

/* ---- command line ------------------------------------------------------------------ */

static int pieces(char *list, char *out[NAMES])
{
    int n = 0;

    for (char *p = strtok(list, ","); p && n < NAMES; p = strtok(NULL, ","))
        out[n++] = p;
    return n;
}

static void open_model(job *j)
{
    const rij_open_options o = {sizeof o, "cpu", j->threads};

    bench_check(rij_model_open(j->model, &o, &j->m), "opening");
    if (j->calibrate)
        bench_check(rij_calibrate(j->m, j->calibrate, NULL), "calibrating");
    if (j->show)
        bench_check(rj_folder_make(j->show), "showing");
}

static void count_parents(job *j)
{
    char path[PATH_MAX];
    rj_list list = {0};

    snprintf(path, sizeof path, "%s/real", j->forged);
    bench_check(rj_folder_list(path, &list), "parents");
    j->parents = list.n;
    rj_list_free(&list);
    untouched(j, path, 0);
}

static int usage(void)
{
    fputs("bench_evidence --model FILE --forged DIR [--families LIST] [--cases N]\n"
          "    [--seed N] [--calibrate DATA] [--untouched DIR,..] [--levels LIST]\n"
          "    [--threads N] [--show DIR] [--sides LIST] [--jpeg Q]\n",
          stderr);
    return BENCH_USAGE;
}

static int read_options(int argc, char **argv, job *j)
{
    static const struct option known[] = {{"model", required_argument, NULL, 'm'},
                                          {"forged", required_argument, NULL, 'f'},
                                          {"families", required_argument, NULL, 'n'},
                                          {"cases", required_argument, NULL, 'c'},
                                          {"seed", required_argument, NULL, 's'},
                                          {"calibrate", required_argument, NULL, 'k'},
                                          {"untouched", required_argument, NULL, 'u'},
                                          {"levels", required_argument, NULL, 'l'},
                                          {"threads", required_argument, NULL, 't'},
                                          {"show", required_argument, NULL, 'w'},
                                          {"sides", required_argument, NULL, 'b'},
                                          {"jpeg", required_argument, NULL, 'j'},
                                          {0}};
    char *level[NAMES];
    int letter;

    while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1)
        switch (letter) {
        case 'm':
            j->model = optarg;
            break;
        case 'f':
            j->forged = optarg;
            break;
        case 'n':
            j->families = pieces(optarg, j->family);
            break;
        case 'c':
            j->cases = atoi(optarg);
            break;
        case 's':
            j->seed = strtoull(optarg, NULL, 10);
            break;
        case 'k':
            j->calibrate = optarg;
            break;
        case 'u':
            j->folders = pieces(optarg, j->untouched);
            break;
        case 'l':
            j->levels = RJ_MIN(pieces(optarg, level), LEVELS);
            for (int i = 0; i < j->levels; i++)
                j->level[i] = atof(level[i]);
            break;
        case 't':
            j->threads = atoi(optarg);
            break;
        case 'w':
            j->show = optarg;
            break;
        case 'j':
            j->jpeg = atoi(optarg);
            break;
        case 'b':
            j->sides = pieces(optarg, j->side);
            break;
        default:
            return usage();
        }
    return j->model && (j->forged || j->folders) && optind == argc ? 0 : usage();
}

int main(int argc, char **argv)
{
    job j = {.cases = 8, .seed = 1, .level = {0.05, 0.1, 0.2}, .levels = 3};

    if (read_options(argc, argv, &j) != 0)
        return BENCH_USAGE;
    open_model(&j);
    if (j.forged)
        count_parents(&j);
    for (int i = 0; i < j.folders; i++) {
        untouched(&j, j.untouched[i], 0);
        for (int k = 0; k < j.sides; k++)
            untouched(&j, j.untouched[i], atoi(j.side[k]));
    }
    if (j.families)
        spliced(&j);
    rij_model_free(j.m);
    return 0;
}
