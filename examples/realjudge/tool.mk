# The program `realjudge`: built like the examples, from the public header alone; its
# manual pages and completion are printed by the program itself, from its tables.

BINDIR  ?= $(PREFIX)/bin
MANDIR  ?= $(PREFIX)/share/man
DOCDIR  ?= $(PREFIX)/share/doc/realjudge
COMPDIR ?= $(PREFIX)/share/bash-completion/completions

TOOL    := $(B)/examples/realjudge/realjudge
TOOLOBJ := $(patsubst %.c,$(B)/%.o,$(sort $(wildcard examples/realjudge/*.c)))
TOOLCMD := train predict evaluate report audit align forge model calibrate merge
TOOLMAN := build/man/man1/realjudge.1 $(TOOLCMD:%=build/man/man1/realjudge-%.1)
TOOLCOMP := build/completion/realjudge

.PHONY: tool tool-docs install-tool uninstall-tool test-tool
tool: lib $(TOOL) ## the program realjudge
examples: tool

$(TOOLOBJ): $(B)/%.o: %.c Makefile examples/realjudge/tool.mk | deps
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=c11 -D_GNU_SOURCE $(WARN) -Iinclude -Iexamples $(DEPS_CFLAGS) $(CFLAGS) $(HARDEN) \
	    $(if $(SAN),-fsanitize=$(SAN)) -MMD -MP -c -o $@ $<
-include $(TOOLOBJ:.o=.d)
$(TOOL): $(TOOLOBJ) $(A)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $^ $(LDFLAGS) $(RELRO) $(LIBS)

build/man/man1/realjudge.1: $(TOOL)
	@mkdir -p $(@D)
	$(Q)$(TOOL) --man > $@
build/man/man1/realjudge-%.1: $(TOOL)
	@mkdir -p $(@D)
	$(Q)$(TOOL) --man $* > $@
$(TOOLCOMP): $(TOOL)
	@mkdir -p $(@D)
	$(Q)$(TOOL) --completion > $@
tool-docs: $(TOOLMAN) $(TOOLCOMP)
docs: tool-docs

install: install-tool
install-tool: tool tool-docs
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(MANDIR)/man1 $(DESTDIR)$(COMPDIR) $(DESTDIR)$(DOCDIR)/examples
	install -m 755 examples/realjudge/shards.sh $(DESTDIR)$(DOCDIR)/examples/
	install -m 755 $(TOOL) $(DESTDIR)$(BINDIR)/
	install -m 644 $(TOOLMAN) $(DESTDIR)$(MANDIR)/man1/
	install -m 644 $(TOOLCOMP) $(DESTDIR)$(COMPDIR)/
uninstall: uninstall-tool
uninstall-tool:
	rm -f $(DESTDIR)$(BINDIR)/realjudge $(DESTDIR)$(COMPDIR)/realjudge \
	    $(DESTDIR)$(DOCDIR)/examples/shards.sh $(addprefix $(DESTDIR)$(MANDIR)/man1/,$(notdir $(TOOLMAN)))

# Pictures and damaged files for the tests are made by other programs' encoders.
$(B)/test/tool/make_files: test/tool/make_files.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=c11 -D_GNU_SOURCE $(WARN) $(DEPS_CFLAGS) $(CFLAGS) -o $@ $< $(DEPS_LIBS)
test-tool: tool examples $(B)/test/tool/make_files ## the program: options, records, hostile files, shards
	@HARDEN='$(HARDEN)' sh test/tool/run_tool.sh $(TOOL) $(B)/examples $(B)/test/tool/make_files
