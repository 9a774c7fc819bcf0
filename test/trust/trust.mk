# make test-trust: what must not be lost, leak or be let in, at length (docs/testing.md). A
# suite belongs here that proves a promise about killed processes, full disks, failing
# calls, memory over time, threads that share a model or hostile files; RJ_TRUST=1 asks
# for its long version. Those of hostile files are found by their names.
TRUST_SUITES := resume killed faults disk long_run memory_faults cage isolate fuzz api \
	$(patsubst test/test_%.c,%,$(sort $(wildcard test/test_hostile*.c)))

comma := ,
empty :=
space := $(empty) $(empty)
.PHONY: test-trust run-test-trust
test-trust: setup ## kills, full disks, failing calls, memory over time, hostile files
	@$(MAKE) --no-print-directory run-test-trust
run-test-trust: lib examples $(B)/test/test
	RJ_TRUST=1 $(B)/test/test -k $(subst $(space),$(comma),$(strip $(TRUST_SUITES)))
