/* audit.c: what could teach a detector the label of an image without a look at it.
 *
 *     audit --manifest data.tsv [--split NAME]
 *
 * Prints how well each fact of the files tells the label by itself, then files that show
 * the same in two groups or splits. Exit status 1: it could not be done; 3: a shortcut,
 * or the same picture in two splits, was found. */
#include "show.h"
#include <getopt.h>
#include <stdlib.h>

enum { SHOWN = 20 };

static int usage(FILE *out, int status)
{
    fputs("audit --manifest FILE | --data DIR  [--split NAME] [--threads N] [--quiet]\n"
          "Exit status 3: a shortcut or a leak between splits was found.\n",
          out);
    return status;
}

/* Returns how many shortcuts there are. */
static int show_facts(const rij_audit_report *report)
{
    int shortcuts = 0;

    printf("%-16s %6s %6s %7s\n", "fact", "bacc", "from", "values");
    for (int i = 0; i < rij_audit_facts(report); i++) {
        rij_audit_fact f;

        if (rij_audit_fact_at(report, i, &f) != RIJ_OK)
            break;
        printf("%-16s %6.3f %6.3f %7d%s\n", f.name, f.bacc, f.bacc_low, f.values,
               f.shortcut ? "  SHORTCUT: it tells the label without the pixels" : "");
        shortcuts += f.shortcut;
    }
    return shortcuts;
}

/* Returns how many pairs lie in two splits. */
static int show_pairs(const rij_audit_report *report)
{
    const int n = rij_audit_pairs(report);
    int across = 0, labels = 0;
    rij_audit_pair p;

    for (int i = 0; i < n && rij_audit_pair_at(report, i, &p) == RIJ_OK; i++) {
        across += p.across_splits;
        labels += p.across_labels;
    }
    printf("\n%d pairs show the same in two groups: %d across splits, %d across labels\n",
           n, across, labels);
    for (int i = 0; i < n && i < SHOWN && rij_audit_pair_at(report, i, &p) == RIJ_OK; i++)
        printf("%5.2f %s %s  %s  %s\n", p.distance, p.across_splits ? "splits" : "groups",
               p.across_labels ? "labels" : "      ", p.path[0], p.path[1]);
    if (n > SHOWN)
        printf("and %d more\n", n - SHOWN);
    return across;
}

int main(int argc, char **argv)
{
    static const struct option known[] = {{"manifest", required_argument, NULL, 'd'},
                                          {"data", required_argument, NULL, 'd'},
                                          {"split", required_argument, NULL, 's'},
                                          {"threads", required_argument, NULL, 't'},
                                          {"quiet", no_argument, NULL, 'q'},
                                          {"help", no_argument, NULL, 'h'},
                                          {0}};
    bar b = BAR_INIT;
    rij_audit_options o = RIJ_AUDIT_OPTIONS_INIT;
    rij_audit_report *report = NULL;
    const char *data = NULL;
    int letter, quiet = 0, found;

    while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (letter == 'h')
            return usage(stdout, 0);
        else if (letter == 'd')
            data = optarg;
        else if (letter == 's')
            o.split = optarg;
        else if (letter == 't')
            o.threads = atoi(optarg);
        else if (letter == 'q')
            quiet = 1;
        else
            return usage(stderr, 2);
    }
    if (!data || optind != argc)
        return usage(stderr, 2);
    o.progress = quiet ? NULL : show_progress;
    o.user = &b;
    if (rij_audit(data, &o, &report) != RIJ_OK) {
        bar_end(&b);
        fprintf(stderr, "audit: %s\n", rij_last_error());
        return 1;
    }
    bar_end(&b);
    found = show_facts(report);
    found += show_pairs(report);
    rij_audit_report_free(report);
    return found ? 3 : 0;
}
