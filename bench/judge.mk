# CUDA: the plugin, and its machine code judged. Neither needs a GPU; both need nvcc, and say
# so where it is not to be had. bench/nvcc.sh finds it.
#
#   make cuda                          build/.../librealjudge_cuda.so for CUDA_ARCHS
#   make cuda CUDA_ARCHS=release       for every card of a release
#   make cuda-judge                    the table of cubinfo, and bench/cuda.assert
#   make cuda-judge CUDA_SCALE=4       launches of the log, 4 times as large
#
# The launches that cuda-judge estimates times of are those of bench/launches.c, made by
# the simulator, some blocks of each (CUDA_LOGS): as plans for an A100 and for an H100
# have them, which have other multiprocessors and more of them.

CUDA_DIR     ?= cuda
CUDA_ARCHS   ?= 80 90
CUDA_LOGS    := build/cuda_80.log build/cuda_90.log
CUDA_SCALE   ?= 1
CUDA_SAMPLE  ?= 12
# More objects for the plugin, if it takes any from outside its folder.
CUDA_OBJECTS ?=

CUDA_SRC   := $(sort $(wildcard $(CUDA_DIR)/*.cu))
CUDA_CSRC  := $(sort $(wildcard $(CUDA_DIR)/*.c))
# Registers that spill to memory are an error: a kernel that does is one to rewrite.
NVCC_FLAGS := -O3 -std=c++17 -I$(CUDA_DIR) -Ilib -Iinclude \
	-Xptxas --warn-on-spills -Xptxas --warning-as-error
# Set by the targets below; nothing but their own makes sees it.
NVCC_FOUND ?=
NVCC_KNOWN  = $(patsubst sm_%,%,$(shell $(NVCC_FOUND) --list-gpu-code))
CUDA_CARDS  = $(if $(filter release,$(CUDA_ARCHS)),$(filter $(NVCC_KNOWN),80 86 89 90 100 120),$(CUDA_ARCHS))
CUDA_NEWEST = $(lastword $(CUDA_CARDS))
# Machine code for each card, and PTX for those newer than all of them.
CUDA_GENCODE = $(foreach a,$(CUDA_CARDS),-gencode arch=compute_$(a),code=sm_$(a)) \
	-gencode arch=compute_$(CUDA_NEWEST),code=compute_$(CUDA_NEWEST)
CUDA_HEADERS = $(patsubst -I%,-isystem %,$(shell $(NVCC_FOUND) --dryrun -x cu -c /dev/null 2>&1 | \
	sed -n 's/"//g; s/^\#\$$ INCLUDES=//p'))

space := $(subst ,, )
CO        := $(B)/cuda/$(subst $(space),-,$(strip $(CUDA_ARCHS)))
CUDA_OBJ  := $(patsubst $(CUDA_DIR)/%,$(CO)/%.o,$(CUDA_SRC) $(CUDA_CSRC))
CUDA_SO   := $(CO)/librealjudge_cuda.so
CUBINS    := $(foreach a,80 90,$(patsubst $(CUDA_DIR)/%.cu,build/cuda/sm_$(a)/%.cubin,$(CUDA_SRC)))
CUBINFO   := $(B)/bench/cubinfo
CUBINFO_OBJ := $(addprefix $(B)/bench/,cubinfo.o cubinfo_table.o cubin_read.o cubin_name.o \
	sass.o sass_loop.o launch_log.o roofline.o assertions.o)
-include $(CUBINFO_OBJ:.o=.d) $(B)/test/cuda/make_cubin.d $(CUDA_OBJ:.o=.d) $(CUBINS:=.d)

.PHONY: cuda cuda-judge run-cuda run-cuda-judge test-cubinfo
with_nvcc = @found=$$(NVCC='$(NVCC)' sh bench/nvcc.sh) || { echo "skipped: no nvcc"; exit 0; }; \
	[ -n '$(CUDA_SRC)' ] || { echo "skipped: no $(CUDA_DIR)/*.cu"; exit 0; }; \
	$(MAKE) --no-print-directory NVCC_FOUND="$$found"
cuda: ## the CUDA plugin; CUDA_ARCHS="80 90" or release; needs nvcc, no GPU
	+$(with_nvcc) run-cuda
cuda-judge: ## machine code of the kernels: table and assertions; no GPU
	+$(with_nvcc) run-cuda-judge

$(CO)/%.cu.o: $(CUDA_DIR)/%.cu bench/judge.mk build/cuda/nvcc
	$(call say,NVCC,$<)
	@mkdir -p $(@D)
	$(Q)$(NVCC_FOUND) $(NVCC_FLAGS) $(CUDA_GENCODE) -Xcompiler -fPIC,-fvisibility=hidden \
	    -MMD -MP -MF $(@:.o=.d) -c -o $@ $<
$(CO)/%.c.o: $(CUDA_DIR)/%.c bench/judge.mk build/cuda/nvcc
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(filter-out -fsanitize=%,$(ALL_CFLAGS)) -I$(CUDA_DIR) $(CUDA_HEADERS) \
	    -MMD -MP -MF $(@:.o=.d) -c -o $@ $<
# One name leaves the plugin. The CUDA runtime is within; what it needs comes with libc.
$(CUDA_SO): $(CUDA_OBJ) $(CUDA_OBJECTS) bench/judge.mk
	$(call say,LD,$@)
	$(Q)echo '{ global: rj_plugin_entry; local: *; };' > $(CO)/plugin.map
	$(Q)$(NVCC_FOUND) -shared -cudart static -Xcompiler -static-libgcc \
	    -Xlinker --version-script=$(CO)/plugin.map -Xlinker -z,defs,--as-needed \
	    -o $@ $(CUDA_OBJ) $(CUDA_OBJECTS)
	$(Q)sh test/cuda/plugin.sh $@ || { rm -f $@; exit 1; }
run-cuda: $(CUDA_SO)
	@cmp -s $< $(B)/$(<F) || cp $< $(B)/
	@mkdir -p $(B)/examples && ln -sf ../$(<F) $(B)/examples/
build/cuda/nvcc: ;

define cubin_rule
build/cuda/sm_$(1)/%.cubin: $$(CUDA_DIR)/%.cu bench/judge.mk build/cuda/nvcc
	$$(call say,NVCC,$$< sm_$(1))
	@mkdir -p $$(@D)
	$$(Q)$$(NVCC_FOUND) $$(NVCC_FLAGS) -arch=sm_$(1) -MMD -MP -MF $$@.d -cubin -o $$@ $$<
endef
$(foreach a,80 90,$(eval $(call cubin_rule,$(a))))

$(CUBINFO): $(CUBINFO_OBJ)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $^ $(LDFLAGS) -lm
run-cuda-judge: $(CUBINS) $(CUBINFO) $(CUDA_LOGS)
	$(CUBINFO) $(foreach l,$(CUDA_LOGS),--log $(patsubst build/cuda_%.log,sm_%,$l)=$l) \
	    --scale $(CUDA_SCALE) --assert bench/cuda.assert $(CUBINS)
$(CUDA_LOGS): build/cuda_%.log: $(B)/bench/launches $(SIM_PLUGIN_CHECK)
	$(call say,LOG,$@)
	$(Q)RIJ_PLUGIN_DIR=$(<D)/../cuda-sim/check CUDASIM_ARCH=$* CUDASIM_LOG=$@.part \
	    CUDASIM_SAMPLE=$(CUDA_SAMPLE) $< cuda-sim:0 && mv $@.part $@
$(B)/bench/launches.o: EXTRA_CFLAGS = -Ibench
$(B)/bench/launches: $(B)/bench/launches.o $(A)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $^ $(LDFLAGS) $(LIBS)
-include $(B)/bench/launches.d

# Status 77: the parts that could not run are said. K asks for one suite of the other tests.
run-test: $(if $(K),,test-cubinfo)
test-cubinfo: $(CUBINFO) $(B)/test/cuda/make_cubin
	@NVCC='$(NVCC)' sh test/cuda/test_cubinfo.sh $^ || [ $$? = 77 ]
$(B)/test/cuda/make_cubin: $(B)/test/cuda/make_cubin.o
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $^ $(LDFLAGS)
FORMATTED += $(wildcard test/cuda/*.c)
