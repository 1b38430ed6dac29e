# SPDX-License-Identifier: Apache-2.0
# cmake -DSOURCES=a.sql|b.sql -DOUTPUT=migrations.c -P: the files of schema/ as C arrays, so that
# the daemon needs no path at run time. Its own build step: a changed file is embedded anew.
string(REPLACE "|" ";" SOURCES "${SOURCES}")
set(arrays "")
set(rows "")
set(expected 1)
foreach(source IN LISTS SOURCES)
        get_filename_component(name "${source}" NAME)
        if(NOT name MATCHES "^([0-9][0-9][0-9][0-9])_[a-z0-9_]+\\.sql$")
                message(FATAL_ERROR "schema/${name}: a migration is named NNNN_what_it_does.sql")
        endif()
        math(EXPR version "1${CMAKE_MATCH_1} - 10000")
        if(NOT version EQUAL expected)
                message(FATAL_ERROR "schema/${name}: version ${expected} is missing before it")
        endif()
        math(EXPR expected "${expected} + 1")
        file(READ "${source}" hex HEX)
        string(LENGTH "${hex}" digits)
        math(EXPR bytes "${digits} / 2")
        string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
        # Ends with a NUL that does not count: the text goes to libpq as a string.
        string(APPEND arrays "static const unsigned char sql_${version}[] = {${hex}0};\n")
        string(APPEND rows
                "        {${version}, \"${name}\", (const char *)sql_${version}, ${bytes}},\n")
endforeach()
file(WRITE "${OUTPUT}" "/* Made from schema/ by src/pg/embed_migrations.cmake. */
#include \"pg/migrate.h\"

${arrays}
static const struct mu_migration MIGRATIONS[] = {
${rows}};

const struct mu_migration *mu_migrations_embedded(size_t *ret_count)
{
        *ret_count = sizeof(MIGRATIONS) / sizeof(MIGRATIONS[0]);
        return MIGRATIONS;
}
")
