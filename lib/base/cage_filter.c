/* cage_filter.c: which system calls a caged worker may make: to compute, to take and give
 * back memory, to start threads of its own process (libheif decodes on one), to write to
 * the one descriptor it is left with, and to end. Some calls that no decoder makes
 * (programs, sockets, debugging) end it by SIGSYS; all others, so those that open files
 * or make processes, answer EPERM, since C libraries try calls that they can do without.
 * No signal can be sent, not even to itself: a filter cannot tell whose number it is, so
 * abort() ends by its last resort, a bad instruction (signal 11). No memory becomes
 * executable. A build with sanitizers has no filter: they read /proc and map as they
 * like. */
#include "base/cage.h"

#if defined(RJ_HAS_libseccomp) && !defined(RJ_SANITIZED)
#    include <errno.h>
#    include <sched.h>
#    include <seccomp.h>
#    include <string.h>
#    include <sys/mman.h>
#    include <unistd.h>

static const int allowed[] = {
    SCMP_SYS(close),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(brk),
    SCMP_SYS(futex),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),
    SCMP_SYS(sched_yield),
    SCMP_SYS(gettid),
    SCMP_SYS(getpid),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(rseq),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(getppid),
};

static const int deadly[] = {
    SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(fork),   SCMP_SYS(vfork),
    SCMP_SYS(ptrace), SCMP_SYS(socket),   SCMP_SYS(kill),   SCMP_SYS(connect),
    SCMP_SYS(bpf),    SCMP_SYS(unlink),   SCMP_SYS(rename), SCMP_SYS(process_vm_writev),
};

static int add_rules(scmp_filter_ctx rules)
{
    int failed = 0;

    for (int i = 0; i < RJ_COUNT(allowed); i++)
        failed |= seccomp_rule_add(rules, SCMP_ACT_ALLOW, allowed[i], 0);
    for (int i = 0; i < RJ_COUNT(deadly); i++)
        failed |= seccomp_rule_add(rules, SCMP_ACT_KILL_PROCESS, deadly[i], 0);
    failed |= seccomp_rule_add(rules, SCMP_ACT_ALLOW, SCMP_SYS(write), 1,
                               SCMP_A0(SCMP_CMP_EQ, CAGE_ANSWER_FD));
    failed |= seccomp_rule_add(rules, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
                               SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    failed |= seccomp_rule_add(rules, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
                               SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    // glibc falls back on clone, whose flags a filter can see
    failed |= seccomp_rule_add(rules, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    failed |= seccomp_rule_add(
        rules, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
        SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD | CLONE_VM, CLONE_THREAD | CLONE_VM));
    return failed;
}

rij_status rj_cage_filter(cage_filter *filter)
{
    const scmp_filter_ctx rules = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    const int file = memfd_create("filter", MFD_CLOEXEC);
    rij_status status = RIJ_E_DEVICE;
    ssize_t n;

    *filter = (cage_filter){0};
    if (rules && file >= 0 && add_rules(rules) == 0 &&
        seccomp_export_bpf(rules, file) == 0 &&
        (n = pread(file, filter->code, sizeof filter->code, 0)) > 0 &&
        n < (ssize_t)sizeof filter->code) {
        filter->n = (uint16_t)(n / 8);
        status = RIJ_OK;
    }
    if (file >= 0)
        close(file);
    if (rules)
        seccomp_release(rules);
    return status == RIJ_OK ? RIJ_OK
                            : rj_fail(status, "isolate: libseccomp makes no filter");
}

#else

rij_status rj_cage_filter(cage_filter *filter)
{
    *filter = (cage_filter){0};
    return RIJ_OK;
}

#endif
