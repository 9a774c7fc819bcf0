# What other programs make of a model. Included by the Makefile.
#
#   make test-python        examples/python/realjudge.py, bit for bit as C
#   make test-onnx          exported graphs in ONNX Runtime: build/bench/venv (.ci/setup
#                           bench makes it), or PEERS=python
#   make test-torch         models in PyTorch and back: Debian's python3-torch, or PEERS
#
# Where something is missing the last line says what, and the target passes.

PYTHON ?= python3
PEERS  ?= $(firstword $(wildcard build/bench/venv/bin/python) /usr/bin/python3)
TOLD   := $(B)/test/parcel/told
-include $(TOLD).d
$(TOLD): test/parcel/told.c $(A) Makefile test/parcel/parcel.mk
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=c11 -D_GNU_SOURCE $(WARN) -Iinclude $(CFLAGS) $(if $(SAN),-fsanitize=$(SAN)) \
	    -MMD -MP -MF $@.d -o $@ $< $(A) $(LDFLAGS) $(LIBS)

.PHONY: test-parcel test-python test-onnx test-torch
test-parcel: test-python
test-python: lib $(TOLD) ## realjudge.py against C, bit for bit; its structures against the header
	@if $(PYTHON) -c 'import ctypes' 2>/dev/null; then \
	    CC='$(CC)' REALJUDGE_LIBRARY=$(CURDIR)/$(SO) $(PYTHON) -B test/parcel/check_python.py $(TOLD); \
	else echo 'skipped: no $(PYTHON) with ctypes here'; fi
test-onnx: lib $(TOLD) ## exported graphs in ONNX Runtime against the library; PEERS=python
	@if $(PEERS) -c 'import onnxruntime, numpy' 2>/dev/null; then \
	    $(PEERS) -B test/parcel/check_onnx.py $(TOLD); \
	else echo 'skipped: $(PEERS) has no onnxruntime; .ci/setup bench brings it'; fi
test-torch: lib $(TOLD) ## models in PyTorch, and weights from PyTorch, against the library
	@if $(PEERS) -c 'import torch' 2>/dev/null; then \
	    $(PEERS) -B test/parcel/check_torch.py $(TOLD); \
	else echo 'skipped: $(PEERS) has no torch; .ci/setup bench brings it'; fi
