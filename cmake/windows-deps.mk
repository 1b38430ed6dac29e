# SPDX-License-Identifier: Apache-2.0
# jansson, SQLite, libcurl (TLS by Windows' own Schannel) and wslay as static libraries for 64-bit
# Windows, each from its own list of sources: their configure steps would ask a machine that is not
# there. Called by build-deps-windows.sh in the folder of the unpacked packages:
#   make -f windows-deps.mk OUT=directory

cross := x86_64-w64-mingw32-
CC := $(cross)gcc
AR := $(cross)ar
# Windows 10. Its C library's printf knows no %zu: mingw's own does.
flags := -O2 -w -ffunction-sections -fdata-sections -fno-strict-aliasing -DNDEBUG \
        -D_WIN32_WINNT=0x0A00 -D__USE_MINGW_ANSI_STDIO=1

jansson_flags := -DHAVE_CONFIG_H -I$(OUT)/jansson -Ijansson/src
# One thread, as the agent's; -O1, because the whole build waits for this one file.
sqlite_flags := -O1 -DSQLITE_THREADSAFE=0 -DSQLITE_OMIT_LOAD_EXTENSION -DSQLITE_DEFAULT_MEMSTATUS=0 \
        -DSQLITE_OMIT_DEPRECATED -DSQLITE_DQS=0
curl_flags := -DBUILDING_LIBCURL -DCURL_STATICLIB -DHTTP_ONLY -DUSE_SCHANNEL -DUSE_WINDOWS_SSPI \
        -DENABLE_IPV6 -DCURL_DISABLE_COOKIES -DCURL_DISABLE_ALTSVC -DCURL_DISABLE_HSTS \
        -DCURL_DISABLE_NETRC -Icurl/include -Icurl/lib
wslay := wslay/deps/wslay/lib
wslay_flags := -DHAVE_WINSOCK2_H -I$(wslay)/includes

sources_jansson := $(wildcard jansson/src/*.c)
sources_sqlite := sqlite3/sqlite3.c
sources_curl := $(wildcard curl/lib/*.c curl/lib/vauth/*.c curl/lib/vquic/*.c \
        curl/lib/vtls/*.c)
sources_wslay := $(wildcard $(wslay)/*.c)

libraries := sqlite curl jansson wslay
all: $(libraries:%=$(OUT)/lib%.a)

define library
$(OUT)/lib$(1).a: $(sources_$(1):%.c=$(OUT)/%.o)
	rm -f $$@
	$(AR) rcsD $$@ $$^
$(sources_$(1):%.c=$(OUT)/%.o): own = $$($(1)_flags)
endef
$(foreach name,$(libraries),$(eval $(call library,$(name))))

$(OUT)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(flags) $(own) -c -o $@ $<

$(sources_jansson:%.c=$(OUT)/%.o): $(OUT)/jansson/jansson_config.h $(OUT)/jansson/jansson_private_config.h

$(OUT)/jansson/jansson_config.h: jansson/src/jansson_config.h.in
	@mkdir -p $(@D)
	sed 's/@json_inline@/inline/; s/@json_have_[a-z_]*@/1/' $< >$@

$(OUT)/jansson/jansson_private_config.h:
	@mkdir -p $(@D)
	printf '#define %s 1\n' HAVE_FCNTL_H HAVE_UNISTD_H HAVE_SYS_STAT_H HAVE_SYS_TIME_H \
		HAVE_SYS_TYPES_H HAVE_STDINT_H HAVE_CLOSE HAVE_GETPID HAVE_GETTIMEOFDAY HAVE_OPEN \
		HAVE_READ HAVE_SYNC_BUILTINS HAVE_ATOMIC_BUILTINS HAVE_LOCALE_H HAVE_SETLOCALE \
		USE_WINDOWS_CRYPTOAPI >$@
	echo '#define INITIAL_HASHTABLE_ORDER 3' >>$@
