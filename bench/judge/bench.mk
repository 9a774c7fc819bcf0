# The experiment bench: what detects best. See "Protocol" in docs/results.md.
#
#   make judge-bench DATA=DIR                 every experiment, three seeds: hours
#   make judge-bench DATA=DIR ONLY=a,b SEEDS=1 FOLDS=1
#   make judge-families                       each family of forgeries left out in turn
#   make judge-evidence                       whether evidence lies where a part was forged

.PHONY: judge-bench judge-families judge-evidence
judge-bench: examples ## train and judge what bench/judge lists: DATA=dir, ONLY=a,b, SEEDS=n, FOLDS=1
	@test -f '$(DATA)/manifest.tsv' || { echo 'DATA=DIR is missing: a folder with manifest.tsv and pairs.tsv' >&2; exit 1; }
	@python3 bench/judge/run.py --bin $(B)/examples --data '$(DATA)' --out build/judge/runs.tsv \
	    --only '$(ONLY)' --seeds '$(or $(SEEDS),3)' $(if $(FOLDS),--folds)
	@python3 bench/judge/tables.py build/judge/runs.tsv

# From the demonstration's photographs, split as it splits them.
judge-families: examples $(B)/bench/bench_forge ## each family of forgeries: what it takes, how it is told left out; STRIPS=dir
	@PHOTOS='$(PHOTOS)' sh examples/demo.sh true
	@python3 bench/judge/families.py --bin $(B) --photos build/demo/photos/train \
	    --others build/demo/photos/test --out build/families $(if $(STRIPS),--strips '$(STRIPS)')

# The null state in a second world, with DATA.
judge-evidence: examples $(B)/bench/bench_evidence ## whether evidence lies where a photograph was forged; DATA=dir too
	@PHOTOS='$(PHOTOS)' sh examples/demo.sh true
	@python3 bench/judge/evidence.py --bin $(B) --photos build/demo/photos/train \
	    --others build/demo/photos/test --out build/evidence $(if $(DATA),--data '$(DATA)')
