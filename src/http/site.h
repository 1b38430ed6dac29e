/* SPDX-License-Identifier: Apache-2.0 */
/*
 * site.h - a folder of finished files for browsers, read once and kept in memory.
 *
 * The folder has a manifest.json, made when the files were built (ui/scripts/pack.mjs), and nothing
 * that it does not name is ever read or served:
 *
 *   {"format":1,"files":[{"path":"/assets/app-x1.js","type":"text/javascript; charset=utf-8",
 *     "immutable":true,"bytes":1000,"sha256":"…","br":{"bytes":300,"sha256":"…"},"gzip":{…}}]}
 *
 * A file lies at its path below the folder, its compressed forms beside it as .br and .gz. Sizes
 * and hashes are checked while reading, so that half a copy is refused as a whole.
 *
 * A request's path is compared with the manifest's paths, byte for byte, and never meets the file
 * system.
 *
 * Units      bytes.
 * Threads    open: one. Then read-only; ref and unref: any.
 * Ownership  Counted. Files and their bytes live as long as a reference to the site.
 * Errors     -ENOENT (no manifest.json), -EINVAL (not what it says), -EFBIG, -ENOMEM, what reading
 *            gave, and a sentence in error (MU_SITE_ERROR_BYTES).
 */
#ifndef MUSTER_HTTP_SITE_H
#define MUSTER_HTTP_SITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/request.h"
#include "muster/compiler.h"

enum mu_site_limits {
        MU_SITE_FILES_MAX = 2048,
        MU_SITE_BYTES_MAX = 64 * 1024 * 1024, /* of all forms of all files */
        MU_SITE_PATH_BYTES_MAX = 512,
        MU_SITE_ETAG_BYTES = 35, /* 32 digits, quoted, with NUL */
        MU_SITE_ERROR_BYTES = 640,
};

enum mu_site_form {
        MU_SITE_PLAIN,
        MU_SITE_GZIP,
        MU_SITE_BROTLI, /* the smallest last */
        MU_SITE_FORMS,
};

struct mu_site_body {
        char *bytes; /* NULL: the file has no such form */
        size_t size;
        char etag[MU_SITE_ETAG_BYTES];
};

struct mu_site_file {
        const char *path; /* "/index.html" */
        size_t path_bytes;
        const char *type;
        bool immutable; /* its name changes with its content */
        struct mu_site_body forms[MU_SITE_FORMS];
};

struct mu_site;

MU_MUST_CHECK
int mu_site_open(const char *directory, struct mu_site **ret_site, char *error);
struct mu_site *mu_site_ref(struct mu_site *site);
void mu_site_unref(struct mu_site *site); /* NULL is a no-op */

uint32_t mu_site_file_count(const struct mu_site *site);
uint64_t mu_site_bytes(const struct mu_site *site);
/* NULL: there is none. */
const struct mu_site_file *mu_site_find(const struct mu_site *site, const char *path, size_t bytes);

/* The form that a client wants which sends this Accept-Encoding (data NULL: none): the one it likes
 * best, of equals the smallest. Plain where it wants none of them. */
enum mu_site_form mu_site_choose(const struct mu_site_file *file, struct mu_slice accept_encoding);
/* "gzip", "br"; NULL for plain. */
const char *mu_site_form_name(enum mu_site_form form);

/* Whether an If-None-Match names this tag (RFC 9110, weak comparison: W/"a" is "a"). */
bool mu_etag_is_among(struct mu_slice if_none_match, const char *etag);
/* Whether an If-Match does (strong comparison: W/"a" is none). */
bool mu_etag_is_strongly_among(struct mu_slice if_match, const char *etag);

#endif
