# What reads or watches the code without being a test: docs/testing.md, "Static".
#
#   make analyse                 cppcheck, gcc -fanalyzer, clang-tidy over lib/; each silent
#   make memcheck                valgrind over the suites of MEMCHECK
#   make coverage                lines and branches of lib/ that the tests run; K=name
#
# Findings are mended, or suppressed with a reason: .clang-tidy, cppcheck.txt here, or a
# line beside the code.

.PHONY: analyse cppcheck gcc-analyzer run-analyzer clang-tidy memcheck coverage run-coverage
analyse: cppcheck gcc-analyzer clang-tidy ## cppcheck, gcc -fanalyzer and clang-tidy over lib/
TIDY ?= $(filter-out lib/cpu/%,$(SRC))
# Not the kernels: it does not follow the macros of their lanes.
cppcheck:
	$(call say,READ,lib by cppcheck)
	@cppcheck -q -j2 --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
	    --suppressions-list=test/analyse/cppcheck.txt --library=posix -D_GNU_SOURCE -DRJ_REAL=float \
	    $(FOUND:%=-DRJ_HAS_%) -Iinclude -Ilib -ilib/cpu lib
# The kernels are loops over what their callers checked, and take it hours.
gcc-analyzer:
	@$(MAKE) --no-print-directory CC=gcc HARDEN= CFLAGS='-O1 -g -fanalyzer -Werror -DRJ_ANALYSED' run-analyzer
run-analyzer: $(A)
ifneq ($(findstring -fanalyzer,$(CFLAGS)),)
$(filter $(B)/lib/cpu/%,$(OBJ)): EXTRA_CFLAGS += -fno-analyzer
# Of x and dx, or y and dy, one is NULL, which its callers know and gcc does not.
$(B)/lib/op/residual.o: EXTRA_CFLAGS += -fno-analyzer
endif
clang-tidy:
	$(call say,READ,lib by clang-tidy)
	@command -v clang-tidy >/dev/null || { echo 'skipped: there is no clang-tidy'; exit 0; }; \
	printf '%s\n' $(TIDY) | xargs -n 8 -P 2 sh -c 'clang-tidy --quiet --warnings-as-errors="*" "$$@" -- \
	    -std=c11 -D_GNU_SOURCE -DRJ_ANALYSED -DRJ_REAL=float -Iinclude -Ilib $(DEPS_CFLAGS) 2>/dev/null' tidy

# Suites that take valgrind seconds, and touch memory of every layer below the networks.
MEMCHECK ?= base memory tensor image webp exif fuzz safetensors options dataset cache columns metrics pairs card
memcheck: lib $(B)/test/test ## valgrind memcheck over MEMCHECK, a list of suites
	@for suite in $(MEMCHECK); do \
	    valgrind -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite --show-leak-kinds=definite \
	        --suppressions=test/analyse/valgrind.supp $(B)/test/test -k $$suite || exit 1; done

coverage: ## share of lib/ that the tests run, by gcovr; K=name runs one suite
	@command -v gcovr >/dev/null || { echo 'skipped: there is no gcovr'; exit 0; }; \
	$(MAKE) --no-print-directory CC=gcc HARDEN= CFLAGS='-O1 -g --coverage' run-coverage
run-coverage: lib $(B)/test/test
	@find $(B) -name '*.gcda' -delete
	-$(B)/test/test $(if $(K),-k $(K))
	@mkdir -p build/coverage
	@gcovr -j 2 --root . --filter 'lib/' --exclude 'lib/cpu/' --html-details build/coverage/index.html \
	    --txt build/coverage/lines.txt --print-summary $(B)
