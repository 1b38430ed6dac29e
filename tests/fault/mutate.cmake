# SPDX-License-Identifier: Apache-2.0
# cmake -DFROM=file -DTO=file -P mutate.cmake: a copy of a source file with one bug planted, the text
# in TO.old replaced by the one in TO.new. It must stand there exactly once, or it is out of date.
file(READ "${FROM}" source)
file(READ "${TO}.old" old)
file(READ "${TO}.new" new)
string(FIND "${source}" "${old}" first)
string(FIND "${source}" "${old}" last REVERSE)
if(first EQUAL -1 OR NOT first EQUAL last)
        message(FATAL_ERROR "${FROM}: \"${old}\" does not stand there exactly once; "
                "bring the planted bug in tests/fault/CMakeLists.txt up to date")
endif()
string(REPLACE "${old}" "${new}" source "${source}")
file(WRITE "${TO}" "${source}")
