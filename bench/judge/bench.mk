# The experiment bench: what detects best. See "Protocol" in docs/results.md.
#
#   make judge-bench DATA=DIR                 every experiment, three seeds: hours
#   make judge-bench DATA=DIR ONLY=a,b SEEDS=1 FOLDS=1
#   make judge-families                       each family of forgeries left out in turn
#   make judge-pooling                        how crops of large pictures are pooled

.PHONY: judge-bench judge-families judge-pooling
judge-bench: examples ## train and judge what bench/judge lists: DATA=dir, ONLY=a,b, SEEDS=n, FOLDS=1
	@test -f '$(DATA)/manifest.tsv' || { echo 'DATA=DIR is missing: a folder with manifest.tsv and pairs.tsv' >&2; exit 1; }
	@python3 bench/judge/run.py --bin $(B)/examples --data '$(DATA)' --out build/judge/runs.tsv \
	    --only '$(ONLY)' --seeds '$(or $(SEEDS),3)' $(if $(FOLDS),--folds)
	@python3 bench/judge/tables.py build/judge/runs.tsv

# By the demonstration's model, on pictures of 576 pixels forged from its other photographs.
judge-pooling: examples $(RIVAL_PIXELS) ## how the crops of a large picture are pooled, and how many it takes (after make demo)
	@test -f build/demo/model.safetensors || { echo 'judge-pooling: make demo first' >&2; exit 1; }
	@CC='$(CC)' PKG='$(PKG)' .ci/setup rivals
	@rm -rf build/pooling && mkdir -p build/pooling
	@$(B)/examples/forge --photos build/demo/photos/test --out build/pooling/forged --families nearest,shuffle \
	    --crop 576 --crops 12 --steps 60 --seed 9 --quiet
	@$(RIVAL_PIXELS) columns --manifest build/pooling/forged/manifest.tsv --split all --out build/pooling/pixels native jpeg75 blur1
	@$(RIVALS_PYTHON) -B bench/judge/pooling.py --library $(SO) --model build/demo/model.safetensors \
	    --pictures build/pooling/pixels native jpeg75 blur1

# From the demonstration's photographs, split as it splits them.
judge-families: examples $(B)/bench/bench_forge ## each family of forgeries: what it takes, how it is told left out; STRIPS=dir
	@PHOTOS='$(PHOTOS)' sh examples/demo.sh true
	@python3 bench/judge/families.py --bin $(B) --photos build/demo/photos/train \
	    --others build/demo/photos/test --out build/families $(if $(STRIPS),--strips '$(STRIPS)')
