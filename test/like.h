/* like.h: cases on a device against the reference, both given numbers that the device's
 * precision can hold; see like.c. */
#ifndef RJ_LIKE_H
#define RJ_LIKE_H

#include "cases.h"

double rounded(double x); /* to bfloat16 */
/* run_open_way() with numbers that need no rounding. */
void open_rounded(run *r, const one *c, const way *w);
/* Output and gradients of a case, and lanes past the channels. */
void check_like(const one *c, const way *w, const char *label);

#endif
