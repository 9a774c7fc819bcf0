/* schedule.c: the learning rate of a step.
 *
 *     W = ceil(warmup steps)
 *     rate(t) = rate (t + 1) / W                                  t < W
 *             = rate / 2 (1 + cos(pi (t - W) / (steps - W)))      W <= t < steps
 *             = 0                                                 t >= steps
 *
 * Half a cosine: Loshchilov and Hutter 2017, without restarts. The last step (steps - 1)
 * still has a small rate; the zero is reached just behind it. */
#include "net/net.h"
#include <math.h>

double rj_schedule(double rate, double warmup, int64_t step, int64_t steps)
{
    const double pi = 3.14159265358979323846, t = (double)step, all = (double)steps;
    const double w = ceil(fmin(fmax(warmup, 0), 1) * all);

    if (step >= steps)
        return 0;
    if (t < w)
        return rate * (t + 1) / w;
    return rate / 2 * (1 + cos(pi * (t - w) / (all - w)));
}
