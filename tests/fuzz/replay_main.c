/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a fuzz target over kept inputs: every regular file under the directories that are given.
 * 0 when there was at least one and none crashed. */
#include <errno.h>
#include <fts.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* The input lies in memory of its own size, so that a sanitizer sees one byte too many. */
static int replay(const char *path)
{
        FILE *file = fopen(path, "rb");
        uint8_t *data = NULL;
        long bytes;
        int ok = 0;

        if (!file)
                return -errno;
        if (fseek(file, 0, SEEK_END) == 0 && (bytes = ftell(file)) >= 0 &&
            fseek(file, 0, SEEK_SET) == 0) {
                data = malloc(bytes > 0 ? (size_t)bytes : 1);
                ok = data && fread(data, 1, (size_t)bytes, file) == (size_t)bytes;
        }
        (void)fclose(file);
        if (ok) {
                /* On standard error before the run: the last name is the culprit's. */
                (void)fprintf(stderr, "%s\n", path);
                (void)LLVMFuzzerTestOneInput(data, (size_t)bytes);
        }
        free(data);
        return ok ? 0 : -EIO;
}

int main(int argc, char **argv)
{
        unsigned count = 0;
        FTS *tree;
        FTSENT *entry;

        if (argc < 2) {
                (void)fprintf(stderr, "usage: %s DIRECTORY...\n", argv[0]);
                return 2;
        }
        tree = fts_open(argv + 1, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
        if (!tree) {
                perror("fts_open");
                return 1;
        }
        while ((entry = fts_read(tree))) {
                if (entry->fts_info == FTS_ERR || entry->fts_info == FTS_NS ||
                    entry->fts_info == FTS_DNR) {
                        (void)fprintf(stderr, "%s: %s\n", entry->fts_path,
                                      strerror(entry->fts_errno));
                        return 1;
                }
                if (entry->fts_info != FTS_F)
                        continue;
                int r = replay(entry->fts_accpath);

                if (r < 0) {
                        (void)fprintf(stderr, "%s: %s\n", entry->fts_path, strerror(-r));
                        return 1;
                }
                count++;
        }
        (void)fts_close(tree);
        (void)printf("%u inputs\n", count);
        if (count == 0)
                (void)fprintf(stderr, "There is nothing to replay: the directory is empty.\n");
        return count > 0 ? 0 : 1;
}
