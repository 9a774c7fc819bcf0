# The CUDA simulator (test/cuda-sim): kernels on the CPU, with no NVIDIA software. Included
# by the Makefile.
#
# Two variants, in folders of their own, that are never linked together:
#   fast    kernels as fast as the compiler makes them
#   check   kernels with the calls of -fsanitize=thread at every access; no libtsan is
#           linked, check.cc is what they call

SIM := test/cuda-sim
SIM_FAST  := -O3 -march=native -ffp-contract=fast
SIM_CHECK := -O2 -DCUDASIM_CHECK
KERNEL_FAST  := -O2 -march=native -ffp-contract=fast
KERNEL_CHECK := -O1 -fsanitize=thread -DCUDASIM_CHECK
SIM_WARN := -Wall -Wextra -Wshadow -Wno-unknown-pragmas $(if $(WERROR),-Werror)
SIM_FLAGS := -g -fPIC -fvisibility=hidden -D_GNU_SOURCE -I$(SIM)/include -Ilib -Iinclude \
	-DRJ_REAL=$(REAL)
SIM_CXXFLAGS := -std=c++17 -fvisibility-inlines-hidden $(SIM_WARN) $(SIM_FLAGS)

SIMSRC    := $(sort $(filter-out $(SIM)/test_% $(SIM)/time_%,$(wildcard $(SIM)/*.cc)))
SIMTESTS  := $(sort $(wildcard $(SIM)/test_*.cc))
SIMPLANTS := $(sort $(wildcard $(SIM)/*.cu))
KERNELSRC := $(sort $(wildcard cuda/*.cu))
CUDAHOST  := $(sort $(wildcard cuda/*.c))

SIM_SHARED := -shared -Wl,-z,defs -Wl,--version-script=$(SIM)/plugin.map

# $(call simobj,variant,sources)
simobj = $(addprefix $(B)/cuda-sim/$(1)/,$(addsuffix .o,$(2)))

# $(1) variant, $(2) flags of the simulator, $(3) flags of kernels
define sim_variant
$(B)/cuda-sim/$(1)/%.cc.o: %.cc Makefile $(SIM)/sim.mk
	$$(call say,CXX,$$<)
	@mkdir -p $$(@D)
	$$(Q)$$(CXX) $(SIM_CXXFLAGS) $(2) -MMD -MP -c -o $$@ $$<
$(B)/cuda-sim/$(1)/%.cu.o: %.cu Makefile $(SIM)/sim.mk
	$$(call say,CXX,$$<)
	@mkdir -p $$(@D)
	$$(Q)$$(CXX) -x c++ $(SIM_CXXFLAGS) $(3) -MMD -MP -c -o $$@ $$<
$(B)/cuda-sim/$(1)/%.c.o: %.c Makefile $(SIM)/sim.mk
	$$(call say,CC,$$<)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) -std=c11 $(WARN) $(SIM_FLAGS) $(CFLAGS) -MMD -MP -c -o $$@ $$<
$(B)/cuda-sim/$(1)/plants.so: $(call simobj,$(1),$(SIMSRC) $(SIMPLANTS))
	$$(call say,LD,$$@)
	$$(Q)$$(CXX) $(SIM_SHARED) -o $$@ $$^ -ldl -lpthread
$(B)/cuda-sim/$(1)/itself: $(call simobj,$(1),$(SIMSRC) $(SIMTESTS) $(SIMPLANTS))
	$$(call say,LD,$$@)
	$$(Q)$$(CXX) -o $$@ $$^ -ldl -lpthread
-include $(patsubst %.o,%.d,$(call simobj,$(1),$(SIMSRC) $(SIMTESTS) $(SIMPLANTS) $(KERNELSRC) $(CUDAHOST)))
endef
$(eval $(call sim_variant,fast,$(SIM_FAST),$(KERNEL_FAST)))
$(eval $(call sim_variant,check,$(SIM_CHECK),$(KERNEL_CHECK)))

# The plugin with the simulator in it, in place of the CUDA runtime.
SIM_PLUGIN := $(B)/librealjudge_cuda_sim.so
SIM_PLUGIN_CHECK := $(B)/cuda-sim/check/librealjudge_cuda_sim.so
$(SIM_PLUGIN): $(call simobj,fast,$(SIMSRC) $(KERNELSRC) $(CUDAHOST))
$(SIM_PLUGIN_CHECK): $(call simobj,check,$(SIMSRC) $(KERNELSRC) $(CUDAHOST))
$(SIM_PLUGIN) $(SIM_PLUGIN_CHECK):
	$(call say,LD,$@)
	$(Q)$(CXX) $(SIM_SHARED) -o $@ $^ -ldl -lpthread -lm

FORMATTED += $(sort $(wildcard $(SIM)/*.cc $(SIM)/*.h $(SIM)/*.cu $(SIM)/include/*.h))

.PHONY: cuda-sim test-sim-itself
cuda-sim: $(SIM_PLUGIN) $(SIM_PLUGIN_CHECK) ## the CUDA device in simulation, two plugins
test-sim-itself: $(foreach v,check fast,$(B)/cuda-sim/$(v)/itself $(B)/cuda-sim/$(v)/plants.so) ## tests of the CUDA simulator
	@for v in check fast; do echo "cuda-sim, $$v:"; \
	    $(B)/cuda-sim/$$v/itself $(B)/cuda-sim/$$v/plants.so || exit 1; \
	    if $(B)/cuda-sim/$$v/itself --fail >/dev/null; then echo 'a test that must fail passed'; exit 1; fi; \
	done

# The device's own tests, on the simulated one.
.PHONY: test-cuda-sim
test-cuda-sim: lib $(B)/test/test cuda-sim $(foreach v,check fast,$(B)/cuda-sim/$(v)/itself $(B)/cuda-sim/$(v)/plants.so) ## the CUDA device, simulated: no GPU is needed
	@sh test/cuda/simulated.sh $(B)
