/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/verify.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/listing.h"
#include "archive/part_reader.h"

enum { PATH_BYTES = MU_ARCHIVE_PLACE_BYTES + MU_ARCHIVE_ENTRY_BYTES + 2 };

/* file NULL: the directory itself. */
static void tell(const struct mu_archive_check *check, const char *place, const char *file,
                 const char *detail)
{
        char path[PATH_BYTES];

        (void)snprintf(path, sizeof(path), "%s%s%s", place, file ? "/" : "", file ? file : "");
        for (char *at = path; *at; at++)
                if (*at < ' ' || *at == 0x7f)
                        *at = '?';
        check->on_problem(check->context, path, detail);
}

static bool belongs(const struct mu_archive_manifest *manifest, const char *name)
{
        uint32_t number;

        if (strcmp(name, MU_ARCHIVE_MANIFEST) == 0)
                return true;
        return mu_archive_part_parse(name, &number) == 0 && number < manifest->part_count;
}

static int check_listing(const char *directory, const char *place,
                         const struct mu_archive_manifest *manifest,
                         const struct mu_archive_check *check, uint32_t *ret_stray)
{
        struct mu_archive_listing listing;
        int err = mu_archive_list(directory, &listing);

        *ret_stray = 0;
        if (err)
                return err;
        for (size_t i = 0; i < listing.count; i++) {
                if (belongs(manifest, listing.entries[i].name))
                        continue;
                tell(check, place, listing.entries[i].name, "does not belong here");
                ++*ret_stray;
        }
        mu_archive_listing_done(&listing);
        return 0;
}

static int check_place(const struct mu_archive_manifest *manifest, const char *parent, int64_t day,
                       const char *place, const struct mu_archive_check *check)
{
        char date[MU_ARCHIVE_DATE_BYTES];
        char detail[MU_ARCHIVE_DETAIL_BYTES];

        if (manifest->day == day && strcmp(manifest->parent, parent) == 0)
                return 0;
        mu_archive_date(manifest->day, date);
        (void)snprintf(detail, sizeof(detail), "is that of %s, %s: it does not belong here",
                       manifest->parent, date);
        tell(check, place, MU_ARCHIVE_MANIFEST, detail);
        return -EBADMSG;
}

int mu_archive_check_day(const char *root, const char *parent, int64_t day,
                         const struct mu_archive_check *check,
                         struct mu_archive_manifest **ret_manifest,
                         uint8_t ret_sha256[MU_SHA256_BYTES], uint32_t *ret_stray)
{
        struct mu_archive_manifest *manifest = NULL;
        char place[MU_ARCHIVE_PLACE_BYTES];
        char detail[MU_ARCHIVE_DETAIL_BYTES];
        char *directory;

        mu_archive_place(parent, day, place);
        if (asprintf(&directory, "%s/%s", root, place) < 0)
                return -ENOMEM;
        int err = mu_archive_manifest_read(directory, &manifest, ret_sha256, detail);

        if (err && err != -ENOMEM) {
                tell(check, place, MU_ARCHIVE_MANIFEST, detail);
                err = -EBADMSG;
        }
        if (!err)
                err = check_place(manifest, parent, day, place, check);
        if (!err)
                err = check_listing(directory, place, manifest, check, ret_stray);
        free(directory);
        if (err)
                mu_archive_manifest_free(manifest);
        else
                *ret_manifest = manifest;
        return err;
}

int mu_archive_check_part(const char *root, const struct mu_archive_manifest *manifest,
                          uint32_t number, const struct mu_archive_check *check)
{
        const struct mu_archive_read read = {.on_bytes = check->on_bytes,
                                             .context = check->context};
        char place[MU_ARCHIVE_PLACE_BYTES];
        char file[MU_ARCHIVE_FILE_BYTES];
        char detail[MU_ARCHIVE_DETAIL_BYTES];
        char *directory;

        mu_archive_place(manifest->parent, manifest->day, place);
        mu_archive_part_name(number, file);
        if (asprintf(&directory, "%s/%s", root, place) < 0)
                return -ENOMEM;
        int err = mu_archive_part_read(directory, manifest, number, &read, detail);

        free(directory);
        if (err == -EBADMSG)
                tell(check, place, file, detail);
        return err;
}
