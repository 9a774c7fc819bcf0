# librealjudge. `make help` lists every target.
#
#   make                        both libraries, the examples
#   make demo                   the whole story on real photographs: PHOTOS=dir, your own;
#                               DEMO=short, two minutes of it
#   make test                   the tests; K=name runs one suite
#   make bench                  how fast it is here; QUICK=1: fewer cases
#   make bench-peers            the same work by other programs, and the ratios
#   make cuda cuda-judge        the GPU's plugin, and its machine code judged: docs/gpu.md
#   make SAN=address,undefined test   tests under sanitizers (or SAN=thread)
#   make REAL=double test       tests in double precision (the gradient checks)
#   make V=1                    print every command
#
# Objects live in build/<hash of compiler and flags>, so changing a flag never links old
# objects; build/now points at the latest.

VERSION := $(shell cat VERSION)
SOVERSION := $(firstword $(subst ., ,$(VERSION)))

CC      ?= cc
AR      ?= ar
ifeq ($(origin CXX),default)
CXX     := c++
endif
PKG     ?= pkg-config
PREFIX  ?= /usr/local
LIBDIR  ?= $(PREFIX)/lib
INCDIR  ?= $(PREFIX)/include
SAN     ?=
REAL    ?= float
# gcc takes six minutes over the library with address and undefined at -O2.
CFLAGS  ?= $(if $(findstring address,$(SAN)),-O1,-O2) -g
WERROR  ?=

DEPS    := libpng libturbojpeg jansson
# Used where they are there; WITHOUT="libwebp ..." builds as if they were not.
FOUND   := $(foreach p,$(filter-out $(WITHOUT),libwebp libavif libheif libseccomp),$(shell $(PKG) --exists $(p) 2>/dev/null && echo $(p)))
TESTDEPS := check
# Empty before `make setup` has run: then the compiler says which header is missing.
DEPS_CFLAGS := $(shell $(PKG) --cflags $(DEPS) $(FOUND) 2>/dev/null) $(FOUND:%=-DRJ_HAS_%)
DEPS_LIBS   := $(shell $(PKG) --libs $(DEPS) $(FOUND) 2>/dev/null)
TEST_CFLAGS  = $(shell $(PKG) --cflags $(TESTDEPS) 2>/dev/null)
TEST_LIBS    = $(shell $(PKG) --libs $(TESTDEPS) 2>/dev/null)

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wvla \
	-Wno-missing-field-initializers $(if $(WERROR),-Werror)
ALL_CFLAGS := -std=c11 -D_GNU_SOURCE $(WARN) -fvisibility=hidden -fPIC -ffp-contract=off \
	-DRJ_REAL=$(REAL) -Iinclude -Ilib $(DEPS_CFLAGS) $(CFLAGS)
# What makes a mistake in memory harder to use; HARDEN= does without. Sanitizers have
# better means, and the kernels see no file.
X86 := $(findstring x86_64,$(shell $(CC) -dumpmachine))
ifeq ($(SAN),)
HARDEN ?= -fstack-protector-strong -fstack-clash-protection -U_FORTIFY_SOURCE \
	-D_FORTIFY_SOURCE=2 $(if $(X86),-fcf-protection)
RELRO  ?= -Wl,-z,relro,-z,now
endif
ALL_CFLAGS += $(HARDEN)
LIBS := $(DEPS_LIBS) -lm -lpthread -ldl
ifneq ($(SAN),)
ALL_CFLAGS += -fsanitize=$(SAN) -DRJ_SANITIZED -fno-omit-frame-pointer $(if $(findstring undefined,$(SAN)),-fno-sanitize-recover=all)
endif

SRC := $(sort $(wildcard lib/*/*.c))
KEY := $(shell printf '%s' '$(CC) $(CXX) $(ALL_CFLAGS) $(LDFLAGS)' | cksum | cut -d' ' -f1)
B   := build/$(KEY)
OBJ := $(SRC:%.c=$(B)/%.o)
A   := $(B)/librealjudge.a
SO  := $(B)/librealjudge.so.$(VERSION)
EXAMPLES := $(patsubst %.c,$(B)/%,$(sort $(wildcard examples/*.c)))
FORMATTED = $(shell find lib include cuda examples test bench -name '*.[ch]' -o -name '*.cu' -o -name '*.cc')
TESTOBJ := $(patsubst %.c,$(B)/%.o,$(sort $(wildcard test/*.c)))
BENCHES := $(addprefix $(B)/bench/bench_,train predict kernel decode input forge evidence)
BENCHOBJ := $(addprefix $(B)/bench/,bench.o bench_net.o bench_peak.o bench_files.o)
KERNELOBJ := $(B)/bench/bench_stream.o

# Quiet unless V=1: what is made, not how.
Q = $(if $(V),,@)
say = $(if $(V),,@printf '  %-4s %s\n' '$(1)' '$(2)')

.PHONY: all lib examples test run-test check-house install uninstall clean help format setup \
	demo run-demo docs dist deps bench bench-peers run-bench-peers
all: lib examples ## library and examples
lib: $(A) $(SO) ## the static and the shared library
	@mkdir -p build && ln -sfn $(KEY) build/now
examples: lib $(EXAMPLES) ## the example programs

# What pkg-config said above was asked before `setup` installed anything, so the two that
# need setup do their work in a make of their own.
setup: ## install what is missing (apt-get), saying what and why
	@CC='$(CC)' CXX='$(CXX)' PKG='$(PKG)' .ci/setup
demo: setup ## photographs, forging, training, judging: PHOTOS=dir, DEMO=short
	@$(MAKE) --no-print-directory run-demo
test: setup ## run the tests; K=name runs one suite
	@$(MAKE) --no-print-directory run-test
	@$(if $(K)$(SAN)$(filter-out float,$(REAL)),,$(MAKE) --no-print-directory test-vendor \
	    test-libraries test-bench-cuda test-tool test-cuda-sim test-parcel)
deps:
	@$(PKG) --exists $(DEPS) || { echo 'Missing: one of $(DEPS). Try: make setup' >&2; exit 1; }

$(A): $(OBJ)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^
$(SO): $(OBJ)
	$(call say,LD,$@)
	$(Q)$(CC) -shared $(if $(SAN),-fsanitize=$(SAN),-Wl,-z,defs,--version-script=$(SYMBOLS)) $(RELRO) -Wl,-soname,librealjudge.so.$(SOVERSION) \
	    $(CFLAGS) -o $@ $(OBJ) $(LDFLAGS) $(LIBS)

$(filter $(B)/lib/cpu/%,$(OBJ)): EXTRA_CFLAGS += $(if $(HARDEN),-fno-stack-protector -fno-stack-clash-protection)
$(B)/%.o: %.c Makefile | deps
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(EXTRA_CFLAGS) -MMD -MP -c -o $@ $<
-include $(OBJ:.o=.d) $(TESTOBJ:.o=.d) $(EXAMPLES:=.d) $(BENCHOBJ:.o=.d) $(KERNELOBJ:.o=.d) $(BENCHES:=.d)

# The fast kernels are compiled once per instruction set; cpu/isa.c picks at run time.
ifneq ($(X86),)
$(B)/lib/cpu/isa_avx%.o: EXTRA_CFLAGS += -mfma -ffp-contract=fast -fno-math-errno
$(B)/lib/cpu/isa_avx2.o $(B)/lib/cpu/isa_avx2_half.o: EXTRA_CFLAGS += -mavx2
$(addprefix $(B)/lib/cpu/isa_avx512,.o _half.o _pairs.o): EXTRA_CFLAGS += -mavx512f -mavx512bw -mavx512dq -mavx512vl
$(B)/lib/cpu/isa_avx512_pairs.o: EXTRA_CFLAGS += -mavx512bf16
endif

# The examples see the public header only.
$(B)/examples/%: examples/%.c $(A) Makefile
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=c11 -D_GNU_SOURCE $(WARN) -Iinclude $(CFLAGS) $(HARDEN) $(if $(SAN),-fsanitize=$(SAN)) \
	    -MMD -MP -MF $@.d -o $@ $< $(A) $(LDFLAGS) $(RELRO) $(LIBS)

$(TESTOBJ): EXTRA_CFLAGS = -Itest -Itest/fuzz $(TEST_CFLAGS)
include test/fuzz/fuzz.mk
$(B)/test/test: $(TESTOBJ) $(FUZZOBJ) $(A)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $^ $(LDFLAGS) $(LIBS) $(TEST_LIBS)
run-test: lib examples $(B)/test/test
	@sh test/house/exitcode.sh $(A) $(SO) $(B)/test/test
	$(B)/test/test $(if $(K),-k $(K))
run-demo: lib examples
	@PHOTOS='$(PHOTOS)' DEMO='$(DEMO)' sh examples/demo.sh $(B)/examples/demo

# Benchmarks see the layers, like tests; the peak of the machine is of fused
# multiply-adds.
$(BENCHOBJ) $(KERNELOBJ) $(BENCHES:=.o): EXTRA_CFLAGS = -Ibench
$(B)/bench/bench_peak.o: EXTRA_CFLAGS = -Ibench -ffp-contract=fast
$(BENCHES): %: %.o $(BENCHOBJ) $(A)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $^ $(LDFLAGS) $(LIBS)
$(B)/bench/bench_kernel: $(KERNELOBJ)
.SECONDARY: $(BENCHES:=.o)
bench: lib $(BENCHES) ## how fast kernels, training, prediction, decoding are; QUICK=1
	@$(B)/bench/bench_kernel $(if $(QUICK),--quick)
	@for net in '--net small' '--net resnet18 --front raw'; do \
	    $(B)/bench/bench_train $$net --steps 5 --profile && $(B)/bench/bench_predict $$net || exit 1; done
	@$(B)/bench/bench_decode
	@for p in fp32 bf16; do for pictures in '' --no-cache; do \
	    $(B)/bench/bench_input --precision $$p $$pictures $(if $(QUICK),--steps 5) || exit 1; done; done
bench-peers: ## PyTorch and ONNX Runtime at the same work; QUICK=1, ROUNDS=n
	@CC='$(CC)' PKG='$(PKG)' .ci/setup bench
	@$(MAKE) --no-print-directory run-bench-peers
run-bench-peers: lib $(BENCHES)
	@QUICK='$(QUICK)' ROUNDS='$(ROUNDS)' WORK='$(WORK)' \
	    THREADS='$(THREADS)' build/bench/venv/bin/python bench/peers/compare.py $(B)/bench
# On all processors unless told how many: nothing here is timed.
check-house: ## rules a machine can check: layers, names, symbols, sizes, docs
	@$(MAKE) --no-print-directory $(if $(filter -j%,$(MAKEFLAGS)),,-j$$(nproc)) lib $(B)/test/test
	@bad=0; for rule in test/house/*.sh; do \
	    CC='$(CC)' SAN='$(SAN)' sh $$rule $(A) $(SO) $(B)/test/test || bad=1; done; exit $$bad

include examples/realjudge/tool.mk
include test/cuda-sim/sim.mk test/trust/trust.mk test/analyse/analyse.mk
include bench/judge.mk bench/gpu.mk bench/rivals/rivals.mk bench/judge/bench.mk
include test/parcel/parcel.mk packaging/packaging.mk

FORCE: # PREFIX is not in the folder's name
$(B)/realjudge.pc: realjudge.pc.in VERSION Makefile FORCE
	@mkdir -p $(@D)
	$(Q)sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@INCLUDEDIR@|$(INCDIR)|' \
	    -e 's|@VERSION@|$(VERSION)|' -e 's|@REQUIRES@|$(DEPS) $(FOUND)|' $< > $@
install: lib $(B)/realjudge.pc ## install under $(DESTDIR)$(PREFIX)
	install -d $(DESTDIR)$(INCDIR) $(DESTDIR)$(LIBDIR)/pkgconfig
	install -m 644 include/*.h $(DESTDIR)$(INCDIR)/
	install -m 644 $(A) $(DESTDIR)$(LIBDIR)/
	install -m 755 $(SO) $(DESTDIR)$(LIBDIR)/
	ln -sf librealjudge.so.$(VERSION) $(DESTDIR)$(LIBDIR)/librealjudge.so.$(SOVERSION)
	ln -sf librealjudge.so.$(SOVERSION) $(DESTDIR)$(LIBDIR)/librealjudge.so
	[ ! -f $(B)/librealjudge_cuda.so ] || install -m 755 $(B)/librealjudge_cuda.so $(DESTDIR)$(LIBDIR)/
	install -m 644 $(B)/realjudge.pc $(DESTDIR)$(LIBDIR)/pkgconfig/
uninstall: ## remove what install put there
	rm -f $(DESTDIR)$(INCDIR)/realjudge*.h $(DESTDIR)$(LIBDIR)/librealjudge.a \
	    $(DESTDIR)$(LIBDIR)/librealjudge.so* $(DESTDIR)$(LIBDIR)/librealjudge_cuda.so $(DESTDIR)$(LIBDIR)/pkgconfig/realjudge.pc
docs: ## build/man from the header, build/docs/ops.md from the ops' comments
	@rm -rf build/man/man3
	@mkdir -p build/man/man3 build/docs
	awk -v dir=build/man/man3 -f docs/man.awk include/*.h
	awk -f docs/ops.awk $(sort $(wildcard lib/op/*.c)) > build/docs/ops.md
dist: ## build/librealjudge-VERSION.tar.gz of what git tracks
	@mkdir -p build
	git archive --prefix=librealjudge-$(VERSION)/ -o build/librealjudge-$(VERSION).tar.gz HEAD
format: ## lay the code out by .clang-format
	clang-format -i $(FORMATTED)
clean: ## remove build/
	rm -rf build
help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
