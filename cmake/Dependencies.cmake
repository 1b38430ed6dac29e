# SPDX-License-Identifier: Apache-2.0
# Imported targets for everything that is not ours.

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(LIBURING REQUIRED IMPORTED_TARGET liburing)
pkg_check_modules(LIBPQ REQUIRED IMPORTED_TARGET libpq)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(SIMDJSON REQUIRED IMPORTED_TARGET simdjson)
pkg_check_modules(INIH REQUIRED IMPORTED_TARGET inih)
pkg_check_modules(WSLAY REQUIRED IMPORTED_TARGET libwslay)
pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)
if(MUSTER_JEMALLOC)
        pkg_check_modules(JEMALLOC REQUIRED IMPORTED_TARGET jemalloc)
endif()

# BoringSSL and h2o come from Debian source packages, built once by cmake/build-deps.sh into
# build/deps (shared by all presets).
set(MUSTER_DEPS_DIR "${PROJECT_SOURCE_DIR}/build/deps" CACHE PATH "Where cmake/build-deps.sh put its results")

foreach(lib ssl crypto)
        add_library(boringssl_${lib} STATIC IMPORTED)
        set_target_properties(boringssl_${lib} PROPERTIES
                IMPORTED_LOCATION "${MUSTER_DEPS_DIR}/lib/libboringssl_${lib}.a"
                INTERFACE_INCLUDE_DIRECTORIES "${MUSTER_DEPS_DIR}/include/boringssl")
endforeach()
target_link_libraries(boringssl_crypto INTERFACE Threads::Threads)
target_link_libraries(boringssl_ssl INTERFACE boringssl_crypto)

add_library(h2o_evloop STATIC IMPORTED)
set_target_properties(h2o_evloop PROPERTIES
        IMPORTED_LOCATION "${MUSTER_DEPS_DIR}/lib/libh2o-evloop.a"
        INTERFACE_COMPILE_DEFINITIONS "H2O_USE_LIBUV=0"
        INTERFACE_INCLUDE_DIRECTORIES "${MUSTER_DEPS_DIR}/include/h2o")
target_link_libraries(h2o_evloop INTERFACE boringssl_ssl PkgConfig::WSLAY z m)

if(NOT EXISTS "${MUSTER_DEPS_DIR}/lib/libh2o-evloop.a")
        message(FATAL_ERROR "h2o and BoringSSL are not built yet: run cmake/build-deps.sh (./muster up does)")
endif()
