# SPDX-License-Identifier: Apache-2.0
# One function per kind of thing that is built.

# mu_module(NAME SOURCES a.c ... [LIBS lib ...]): static library muster_NAME of one src/ folder.
function(mu_module name)
        cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
        add_library(muster_${name} STATIC ${ARG_SOURCES})
        target_link_libraries(muster_${name} PUBLIC ${ARG_LIBS} PRIVATE muster_flags)
endfunction()

# mu_program(NAME SOURCES ... LIBS ...): an executable in the build folder's bin/.
function(mu_program name)
        cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
        add_executable(${name} ${ARG_SOURCES})
        target_link_libraries(${name} PRIVATE ${ARG_LIBS} muster_flags)
        set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
endfunction()

# mu_unit_test(NAME SOURCES ... [LIBS ...] [LABELS ...] [TIMEOUT s]): a cmocka program run by ctest.
function(mu_unit_test name)
        cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;LIBS;LABELS" ${ARGN})
        if(NOT ARG_TIMEOUT)
                set(ARG_TIMEOUT 120)
        endif()
        if(NOT ARG_LABELS)
                set(ARG_LABELS unit)
        endif()
        add_executable(test_${name} ${ARG_SOURCES})
        target_link_libraries(test_${name} PRIVATE ${ARG_LIBS} muster_flags PkgConfig::CMOCKA)
        set_target_properties(test_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
        add_test(NAME ${name} COMMAND test_${name})
        set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT ${ARG_TIMEOUT})
        if(stage IN_LIST ARG_LABELS) # the long ones first
                set_tests_properties(${name} PROPERTIES COST 10)
        endif()
endfunction()

# mu_fuzz_target(NAME SOURCES ... [LIBS ...] CORPUS dir): one LLVMFuzzerTestOneInput. With MUSTER_FUZZ it
# is a libFuzzer program; otherwise tests/fuzz/replay_main.c runs it over the kept corpus and crashers.
function(mu_fuzz_target name)
        cmake_parse_arguments(ARG "" "CORPUS" "SOURCES;LIBS" ${ARGN})
        add_executable(fuzz_${name} ${ARG_SOURCES})
        target_link_libraries(fuzz_${name} PRIVATE ${ARG_LIBS} muster_flags)
        set_target_properties(fuzz_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/fuzz")
        if(NOT TARGET fuzz_targets) # all of them, and nothing else
                add_custom_target(fuzz_targets)
        endif()
        add_dependencies(fuzz_targets fuzz_${name})
        if(MUSTER_FUZZ)
                target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
                # What it finds goes into its first directory: never the source tree.
                file(MAKE_DIRECTORY "${PROJECT_BINARY_DIR}/fuzz/found_${name}")
                add_test(NAME fuzz_${name} COMMAND fuzz_${name} -runs=20000 -max_total_time=20
                        "${PROJECT_BINARY_DIR}/fuzz/found_${name}" ${ARG_CORPUS})
        else()
                target_sources(fuzz_${name} PRIVATE "${PROJECT_SOURCE_DIR}/tests/fuzz/replay_main.c")
                add_test(NAME fuzz_${name} COMMAND fuzz_${name} ${ARG_CORPUS})
        endif()
        set_tests_properties(fuzz_${name} PROPERTIES LABELS fuzz TIMEOUT 120)
endfunction()
