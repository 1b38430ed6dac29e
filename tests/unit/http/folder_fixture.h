/* SPDX-License-Identifier: Apache-2.0 */
/*
 * folder_fixture.h - a folder of files with their manifest, in a temporary directory.
 *
 * Errors     Anything unexpected fails the running cmocka test.
 */
#ifndef MUSTER_TEST_FOLDER_FIXTURE_H
#define MUSTER_TEST_FOLDER_FIXTURE_H

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

struct folder {
        char path[64];
        json_t *files; /* of the manifest */
};

void folder_make(struct folder *folder);
void folder_remove(struct folder *folder);

/* A file as it is: name with its slash ("/a/b.js"). */
void folder_write(const struct folder *folder, const char *name, const void *bytes, size_t size);
/* A file and its entry, which is returned (the folder's). */
json_t *folder_put(struct folder *folder, const char *name, const char *type, bool immutable,
                   const void *bytes, size_t size);
/* A compressed form of entry's file: form "gzip" or "br". */
void folder_put_form(struct folder *folder, json_t *entry, const char *form, const void *bytes,
                     size_t size);
/* manifest.json, of what was put. */
void folder_finish(const struct folder *folder);

#endif
