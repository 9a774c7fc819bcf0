/* cage.h: what the three files of the cage share, and their test. Nobody else includes
 * it. */
#ifndef RJ_CAGE_H
#define RJ_CAGE_H

#include "base/base.h"
#include <sys/types.h>

enum { CAGE_NOTE = 200, CAGE_FDS = 4 };
enum { CAGE_ANSWER_FD = 3 }; /* where a worker answers: the filter lets it write there */

/* What asks for one piece of work; descriptors travel with it: the input, the output,
 * where the worker's answer goes, and where that goes which only our own code says. */
typedef struct cage_request {
    uint64_t in_bytes;
} cage_request;

/* What comes back: CAGE_ANSWERED from the worker, everything else from who watches over
 * it, or from the worker before it looked at the input. */
enum cage_end {
    CAGE_ANSWERED,
    CAGE_DIED,
    CAGE_OVERDUE,
    CAGE_FAILED,
    CAGE_GONE,
    CAGE_NONSENSE
};
typedef struct cage_answer {
    int32_t end;    /* enum cage_end */
    int32_t status; /* of the work; the signal or errno of another end */
    int32_t number[2];
    uint64_t used; /* bytes of output */
    char note[CAGE_NOTE];
} cage_answer;

/* A program for the kernel's filter of system calls: struct sock_filter, 8 bytes each.
 * None (n = 0) where the build has no libseccomp. */
enum { CAGE_FILTER = 4096 };
typedef struct cage_filter {
    uint16_t n;
    unsigned char code[CAGE_FILTER];
} cage_filter;
rij_status rj_cage_filter(cage_filter *filter);

typedef struct cage_plan {
    rj_caged work;
    rj_cage_limits limits;
    cage_filter filter;
} cage_plan;

/* In the child: send the process's number, then serve requests from `control` until it is
 * closed; never comes back. */
void rj_cage_serve(const cage_plan *plan, int control) __attribute__((noreturn));

#endif
