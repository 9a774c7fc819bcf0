/* cage.c: work in processes of their own, the caller's side: what is done to bytes of a
 * stranger can then cost one answer, never the process. How it looks inside, and what a
 * worker may do, cage_inside.c and cage_filter.c tell. Input and output are files in
 * memory; the output cannot change its size, and is read, not mapped, so that a worker
 * that turned bad has nothing to pull away. */
#include "base/cage.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BY_DESCRIPTOR = 3 }; /* P_PIDFD, which C libraries before 2.36 do not name */
enum { GRACE_S = 5 }; /* behind the limit on time, until nobody is expected to answer */

struct rj_cage {
    cage_plan plan;
    pthread_mutex_t lock; /* of control */
    int control;          /* -1: the process is yet to be started */
    int process;          /* a descriptor of it; -1 before Linux 5.3 */
    pid_t owner;          /* who started it */
    long started;         /* how often it was */
};

/* Fork twice, so that the process is no child of the caller's, whose wait() must not meet
 * it. No handler of the caller's runs in either: signals are blocked until they are
 * settled. 0, or an errno. */
static int fork_away(const cage_plan *plan, const int pair[2])
{
    sigset_t all, before;
    int how = 0, no = 0;
    pid_t pid;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid = fork();
    if (pid == 0) {
        pid = fork();
        if (pid == 0)
            rj_cage_serve(plan, pair[1]);
        _exit(pid < 0 ? errno : 0);
    }
    if (pid < 0)
        no = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    while (pid > 0 && waitpid(pid, &how, 0) < 0 && errno == EINTR)
        ; // ECHILD: another thread met it
    return WIFEXITED(how) && WEXITSTATUS(how) ? WEXITSTATUS(how) : no;
}

/* Its number, which says too that it is settled; 0: there is none. */
static pid_t number_of(int control)
{
    struct pollfd wait = {control, POLLIN, 0};
    const double until_s = rj_now_s() + GRACE_S;
    int32_t number = 0;
    ssize_t n = -1;

    while (n < 0 && rj_now_s() < until_s)
        if (poll(&wait, 1, 100) > 0) {
            n = recv(control, &number, sizeof number, 0);
            if (n < 0 && errno != EINTR)
                break;
        }
    return n == sizeof number ? number : 0;
}

static rij_status start(rj_cage *c)
{
    int pair[2], no;
    pid_t number;

    RJ_REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0,
               RIJ_E_DEVICE, "isolate: no socket: %s", strerror(errno));
    no = fork_away(&c->plan, pair);
    close(pair[1]);
    number = no ? 0 : number_of(pair[0]);
    if (number <= 0) {
        close(pair[0]);
        return rj_fail(RIJ_E_DEVICE, "isolate: no process: %s",
                       no ? strerror(no) : "it ended before it was ready");
    }
    c->process = (int)syscall(SYS_pidfd_open, number, 0);
    c->control = pair[0];
    c->owner = getpid();
    c->started++;
    return RIJ_OK;
}

/* To a caller that adopts orphans (process 1 of a container) it has become a child: it is
 * waited for, by a descriptor, as its number may be another's by now. To all others there
 * is no such child, and it is not waited for. */
static void stop(rj_cage *c)
{
    siginfo_t how;

    if (c->control < 0)
        return;
    if (c->owner == getpid())            // not in a process that the caller forked
        shutdown(c->control, SHUT_RDWR); // whoever else may hold it
    close(c->control);
    c->control = -1;
    if (c->process < 0)
        return;
    while (waitid((idtype_t)BY_DESCRIPTOR, (id_t)c->process, &how, WEXITED) != 0 &&
           errno == EINTR)
        ;
    close(c->process);
}

rij_status rj_cage_new(rj_caged work, const rj_cage_limits *limits, rj_cage **cage)
{
    rj_cage *const c = rj_alloc(1, sizeof *c);
    rij_status status;

    RJ_REQUIRE(c, RIJ_E_MEMORY, "isolate: no memory");
    c->plan.work = work;
    c->plan.limits = *limits;
    c->control = c->process = -1;
    status = rj_cage_filter(&c->plan.filter);
    if (status == RIJ_OK)
        status = start(c);
    if (status != RIJ_OK) {
        rj_free(c);
        return status;
    }
    pthread_mutex_init(&c->lock, NULL);
    *cage = c;
    return RIJ_OK;
}

void rj_cage_free(rj_cage *c)
{
    if (!c)
        return;
    stop(c);
    pthread_mutex_destroy(&c->lock);
    rj_free(c);
}

static bool send_request(int control, const cage_request *r, const int fd[CAGE_FDS])
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int) * CAGE_FDS)];
    } extra = {0};
    struct iovec part = {(void *)(uintptr_t)r, sizeof *r};
    struct msghdr m = {.msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = extra.room,
                       .msg_controllen = sizeof extra.room};
    struct cmsghdr *const c = CMSG_FIRSTHDR(&m);
    ssize_t n;

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int) * CAGE_FDS);
    memcpy(CMSG_DATA(c), fd, sizeof(int) * CAGE_FDS);
    do
        n = sendmsg(control, &m, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof *r;
}

/* Send it to the process that waits; if it is gone, or is the one number `gone`, to a new
 * one. *number tells which. */
static rij_status ask(rj_cage *c, const cage_request *r, const int fd[CAGE_FDS],
                      long gone, long *number)
{
    rij_status status = RIJ_OK;

    pthread_mutex_lock(&c->lock);
    if (c->control < 0 || c->started == gone || !send_request(c->control, r, fd)) {
        stop(c);
        status = start(c);
        if (status == RIJ_OK && !send_request(c->control, r, fd))
            status = rj_fail(RIJ_E_DEVICE, "isolate: no process takes work: %s",
                             strerror(errno));
    }
    *number = c->started;
    pthread_mutex_unlock(&c->lock);
    return status;
}

/* What a worker said, if anything: whatever else it may be, it is an answer. */
static bool heard_worker(int fd, cage_answer *a)
{
    ssize_t n;

    do
        n = recv(fd, a, sizeof *a, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return false;
    a->end = n == (ssize_t)sizeof *a ? CAGE_ANSWERED : CAGE_NONSENSE;
    return true;
}

/* What our own code said. */
static void heard_watcher(int fd, cage_answer *a)
{
    ssize_t n;

    do
        n = recv(fd, a, sizeof *a, 0);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof *a)
        a->end = CAGE_GONE;
}

/* Take the worker's answer from fd[0], or else what became of it from fd[1]. Where all
 * who could tell are gone, or time is up, it says so. */
static void hear(const int fd[2], int wall_s, cage_answer *a)
{
    const double until_s = rj_now_s() + wall_s + GRACE_S;
    struct pollfd wait[2] = {{fd[0], POLLIN, 0}, {fd[1], POLLIN, 0}};

    for (;;) {
        const double left_s = until_s - rj_now_s();

        *a = (cage_answer){.end = CAGE_OVERDUE};
        if (left_s <= 0)
            return;
        if (poll(wait, 2, (int)(left_s * 1000) + 1) < 0) {
            if (errno == EINTR)
                continue;
            *a = (cage_answer){CAGE_FAILED, errno, {0}, 0, "answer"};
            return;
        }
        if (wait[0].revents && heard_worker(fd[0], a))
            return;
        if (wait[1].revents) {
            if (!heard_worker(fd[0], a)) // it was sent before
                heard_watcher(fd[1], a);
            return;
        }
        if (wait[0].revents)
            wait[0].fd = -1; // closed without a word
    }
}

/* A message of a stranger: one line of plain text. */
static void tame(char note[CAGE_NOTE])
{
    note[CAGE_NOTE - 1] = 0;
    for (char *p = note; *p; p++)
        if ((unsigned char)*p < ' ' || (unsigned char)*p > '~')
            *p = '?';
}

static rij_status judge(const rj_cage *c, cage_answer *a)
{
    tame(a->note);
    switch (a->end) {
    case CAGE_GONE:
        return rj_fail(RIJ_E_IMAGE, "the process that decodes is gone");
    case CAGE_DIED:
        RJ_REQUIRE(a->status != 0, RIJ_E_IMAGE, "the decoder ended without a word");
        RJ_REQUIRE(a->status != SIGXCPU, RIJ_E_IMAGE,
                   "the decoder was stopped after %d seconds of work",
                   c->plan.limits.cpu_s);
        RJ_REQUIRE(a->status != SIGSYS, RIJ_E_IMAGE,
                   "the decoder was stopped: it did what no decoder does (signal %d)",
                   a->status);
        return rj_fail(RIJ_E_IMAGE, "the decoder died of signal %d", a->status);
    case CAGE_OVERDUE:
        return rj_fail(RIJ_E_IMAGE, "the decoder was stopped after %d seconds",
                       c->plan.limits.wall_s);
    case CAGE_FAILED:
        return rj_fail(RIJ_E_DEVICE, "isolate: no %s: %s", a->note, strerror(a->status));
    case CAGE_ANSWERED:
        break;
    default:
        return rj_fail(RIJ_E_IMAGE, "the decoder answers nonsense");
    }
    RJ_REQUIRE(a->status != RIJ_E_MEMORY, RIJ_E_IMAGE,
               "the decoder needs more than %zu MiB of memory",
               c->plan.limits.memory >> 20);
    RJ_REQUIRE(a->used <= c->plan.limits.out &&
                   (a->status == RIJ_OK || a->status == RIJ_E_IMAGE),
               RIJ_E_IMAGE, "the decoder answers nonsense");
    return a->status == RIJ_OK ? RIJ_OK : rj_fail((rij_status)a->status, "%s", a->note);
}

/* `used` bytes of the output, in memory of their own. */
static rij_status collect(int fd, const cage_answer *a, rj_caged_result *result)
{
    uint8_t *const bytes = rj_alloc(RJ_MAX(a->used, 1), 1);
    size_t have = 0;

    RJ_REQUIRE(bytes, RIJ_E_MEMORY, "isolate: no memory for %zu bytes", (size_t)a->used);
    while (have < a->used) {
        const ssize_t n = pread(fd, bytes + have, a->used - have, (off_t)have);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            rj_free(bytes);
            return rj_fail(RIJ_E_IMAGE, "the decoder's output is not there");
        }
        have += (size_t)n;
    }
    *result = (rj_caged_result){bytes, a->used, {a->number[0], a->number[1]}};
    return RIJ_OK;
}

/* Above a limit of the caller's a file would end it (SIGXFSZ). */
static bool too_large(size_t size)
{
    struct rlimit most;

    if (getrlimit(RLIMIT_FSIZE, &most) != 0 || size <= most.rlim_cur)
        return false;
    errno = EFBIG;
    return true;
}

/* A file in memory of so many bytes, which nobody can make shorter or longer; -1. */
static int memory_file(const void *bytes, size_t n, size_t size)
{
    const int fd =
        too_large(size) ? -1 : memfd_create("isolate", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    size_t put = 0;

    while (fd >= 0 && put < n) {
        const ssize_t m = pwrite(fd, (const char *)bytes + put, n - put, (off_t)put);

        if (m < 0 && errno == EINTR)
            continue;
        if (m <= 0)
            break;
        put += (size_t)m;
    }
    if (fd >= 0 &&
        (put < n || (size > n && ftruncate(fd, (off_t)size) != 0) ||
         fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)) {
        close(fd);
        return -1;
    }
    return fd;
}

/* One request and its answer. *number: as in ask(). */
static rij_status talk(rj_cage *c, const int file[2], size_t n, long *number,
                       cage_answer *a)
{
    const cage_request request = {n};
    rij_status status;
    int worker[2], watcher[2];

    RJ_REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, worker) == 0,
               RIJ_E_DEVICE, "isolate: no socket: %s", strerror(errno));
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, watcher) != 0) {
        status = rj_fail(RIJ_E_DEVICE, "isolate: no socket: %s", strerror(errno));
        close(worker[0]);
        close(worker[1]);
        return status;
    }
    status =
        ask(c, &request, (const int[CAGE_FDS]){file[0], file[1], worker[1], watcher[1]},
            *number, number);
    close(worker[1]);
    close(watcher[1]);
    if (status == RIJ_OK)
        hear((const int[2]){worker[0], watcher[0]}, c->plan.limits.wall_s, a);
    close(worker[0]);
    close(watcher[0]);
    return status;
}

rij_status rj_cage_run(rj_cage *c, const uint8_t *in, size_t n, rj_caged_result *result)
{
    int file[2] = {memory_file(in, n, n), -1};
    cage_answer a = {.end = CAGE_GONE};
    rij_status status = RIJ_OK;
    long number = -1;

    if (file[0] >= 0)
        file[1] = memory_file(NULL, 0, c->plan.limits.out);
    if (file[1] < 0)
        status = rj_fail(RIJ_E_DEVICE, "isolate: no file in memory: %s", strerror(errno));
    for (int i = 0; i < 2 && status == RIJ_OK && a.end == CAGE_GONE; i++)
        status = talk(c, file, n, &number, &a); // once more, if who waits was ended
    if (status == RIJ_OK)
        status = judge(c, &a);
    if (status == RIJ_OK)
        status = collect(file[1], &a, result);
    for (int i = 0; i < 2; i++)
        if (file[i] >= 0)
            close(file[i]);
    return status;
}
