# What surrounds the library where it is installed: manual pages, CMake's files, Debian
# packages, the check of its binary interface. Included by the Makefile.
#
#   make deb            librealjudge0, librealjudge-dev, realjudge (the program), with
#                       debhelper, into build/deb; lintian judges them where it is there
#   make test-deb       the packages in a clean Debian; needs root and mmdebstrap
#   make test-install   a stranger's CMake project against an installed tree
#   make abi            the exported interface against that of the last tag
#
# Where a program is missing, the last line says so, and the target passes.

MANDIR   ?= $(PREFIX)/share/man
CMAKEDIR := $(LIBDIR)/cmake/realjudge
DEB      := build/deb/librealjudge-$(VERSION)
SYMBOLS  := $(B)/realjudge.map
PUBLIC   := $(sort $(wildcard include/*.h))
# From CMake's folder to the headers, so that a tree may be moved.
TO_INCLUDE = $(shell realpath -m --relative-to=$(CMAKEDIR) $(INCDIR))

# A sanitizer's own names must leave the library, so its build has no version script.
$(SYMBOLS): packaging/symbols.awk $(PUBLIC)
	@mkdir -p $(@D)
	$(Q)awk -f packaging/symbols.awk $(PUBLIC) > $@.new && mv $@.new $@
$(SO): $(if $(SAN),,$(SYMBOLS))

$(B)/realjudge%.cmake: packaging/cmake/realjudge%.cmake.in VERSION FORCE
	@mkdir -p $(@D)
	$(Q)sed -e 's|@VERSION@|$(VERSION)|' -e 's|@SOVERSION@|$(SOVERSION)|' \
	    -e 's|@MAJOR@|$(word 1,$(subst ., ,$(VERSION)))|g' \
	    -e 's|@MINOR@|$(word 2,$(subst ., ,$(VERSION)))|g' -e 's|@LIBS@|$(strip $(LIBS))|' \
	    -e 's|@POINTER@|$(shell echo __SIZEOF_POINTER__ | $(CC) -E -P -)|' \
	    -e 's|@TO_INCLUDE@|$(TO_INCLUDE)|' $< > $@

.PHONY: install-parcel uninstall-parcel deb test-deb test-install test-dist abi
install: install-parcel
install-parcel: lib docs $(B)/realjudgeConfig.cmake $(B)/realjudgeConfigVersion.cmake
	install -d $(DESTDIR)$(CMAKEDIR) $(DESTDIR)$(MANDIR)/man3
	install -m 644 $(filter %.cmake,$^) $(DESTDIR)$(CMAKEDIR)/
	install -m 644 build/man/man3/rij_*.3 $(DESTDIR)$(MANDIR)/man3/
uninstall: uninstall-parcel
uninstall-parcel:
	rm -f $(DESTDIR)$(CMAKEDIR)/realjudge*.cmake $(DESTDIR)$(MANDIR)/man3/rij_*.3
	[ ! -d $(DESTDIR)$(CMAKEDIR) ] || rmdir $(DESTDIR)$(CMAKEDIR)

test-install: lib ## pkg-config and CMake find an installed tree, also a moved one
	@CC='$(CC)' PKG='$(PKG)' sh test/parcel/installed.sh '$(MAKE)' $(B)
test-dist: ## the archive of make dist holds the same bytes each time
	@sh test/parcel/dist.sh '$(MAKE)' build/librealjudge-$(VERSION).tar.gz
abi: lib ## what programs were linked with is still there: abidiff against the last tag
	@sh packaging/abi.sh '$(MAKE)' $(SO)

# Sources as git tracks them, changed ones too, with the folder debian/ where Debian wants
# it; its changelog tells the version.
deb: ## Debian packages in build/deb, judged by lintian
	@command -v dh >/dev/null || { echo 'skipped: no debhelper here; apt-get install debhelper'; exit 0; }; \
	sh packaging/deb.sh $(VERSION)
test-deb: deb ## the packages installed in a clean Debian: the program, pkg-config, man
	@sh test/parcel/clean_debian.sh $(VERSION)

.PHONY: site
site: docs ## build/site: the manual as static pages, by pandoc and mandoc
	@for program in pandoc mandoc; do command -v $$program >/dev/null || \
	    { echo "skipped: no $$program here; apt-get install $$program"; exit 0; }; done; \
	sh packaging/site.sh $(VERSION)
