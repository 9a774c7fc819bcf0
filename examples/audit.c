/* audit.c: what could teach a detector the label of an image without a look at it.
 *
 *     audit --manifest data.tsv [--split NAME]
 *
 * Prints how well each fact of the files tells the label by itself, then files that show
 * the same in two groups or splits. Exit status 1: it could not be done; 3: a shortcut,
 * or the same picture in two splits, was found. */
#include "findings.h"
#include "show.h"
#include <getopt.h>
#include <stdlib.h>

static int usage(FILE *out, int status)
{
    fputs("audit --manifest FILE | --data DIR  [--split NAME] [--threads N] [--quiet]\n"
          "Exit status 3: a shortcut or a leak between splits was found.\n",
          out);
    return status;
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
