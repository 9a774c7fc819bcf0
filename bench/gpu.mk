# NVIDIA's own libraries beside the kernels, and the benchmark of a GPU. Neither needs a GPU:
# what cannot run says so.
#
#   make bench-cuda                 kernels, training, prediction on cuda:0; DEVICE=name, QUICK=1
#   make test-vendor                cuBLAS and cuDNN: what is opened, and plans without a device
#   make test-libraries             their callers, on the simulated device, with stand-ins
#   make test-no-driver             the plugin where there is no driver
#   make test-bench-cuda            the benchmark on the simulated device

DEVICE ?= cuda:0
# The simulator's header of this name is enough for what calls no CUDA.
VENDOR_FLAGS := -Icuda -Ibench -isystem test/cuda-sim/include
VT := $(B)/test/cuda
FAKES := $(B)/cuda-sim/libfake_cublas.so $(B)/cuda-sim/libfake_cudnn.so
GPUBENCH := $(addprefix $(B)/bench/,bench_cuda.o bench_cuda_cases.o bench_cuda_roof.o)
-include $(GPUBENCH:.o=.d) $(wildcard $(VT)/*.d $(VT)/cuda/*.d)

$(VT)/%.o: EXTRA_CFLAGS = $(VENDOR_FLAGS)
$(VT)/cuda/%.o: cuda/%.c Makefile bench/gpu.mk
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(VENDOR_FLAGS) -MMD -MP -c -o $@ $<
$(VT)/test_vendor $(VT)/test_dnn_deviceless: $(VT)/cuda/vendor.o $(VT)/cuda/dnn_plan.o
$(VT)/test_vendor $(VT)/test_dnn_deviceless $(VT)/open_device: %: %.o $(A)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $^ $(LDFLAGS) $(LIBS) -ldl

# The types of vendor.h against the real headers, where the compiler finds any.
CUDA_INCLUDE ?= $(or $(CUDA_HOME),/usr/local/cuda)/include
.PHONY: test-cuda test-vendor test-libraries test-no-driver test-bench-cuda bench-cuda fakes
# Some of cuDNN's engines keep 192 bytes of each plan.
test-vendor: $(VT)/test_vendor $(VT)/test_dnn_deviceless ## cuBLAS and cuDNN without a GPU: what is opened, cuDNN's plans
	@if [ -f $(CUDA_INCLUDE)/cudnn.h ] && [ -f $(CUDA_INCLUDE)/cublas_v2.h ]; then \
	    $(CC) -std=gnu11 -fsyntax-only -DRJ_REAL=float -Iinclude -Ilib -Icuda \
	        -isystem $(CUDA_INCLUDE) test/cuda/test_vendor_types.c; \
	else echo 'skipped: no headers of cuBLAS and cuDNN in $(CUDA_INCLUDE)'; fi
	@$(VT)/test_vendor
	@ASAN_OPTIONS=detect_leaks=0 $(VT)/test_dnn_deviceless test/cuda/h100.json test/cuda/a100.json || [ $$? = 77 ]

$(B)/cuda-sim/libfake_%.so: test/cuda-sim/fake/fake.c test/cuda-sim/fake/fake_%.c \
    $(wildcard test/cuda-sim/fake/*.h test/cuda-sim/include/*.h) cuda/vendor.h cuda/vendor.def
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -shared -fPIC $(filter-out -fsanitize=%,$(ALL_CFLAGS)) $(VENDOR_FLAGS) \
	    -o $@ $(filter %.c,$^) -Wl,-z,defs -ldl
fakes: $(FAKES)
test-libraries: lib $(SIM_PLUGIN) fakes $(B)/test/test ## callers of cuBLAS and cuDNN on the simulated device
	@sh test/cuda/test_libraries.sh $(B)
test-no-driver: lib examples $(VT)/open_device ## the CUDA plugin says that there is no driver
	@$(MAKE) --no-print-directory cuda
	@sh test/cuda/test_no_driver.sh $(B) $(VT)/open_device || [ $$? = 77 ]

$(GPUBENCH): EXTRA_CFLAGS = -Ibench
$(B)/bench/bench_cuda: $(GPUBENCH) $(BENCHOBJ) $(A)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $^ $(LDFLAGS) $(LIBS)
test-cuda: lib $(B)/test/test ## the device's tests on a GPU: DEVICE=cuda:0
	@$(MAKE) --no-print-directory cuda
	@for k in device device_whole one_class; do RIJ_PLUGIN_DIR=$(B) RIJ_TEST_DEVICE=$(DEVICE) \
	    $(B)/test/test -k $$k || exit 1; done
bench-cuda: lib $(B)/bench/bench_cuda ## how fast a GPU is; DEVICE=cuda:0, QUICK=1
	@case '$(DEVICE)' in cuda-sim:*) $(MAKE) --no-print-directory cuda-sim ;; \
	    *) $(MAKE) --no-print-directory cuda ;; esac
	@RIJ_PLUGIN_DIR=$(B) $(B)/bench/bench_cuda --device $(DEVICE) $(if $(QUICK),--quick)
test-bench-cuda: lib $(SIM_PLUGIN) fakes $(B)/bench/bench_cuda ## the GPU benchmark runs, on the simulated device
	@sh test/cuda/test_bench_cuda.sh $(B)
FORMATTED += $(wildcard test/cuda-sim/fake/*.[ch] cuda/*.[ch])
