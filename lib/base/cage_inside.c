/* cage_inside.c: the cage from inside. A process that was forked when the cage was made
 * waits for requests; it has one thread and touches no input, so it can fork safely for
 * as long as it lives. Each request gets a worker, a fork of its own: what one input does
 * to its worker meets no other input. The worker maps input and output, gives up all
 * other descriptors but the answer's, accepts its limits and the filter, works, answers,
 * ends. Whoever dies, or takes too long, is reported by the process that waits, on a
 * socket that the worker has no more when it looks at its input.
 *
 * The first fork may come from a process with many threads. Until it is alone here it
 * only makes system calls. A worker then calls decoders, whose locks another thread of
 * the first process might have held when that was forked: it would wait for ever, which
 * the limit on time ends. */
#include "base/cage.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { IN, OUT, ANSWER, REPORT };
enum { REPORT_FD = CAGE_ANSWER_FD + 1 }; /* of a worker */
enum { CONTROL_FD = 3, CHILDREN_FD = 4, FIRST_FREE_FD = 5 };
enum { MOST_WORKERS = 300 }; /* at once; more requests wait in the socket */

typedef struct worker {
    pid_t pid;
    int report;
    double begun_s;
} worker;

typedef struct server {
    const cage_plan *plan;
    size_t bytes; // of address space that it had itself
    worker worker[MOST_WORKERS];
    int workers, most; // as many as there are descriptors for
} server;

/* ---- the worker ------------------------------------------------------------------- */

static void say(int fd, const cage_answer *a)
{
    ssize_t put;

    do
        put = write(fd, a, sizeof *a);
    while (put < 0 && errno == EINTR);
}

/* `what` is not to be had, for the reason in errno. */
static void say_failed(int fd, const char *what)
{
    cage_answer a = {.end = CAGE_FAILED, .status = errno};

    snprintf(a.note, sizeof a.note, "%s", what);
    say(fd, &a);
}

static void close_from(int first)
{
    if (syscall(SYS_close_range, first, ~0U, 0) != 0) // before Linux 5.9
        for (int i = first, n = (int)sysconf(_SC_OPEN_MAX); i < n; i++)
            close(i);
}

static bool limit(unsigned what, rlim_t most)
{
    struct rlimit l;

    if (getrlimit(what, &l) != 0)
        return false;
    // a stricter one of the caller's stays; of time the first tells (SIGXCPU), the second
    // kills
    l.rlim_cur = RJ_MIN(most, l.rlim_max);
    l.rlim_max = RJ_MIN(most + (what == RLIMIT_CPU), l.rlim_max);
    return setrlimit(what, &l) == 0;
}

/* Everything is given up at once; only what is mapped and one descriptor stay. */
static bool shut(const server *s)
{
    const cage_plan *p = s->plan;
    const struct sock_fprog program = {p->filter.n, (void *)(uintptr_t)p->filter.code};

#ifdef RJ_SANITIZED
    const rlim_t most = RLIM_INFINITY; // the shadow is larger than any limit
#else
    const rlim_t most = s->bytes + p->limits.memory;
#endif

    return limit(RLIMIT_AS, most) && limit(RLIMIT_CPU, (rlim_t)p->limits.cpu_s) &&
           limit(RLIMIT_FSIZE, 0) && limit(RLIMIT_CORE, 0) && limit(RLIMIT_NOFILE, 0) &&
           prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           (!program.len ||
            prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0);
}

static void work(const server *s, const cage_request *r, const int fd[CAGE_FDS])
{
    const cage_plan *p = s->plan;
    cage_answer a = {.end = CAGE_ANSWERED};
    const uint8_t *in = (const uint8_t *)"";
    uint8_t *out;
    size_t used = 0;
    int number[2] = {0};

    if (r->in_bytes > 0)
        in = mmap(NULL, r->in_bytes, PROT_READ, MAP_PRIVATE, fd[IN], 0);
    out = mmap(NULL, p->limits.out, PROT_READ | PROT_WRITE, MAP_SHARED, fd[OUT], 0);
    // the numbers that came are all above these two
    if (in == MAP_FAILED || out == MAP_FAILED || dup2(fd[ANSWER], CAGE_ANSWER_FD) < 0 ||
        dup2(fd[REPORT], REPORT_FD) < 0) {
        say_failed(fd[REPORT], "memory for the input");
        _exit(1);
    }
    close_from(REPORT_FD + 1);
    if (!shut(s)) {
        say_failed(REPORT_FD,
                   p->filter.n ? "limits, or filter of system calls" : "limits");
        _exit(1);
    }
    close(REPORT_FD);
    a.status = (int32_t)p->work(in, r->in_bytes, out, p->limits.out, &used, number);
    a.used = used;
    memcpy(a.number, number, sizeof number);
    if (a.status != RIJ_OK)
        snprintf(a.note, sizeof a.note, "%s", rij_last_error());
    say(CAGE_ANSWER_FD, &a);
    _exit(0);
}

/* ---- who waits -------------------------------------------------------------------- */

/* The address space that a process has, in bytes. */
static size_t own_bytes(void)
{
    char text[64] = {0};
    const int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    const ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

    if (fd >= 0)
        close(fd);
    return n <= 0 ? 0 : (size_t)strtoull(text, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE);
}

/* A request and its descriptors. 1: it is there; 0: none will come; -1: not a whole one.
 */
static int receive(cage_request *r, int fd[CAGE_FDS])
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int) * CAGE_FDS)];
    } control = {0};
    struct iovec part = {r, sizeof *r};
    struct msghdr m = {.msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = control.room,
                       .msg_controllen = sizeof control.room};
    const ssize_t n = recvmsg(CONTROL_FD, &m, MSG_CMSG_CLOEXEC);
    const struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;

    if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
        return 0;
    if (n != sizeof *r || !c || c->cmsg_len != CMSG_LEN(sizeof(int) * CAGE_FDS)) {
        for (size_t i = 0; c && CMSG_LEN(sizeof(int) * (i + 1)) <= c->cmsg_len; i++) {
            memcpy(fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
            close(fd[0]);
        }
        return -1;
    }
    memcpy(fd, CMSG_DATA(c), sizeof(int) * CAGE_FDS);
    return 1;
}

static void begin(server *s, const cage_request *r, const int fd[CAGE_FDS])
{
    const pid_t pid = fork();

    if (pid == 0)
        work(s, r, fd);
    if (pid < 0)
        say_failed(fd[REPORT], "process");
    else
        s->worker[s->workers++] = (worker){pid, fd[REPORT], rj_now_s()};
    for (int i = 0; i < (pid < 0 ? CAGE_FDS : REPORT); i++)
        close(fd[i]);
}

/* A worker has ended: say so. Its own answer, if there was one, was sent before. */
static void ended(server *s, pid_t pid, int how)
{
    for (int i = 0; i < s->workers; i++)
        if (s->worker[i].pid == pid) {
            const bool late = s->worker[i].begun_s < 0;
            const cage_answer a = {.end = late ? CAGE_OVERDUE : CAGE_DIED,
                                   .status = WIFSIGNALED(how) ? WTERMSIG(how) : 0};

            say(s->worker[i].report, &a);
            close(s->worker[i].report);
            s->worker[i] = s->worker[--s->workers];
            return;
        }
}

static void reap(server *s)
{
    struct signalfd_siginfo info;
    pid_t pid;
    int how;

    (void)!read(CHILDREN_FD, &info, sizeof info);
    while ((pid = waitpid(-1, &how, WNOHANG)) > 0)
        ended(s, pid, how);
}

static void end_late(server *s)
{
    for (int i = 0; i < s->workers; i++)
        if (s->worker[i].begun_s >= 0 &&
            rj_now_s() - s->worker[i].begun_s > s->plan->limits.wall_s) {
            s->worker[i].begun_s = -1;
            kill(s->worker[i].pid, SIGKILL);
        }
}

/* Alone: a session and folder of its own, no signal of the caller's (all are blocked
 * since before the fork), nothing open but `control`. */
static void settle(int control)
{
    // out of the way of the numbers below, some of which the caller may have closed
    const int kept = fcntl(control, F_DUPFD_CLOEXEC, FIRST_FREE_FD);
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    sigset_t children;

    if (nothing < 0) // a root without devices
        nothing = memfd_create("nothing", MFD_CLOEXEC);
    setsid();
    if (kept < 0 || nothing < 0 || chdir("/") != 0)
        _exit(1);
    for (int i = 1; i < NSIG; i++)
        if (signal(i, SIG_IGN) != SIG_ERR &&
            i != SIGPIPE) // which forgets those that came
            signal(i, SIG_DFL);
    for (int i = 0; i < 3; i++)
        dup2(nothing, i);
    dup2(kept, CONTROL_FD);
    close_from(CHILDREN_FD);
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    if (signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK) != CHILDREN_FD)
        _exit(1);
    sigprocmask(SIG_SETMASK, &children, NULL);
}

/* A worker keeps one of our descriptors; a request comes with four, and two are ours. */
static int most_workers(void)
{
    struct rlimit files;
    const int others = FIRST_FREE_FD + CAGE_FDS + 2;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0 ||
        files.rlim_cur > (rlim_t)(MOST_WORKERS + others))
        return MOST_WORKERS;
    return RJ_MAX((int)files.rlim_cur - others, 1);
}

void rj_cage_serve(const cage_plan *plan, int control)
{
    const int32_t number = getpid();
    server s = {.plan = plan, .most = most_workers()};
    struct pollfd wait[2] = {{CONTROL_FD, POLLIN, 0}, {CHILDREN_FD, POLLIN, 0}};
    cage_request request = {0};
    int fd[CAGE_FDS], got = -1;

    settle(control);
    s.bytes = own_bytes();
    if (write(CONTROL_FD, &number, sizeof number) != sizeof number)
        _exit(1);
    while (got != 0) {
        wait[0].events = s.workers < s.most ? POLLIN : 0; // its end is told even then
        if (poll(wait, 2, s.workers ? 200 : -1) < 0) {
            if (errno != EINTR)
                break;
            continue;
        }
        if (wait[1].revents)
            reap(&s);
        end_late(&s);
        if (wait[0].revents)
            got = s.workers < s.most ? receive(&request, fd) : 0;
        else
            got = -1;
        if (got == 1)
            begin(&s, &request, fd);
    }
    for (int i = 0; i < s.workers; i++)
        kill(s.worker[i].pid, SIGKILL);
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        ; // or they would be the caller's, if it adopts orphans
    _exit(0);
}
