# SPDX-License-Identifier: Apache-2.0
# BoringSSL as two static libraries, from the source lists that Debian's package keeps.
# Called by build-deps.sh inside the unpacked package:
#   make -f boringssl.mk ARCH=x86_64|aarch64 OUT=directory

include debian/sources.mk

ifeq ($(linux_$(ARCH)_sources),)
$(error the package has no assembler sources for '$(ARCH)': only x86_64 and aarch64 are supported)
endif

# Hidden: no SSL_* symbol of ours may ever shadow the OpenSSL that libpq and libcurl bring.
common := -O2 -g -w -fPIC -pthread -fvisibility=hidden -fno-strict-aliasing -fno-omit-frame-pointer \
        -DNDEBUG -DBORINGSSL_IMPLEMENTATION -Isrc/include -Isrc/crypto
c_flags := $(common) -std=gnu11
cxx_flags := $(common) -std=gnu++17 -fno-exceptions -fno-rtti
asm_flags := $(common) -Wa,--noexecstack

objects = $(patsubst %,$(OUT)/%.o,$(filter %.c %.S %.cc,$(1)))
crypto_objects := $(call objects,$(crypto_sources) $(linux_$(ARCH)_sources))
ssl_objects := $(call objects,$(ssl_sources))

all: $(OUT)/libboringssl_crypto.a $(OUT)/libboringssl_ssl.a

$(OUT)/libboringssl_crypto.a: $(crypto_objects)
$(OUT)/libboringssl_ssl.a: $(ssl_objects)
$(OUT)/%.a:
	rm -f $@
	ar rcsD $@ $^

$(OUT)/%.c.o: %.c
	@mkdir -p $(@D)
	$(CC) $(c_flags) -c -o $@ $<
$(OUT)/%.S.o: %.S
	@mkdir -p $(@D)
	$(CC) $(asm_flags) -c -o $@ $<
$(OUT)/%.cc.o: %.cc
	@mkdir -p $(@D)
	$(CXX) $(cxx_flags) -c -o $@ $<
