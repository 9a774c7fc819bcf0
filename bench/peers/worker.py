"""The other side of bench_serve() in bench.c: answer a driver's lines on standard input,
"run K" with the seconds of K runs after one that is not timed, "memory" with this
process's peak in bytes."""

import resource
import sys
import time


def serve(run, parameters):
    """Run twice to warm up, say so with the number of parameters, then answer."""
    run()
    run()
    print("ready", parameters, flush=True)
    for line in sys.stdin:
        word = line.split()
        if word[0] == "run":
            seconds = []
            run()  # the caches hold what others left there
            for _ in range(int(word[1])):
                start = time.perf_counter()
                run()
                seconds.append(time.perf_counter() - start)
            print(*("%.6f" % s for s in seconds), flush=True)
        else:
            print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, flush=True)
