# unboot
#
#   make demo    install what is needed, build, and show it on a real image
#   make test    install what is needed, build, and run all tests
#   make         build bin/unboot, one file with the kernel in it
#
# More: race, man, image, kernel, bench, fuzz, soak, reproducible, clean.

SHELL := /bin/bash
export CGO_ENABLED := 0
GO ?= $(shell scripts/find-go)

embedded := lkl/internal/vmlinux/image
kernel-outputs := vmlinux loader stub
network := internal/netproc/image/network.zst
kernel-inputs := kernel/build kernel/states $(shell find kernel/arch -type f 2>/dev/null)
go-inputs := go.mod go.sum $(shell find . -name '*.go' -not -path './bench/*' 2>/dev/null)

.PHONY: all
all: bin/unboot

# Once more when it is known where in the file the kernel lies: moved to a page
# boundary, it is mapped from there.
build = $(GO) build -trimpath -ldflags='-s -w' -o $@ ./cmd/unboot
bin/unboot: $(addprefix $(embedded)/,$(kernel-outputs)) $(network) $(go-inputs)
	$(build)
	$(GO) run ./lkl/internal/vmlinux/align $@ $(embedded)/vmlinux
	$(build)

# The network of programs, which is embedded too.
$(network): $(go-inputs)
	$(GO) build -trimpath -ldflags='-s -w' -o bin/network ./internal/netproc/child
	$(GO) run ./internal/netproc/pack bin/network $@

# The kernel, its loader, and what programs run in: static executables, which are
# embedded.
.PHONY: kernel
kernel: bin/vmlinux

$(addprefix bin/,$(kernel-outputs)) &: $(kernel-inputs)
	kernel/build bin

$(embedded)/%: bin/%
	install -m 644 $< $@

.PHONY: deps
deps:
	scripts/install-deps

.PHONY: demo
demo: deps
	@$(MAKE) --no-print-directory all
	scripts/demo

.PHONY: test
test: deps
	@$(MAKE) --no-print-directory all check

# A container image with the program in it, as an OCI layout folder.
.PHONY: image
image: bin/unboot
	rm -rf bin/image
	scripts/image bin/image

# Manual pages, from the table that usage texts come from.
.PHONY: man
man: bin/unboot
	rm -rf bin/man
	mkdir -p bin/man
	bin/unboot help --man bin/man

# The tests alone, where all is installed.
.PHONY: check
check: all
	$(GO) vet ./...
	cd bench && $(GO) vet ./...
	$(GO) test -timeout 30m ./...

# The race detector (which needs cgo), over the packages whose goroutines share
# something. It makes Go several times as slow: with -short, tests do less of the
# same, and leave out what only waits for the kernel. RACE names other packages, such
# as ./cmd/unboot, whose scripts then run a program that is watched, too.
RACE ?= . ./lkl/... ./disk $(addprefix ./disk/,cache compressed httpdisk internal/... nbd qcow2 source sshdisk vdi vhd vhdx vmdk) ./guestfs ./guestfs/internal/protocol ./usernet/... ./internal/...
.PHONY: race
race: all
	CGO_ENABLED=1 $(GO) test -race -short -timeout 30m $(RACE)

.PHONY: bench
bench: all
	bench/run

# Minutes, not hours: each fuzz target for FUZZTIME.
FUZZTIME ?= 20s
.PHONY: fuzz
fuzz:
	scripts/fuzz $(FUZZTIME)

# Kill and corrupt for as long as SOAK says.
SOAK ?= 30m
.PHONY: soak
soak: all
	UNBOOT_SOAK=$(SOAK) $(GO) test -timeout 24h -run 'Soak' -v ./test/...

# Two builds of the kernel, byte by byte.
.PHONY: reproducible
reproducible:
	scripts/check-reproducible

.PHONY: clean
clean:
	rm -rf bin $(network) $(addprefix $(embedded)/,$(kernel-outputs))
