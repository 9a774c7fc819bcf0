# Other detectors, re-implemented in PyTorch, trained and judged on the pixels of ours.
#
#   make bench-rivals DATA=dir                  dir holds manifest.tsv and pairs.tsv
#   make bench-rivals DATA=dir ONLY=npr,safe    these rivals only
#   make bench-rivals DATA=dir SCHEDULE=paper   schedules of their papers (ours)
#   make bench-rivals DATA=dir STEPS=n SEEDS=n  steps (600), trainings of each (3)
#   make test-rivals                            the Python of it, without data
#
# What was done is not repeated, so it may be stopped and started again.

RIVAL_PIXELS  := $(B)/bench/rivals/rival_pixels
# Debian's Python, which has Debian's modules; another may come first in PATH.
RIVALS_PYTHON := /usr/bin/python3
FORMATTED += $(wildcard bench/rivals/*.[ch])
-include $(RIVAL_PIXELS).d

.PHONY: bench-rivals run-bench-rivals test-rivals
bench-rivals: ## other detectors on our pixels: DATA=dir, ONLY, SCHEDULE, STEPS, SEEDS
	@[ -n '$(DATA)' ] || \
	    { echo 'rivals: say DATA=dir, with manifest.tsv and pairs.tsv.' >&2; exit 1; }
	@CC='$(CC)' PKG='$(PKG)' .ci/setup rivals
	@$(MAKE) --no-print-directory run-bench-rivals
run-bench-rivals: lib $(RIVAL_PIXELS)
	@$(RIVALS_PYTHON) -B bench/rivals/rivals.py --pixels $(RIVAL_PIXELS) --data '$(DATA)' \
	    $(if $(ONLY),--only '$(ONLY)') $(if $(SCHEDULE),--schedule $(SCHEDULE)) \
	    $(if $(STEPS),--steps $(STEPS)) $(if $(SEEDS),--seeds $(SEEDS))
	@$(RIVALS_PYTHON) -B bench/judge/tables.py build/rivals/rivals.tsv
test-rivals: lib $(RIVAL_PIXELS) ## the rivals' Python, on data made there
	@$(RIVALS_PYTHON) -B bench/rivals/check_rivals.py $(RIVAL_PIXELS)

$(RIVAL_PIXELS): $(RIVAL_PIXELS).o $(A)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $^ $(LDFLAGS) $(LIBS)
