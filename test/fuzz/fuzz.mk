# Fuzz targets: docs/testing.md. The targets, each a file fuzz_NAME.c, are also part of the
# test program, which replays their corpora.
#
#   make fuzz                    every target for SECONDS=60 each, one after the other
#   make fuzz FUZZ=png SECONDS=3600
#   make fuzz-corpus             makes the first inputs anew

FUZZ    ?= $(patsubst test/fuzz/fuzz_%.c,%,$(sort $(wildcard test/fuzz/fuzz_*.c)))
SECONDS ?= 60
FUZZOBJ := $(patsubst %.c,$(B)/%.o,$(sort $(wildcard test/fuzz/fuzz_*.c)))
$(FUZZOBJ): EXTRA_CFLAGS = -Itest/fuzz
-include $(FUZZOBJ:.o=.d)

$(B)/test/fuzz/make_corpus.o: EXTRA_CFLAGS = -Itest/fuzz
$(B)/test/fuzz/make_corpus: $(B)/test/fuzz/make_corpus.o $(A)
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $^ $(LDFLAGS) $(LIBS)
.PHONY: fuzz fuzz-corpus run-fuzz
fuzz-corpus: $(B)/test/fuzz/make_corpus ## make the fuzzers' first inputs anew
	$<
# A build of its own, by clang; what stops the fuzzer lies in build/fuzz/NAME.
fuzz: ## run the fuzz targets: FUZZ=name, SECONDS=60
	@$(MAKE) --no-print-directory CC=clang SAN=fuzzer-no-link,address,undefined run-fuzz
run-fuzz: $(FUZZ:%=$(B)/fuzz_%)
	@for name in $(FUZZ); do sh test/fuzz/run.sh $(B)/fuzz_$$name $$name $(SECONDS) || exit 1; done
$(B)/fuzz_%: test/fuzz/fuzz_%.c test/fuzz/fuzz.h $(A)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -DRJ_FUZZER -Itest/fuzz -fsanitize=fuzzer,address,undefined -o $@ $< $(A) $(LDFLAGS) $(LIBS)
# The fast kernels see no file; sanitized, they take clang longer than all the rest.
ifneq ($(findstring fuzzer,$(SAN)),)
$(filter $(B)/lib/cpu/%,$(OBJ)): EXTRA_CFLAGS += -fno-sanitize=all -fno-sanitize-coverage=edge,inline-8bit-counters,pc-table
endif
