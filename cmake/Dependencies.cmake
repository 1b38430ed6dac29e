# SPDX-License-Identifier: Apache-2.0
# Imported targets for everything that is not ours.

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)

set(missing_packages "")

# mu_find(TARGET module package): PkgConfig::TARGET, or the Debian package is noted as missing.
function(mu_find target module package)
        pkg_check_modules(${target} QUIET IMPORTED_TARGET ${module})
        if(NOT ${target}_FOUND)
                set(missing_packages ${missing_packages} ${package} PARENT_SCOPE)
        endif()
endfunction()

mu_find(LIBURING liburing liburing-dev)
mu_find(LIBPQ libpq libpq-dev)
mu_find(JANSSON jansson libjansson-dev)
mu_find(SIMDJSON simdjson libsimdjson-dev)
mu_find(INIH inih libinih-dev)
mu_find(LIBCRYPT libcrypt libcrypt-dev)
mu_find(CURL libcurl libcurl4-openssl-dev)
mu_find(ZSTD libzstd libzstd-dev)
mu_find(SQLITE sqlite3 libsqlite3-dev)
mu_find(CMOCKA cmocka libcmocka-dev)
if(MUSTER_JEMALLOC)
        mu_find(JEMALLOC jemalloc libjemalloc-dev)
endif()

# wslay comes without a pkg-config file.
find_library(WSLAY_LIBRARY wslay)
find_path(WSLAY_INCLUDE_DIR wslay/wslay.h)
if(WSLAY_LIBRARY AND WSLAY_INCLUDE_DIR)
        add_library(wslay UNKNOWN IMPORTED)
        set_target_properties(wslay PROPERTIES
                IMPORTED_LOCATION "${WSLAY_LIBRARY}"
                INTERFACE_INCLUDE_DIRECTORIES "${WSLAY_INCLUDE_DIR}")
else()
        list(APPEND missing_packages libwslay-dev)
endif()

if(missing_packages)
        list(JOIN missing_packages " " missing_packages)
        message(FATAL_ERROR "These Debian packages are missing: ${missing_packages}. "
                "./muster up installs them, or: apt-get install ${missing_packages}")
endif()

# BoringSSL and h2o come from Debian source packages, built once by cmake/build-deps.sh into
# build/deps (shared by all presets). A sanitizer build uses the same ones: they are not instrumented.
set(MUSTER_DEPS_DIR "${PROJECT_SOURCE_DIR}/build/deps" CACHE PATH "Where cmake/build-deps.sh put its results")

if(NOT EXISTS "${MUSTER_DEPS_DIR}/lib/h2o.stamp")
        message(FATAL_ERROR "h2o and BoringSSL are not built yet: run cmake/build-deps.sh (./muster up does)")
endif()

# An exported SSL_* would shadow the OpenSSL that libpq and libcurl bring. A sanitizer's runtime must
# stay exported, so there only these libraries are named.
if(MUSTER_SANITIZE)
        set(hidden_libraries "libboringssl_ssl.a:libboringssl_crypto.a:libh2o-evloop.a")
else()
        set(hidden_libraries ALL)
endif()

foreach(lib ssl crypto)
        add_library(boringssl_${lib} STATIC IMPORTED)
        set_target_properties(boringssl_${lib} PROPERTIES
                IMPORTED_LOCATION "${MUSTER_DEPS_DIR}/lib/libboringssl_${lib}.a"
                INTERFACE_INCLUDE_DIRECTORIES "${MUSTER_DEPS_DIR}/include/boringssl"
                INTERFACE_LINK_OPTIONS "LINKER:--exclude-libs,${hidden_libraries}")
endforeach()
target_link_libraries(boringssl_crypto INTERFACE Threads::Threads)
target_link_libraries(boringssl_ssl INTERFACE boringssl_crypto)

add_library(h2o_evloop STATIC IMPORTED)
set_target_properties(h2o_evloop PROPERTIES
        IMPORTED_LOCATION "${MUSTER_DEPS_DIR}/lib/libh2o-evloop.a"
        INTERFACE_COMPILE_DEFINITIONS "H2O_USE_LIBUV=0"
        INTERFACE_INCLUDE_DIRECTORIES "${MUSTER_DEPS_DIR}/include/h2o")
target_link_libraries(h2o_evloop INTERFACE boringssl_ssl wslay z m)
