/* findings.h: what an audit found, as tables for people. */
#ifndef EXAMPLES_FINDINGS_H
#define EXAMPLES_FINDINGS_H

#include <realjudge.h>
#include <stdio.h>

enum { PAIRS_SHOWN = 20 };

/* Returns how many shortcuts there are. */
static inline int show_facts(const rij_audit_report *report)
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
static inline int show_pairs(const rij_audit_report *report)
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
    for (int i = 0;
         i < n && i < PAIRS_SHOWN && rij_audit_pair_at(report, i, &p) == RIJ_OK; i++)
        printf("%5.2f %s %s  %s  %s\n", p.distance, p.across_splits ? "splits" : "groups",
               p.across_labels ? "labels" : "      ", p.path[0], p.path[1]);
    if (n > PAIRS_SHOWN)
        printf("and %d more\n", n - PAIRS_SHOWN);
    return across;
}

#endif
