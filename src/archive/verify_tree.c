/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/listing.h"
#include "archive/verify.h"

/* What the chain is told by. */
struct link {
        int64_t day;
        int64_t previous_day;
        uint32_t sequence;
        uint8_t sha256[MU_SHA256_BYTES];
        uint8_t previous_sha256[MU_SHA256_BYTES];
};

struct walk {
        const char *root;
        const struct mu_archive_check *check; /* the caller's */
        struct mu_archive_check counted;      /* ours: counts what it passes on */
        struct mu_archive_totals *totals;
        const char *parent;
        struct link *links; /* of the parent */
        size_t link_count;
};

static void count_problem(void *context, const char *file, const char *detail)
{
        struct walk *walk = context;

        walk->totals->problems++;
        walk->check->on_problem(walk->check->context, file, detail);
}

static int pass_bytes(void *context, size_t bytes)
{
        struct walk *walk = context;

        return walk->check->on_bytes ? walk->check->on_bytes(walk->check->context, bytes) : 0;
}

static void tell(struct walk *walk, const char *path, const char *detail)
{
        char shown[3 * MU_ARCHIVE_ENTRY_BYTES + 4];

        (void)snprintf(shown, sizeof(shown), "%s", path);
        for (char *at = shown; *at; at++)
                if (*at < ' ' || *at == 0x7f)
                        *at = '?';
        count_problem(walk, shown, detail);
}

static int add_link(struct walk *walk, const struct mu_archive_manifest *manifest,
                    const uint8_t sha256[MU_SHA256_BYTES])
{
        void *links = realloc(walk->links, (walk->link_count + 1) * sizeof(*walk->links));

        if (!links)
                return -ENOMEM;
        walk->links = links;
        struct link *link = &walk->links[walk->link_count++];

        *link = (struct link){.day = manifest->day,
                              .previous_day = manifest->previous_day,
                              .sequence = manifest->sequence};
        memcpy(link->sha256, sha256, MU_SHA256_BYTES);
        memcpy(link->previous_sha256, manifest->previous_sha256, MU_SHA256_BYTES);
        return 0;
}

static int walk_day(struct walk *walk, int64_t day)
{
        struct mu_archive_manifest *manifest;
        uint8_t sha256[MU_SHA256_BYTES];
        uint32_t stray;
        int err = mu_archive_check_day(walk->root, walk->parent, day, &walk->counted, &manifest,
                                       sha256, &stray);

        walk->totals->days++;
        if (err)
                return err == -EBADMSG ? 0 : err;
        for (uint32_t i = 0; i < manifest->part_count && (!err || err == -EBADMSG); i++)
                err = mu_archive_check_part(walk->root, manifest, i, &walk->counted);
        if (!err || err == -EBADMSG) /* its problems are told */
                err = add_link(walk, manifest, sha256);
        walk->totals->files += manifest->part_count;
        walk->totals->rows += (uint64_t)manifest->rows;
        walk->totals->stored_bytes += (uint64_t)manifest->stored_bytes;
        mu_archive_manifest_free(manifest);
        return err;
}

/* A day that is being written lies in a directory of its own until it is whole. */
static bool is_partial(const char *name)
{
        size_t bytes = strlen(name), suffix = strlen(MU_ARCHIVE_PARTIAL);

        return bytes > suffix && strcmp(name + bytes - suffix, MU_ARCHIVE_PARTIAL) == 0;
}

static int walk_year(struct walk *walk, const char *year)
{
        struct mu_archive_listing listing;
        char *path;

        if (asprintf(&path, "%s/%s/%s", walk->root, walk->parent, year) < 0)
                return -ENOMEM;
        int err = mu_archive_list(path, &listing);

        free(path);
        for (size_t i = 0; !err && i < listing.count; i++) {
                const char *name = listing.entries[i].name;
                int64_t day;

                if (listing.entries[i].is_directory && mu_archive_place_parse(name, &day) == 0 &&
                    strncmp(name, year, 4) == 0) {
                        err = walk_day(walk, day);
                } else if (!is_partial(name)) {
                        if (asprintf(&path, "%s/%s/%s", walk->parent, year, name) < 0) {
                                err = -ENOMEM;
                                break;
                        }
                        tell(walk, path, "does not belong here");
                        free(path);
                }
        }
        mu_archive_listing_done(&listing);
        return err;
}

static int by_sequence(const void *a, const void *b)
{
        const struct link *left = a, *right = b;

        if (left->sequence != right->sequence)
                return left->sequence < right->sequence ? -1 : 1;
        return left->day < right->day ? -1 : left->day > right->day;
}

static void check_link(struct walk *walk, const struct link *link, const struct link *before)
{
        char place[MU_ARCHIVE_PLACE_BYTES];
        char path[MU_ARCHIVE_PLACE_BYTES + sizeof(MU_ARCHIVE_MANIFEST) + 1];
        char date[MU_ARCHIVE_DATE_BYTES];
        char detail[MU_ARCHIVE_DETAIL_BYTES];

        if (link->sequence == 1 && !before)
                return;
        mu_archive_place(walk->parent, link->day, place);
        (void)snprintf(path, sizeof(path), "%s/" MU_ARCHIVE_MANIFEST, place);
        if (before && before->sequence == link->sequence) {
                mu_archive_date(before->day, date);
                (void)snprintf(detail, sizeof(detail),
                               "breaks the chain: it has the same place, %" PRIu32 ", as %s",
                               link->sequence, date);
                tell(walk, path, detail);
                return;
        }
        mu_archive_date(link->previous_day, date);
        if (!before || before->sequence + 1 != link->sequence) {
                (void)snprintf(detail, sizeof(detail),
                               "breaks the chain: the day before it, %s, can't be read here", date);
                tell(walk, path, detail);
        } else if (before->day != link->previous_day ||
                   memcmp(before->sha256, link->previous_sha256, MU_SHA256_BYTES) != 0) {
                (void)snprintf(detail, sizeof(detail),
                               "breaks the chain: it follows another manifest of %s than the one "
                               "that is here",
                               date);
                tell(walk, path, detail);
        }
}

static int walk_parent(struct walk *walk, const char *parent)
{
        struct mu_archive_listing years;
        char *path;

        if (asprintf(&path, "%s/%s", walk->root, parent) < 0)
                return -ENOMEM;
        int err = mu_archive_list(path, &years);

        free(path);
        walk->parent = parent;
        for (size_t i = 0; !err && i < years.count; i++) {
                const char *name = years.entries[i].name;

                if (years.entries[i].is_directory && strlen(name) == 4 &&
                    strspn(name, "0123456789") == 4) {
                        err = walk_year(walk, name);
                } else {
                        if (asprintf(&path, "%s/%s", parent, name) < 0) {
                                err = -ENOMEM;
                                break;
                        }
                        tell(walk, path, "does not belong here");
                        free(path);
                }
        }
        mu_archive_listing_done(&years);
        if (walk->link_count > 1)
                qsort(walk->links, walk->link_count, sizeof(*walk->links), by_sequence);
        for (size_t i = 0; !err && i < walk->link_count; i++)
                check_link(walk, &walk->links[i], i ? &walk->links[i - 1] : NULL);
        free(walk->links);
        walk->links = NULL;
        walk->link_count = 0;
        return err;
}

int mu_archive_check_tree(const char *root, const struct mu_archive_check *check,
                          struct mu_archive_totals *ret_totals)
{
        struct mu_archive_listing parents = {0};
        struct walk walk = {.root = root, .check = check, .totals = ret_totals};

        *ret_totals = (struct mu_archive_totals){0};
        walk.counted = (struct mu_archive_check){
                .on_problem = count_problem, .on_bytes = pass_bytes, .context = &walk};
        int err = mu_archive_list(root, &parents);

        for (size_t i = 0; !err && i < parents.count; i++) {
                const struct mu_archive_entry *entry = &parents.entries[i];

                if (strcmp(entry->name, MU_ARCHIVE_ASIDE) == 0)
                        continue;
                if (entry->is_directory && strlen(entry->name) < MU_ARCHIVE_NAME_BYTES)
                        err = walk_parent(&walk, entry->name);
                else
                        tell(&walk, entry->name, "does not belong here");
        }
        mu_archive_listing_done(&parents);
        if (!err && ret_totals->problems > 0)
                err = -EBADMSG;
        return err;
}
