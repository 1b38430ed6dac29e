# SPDX-License-Identifier: Apache-2.0
# Build switches and the flags that every target of ours is compiled with.

option(MUSTER_JEMALLOC "Link jemalloc (sanitizers and libfaketime need it off)" ON)
option(MUSTER_FAILPOINTS "Compile named failpoints in (test builds only)" OFF)
option(MUSTER_FUZZ "Build the libFuzzer targets (clang)" OFF)
set(MUSTER_SANITIZE "" CACHE STRING "Sanitizers for -fsanitize=, for example address,undefined")

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON) # io_uring, eventfd and accept4 are Linux's own
set(CMAKE_CXX_STANDARD 17)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

add_library(muster_flags INTERFACE)
target_compile_definitions(muster_flags INTERFACE _GNU_SOURCE MUSTER_VERSION="${PROJECT_VERSION}")
target_compile_options(muster_flags INTERFACE
        -Wall -Wextra -Wconversion -Wshadow -Werror -fno-omit-frame-pointer
        $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes -Wmissing-prototypes>
        $<$<CONFIG:Release,RelWithDebInfo>:-fstack-protector-strong>)
target_include_directories(muster_flags INTERFACE
        "${PROJECT_SOURCE_DIR}/include" "${PROJECT_SOURCE_DIR}/src")

if(MUSTER_FAILPOINTS)
        target_compile_definitions(muster_flags INTERFACE MUSTER_FAILPOINTS=1)
endif()
if(MUSTER_SANITIZE)
        add_compile_options(-fsanitize=${MUSTER_SANITIZE} -fno-sanitize-recover=all)
        add_link_options(-fsanitize=${MUSTER_SANITIZE})
endif()
if(MUSTER_FUZZ)
        add_compile_options(-fsanitize=fuzzer-no-link)
endif()
