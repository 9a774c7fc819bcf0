# The experiment bench: what detects best. See "Protocol" in docs/results.md.
#
#   make judge-bench DATA=DIR                 every experiment, three seeds: hours
#   make judge-bench DATA=DIR ONLY=a,b SEEDS=1 FOLDS=1

.PHONY: judge-bench
judge-bench: examples ## train and judge what bench/judge lists: DATA=dir, ONLY=a,b, SEEDS=n, FOLDS=1
	@test -f '$(DATA)/manifest.tsv' || { echo 'DATA=DIR is missing: a folder with manifest.tsv and pairs.tsv' >&2; exit 1; }
	@python3 bench/judge/run.py --bin $(B)/examples --data '$(DATA)' --out build/judge/runs.tsv \
	    --only '$(ONLY)' --seeds '$(or $(SEEDS),3)' $(if $(FOLDS),--folds)
	@python3 bench/judge/tables.py build/judge/runs.tsv
