/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/secrets.h"

#include <errno.h>
#include <limits.h>
#include <openssl/base64.h>
#include <openssl/mem.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/assert.h"
#include "base/fs.h"
#include "identity/token.h"

enum {
        FILE_BYTES_MAX = 1024,
        ADMIN_KEY_CHARS_MIN = 20,
        PATH_SHOWN = 100,
};

struct mu_secrets {
        struct mu_digest admin_key;
        uint8_t hmac_master[MU_SECRET_MASTER_BYTES];
};

/* A long path loses its beginning: the end names the secret. */
static int fail(char *error, int code, const char *path, const char *what)
{
        size_t chars = strlen(path);
        bool cut = chars > PATH_SHOWN;

        (void)snprintf(error, MU_SECRET_ERROR_BYTES, "The secret %s%.100s %s", cut ? "..." : "",
                       path + (cut ? chars - PATH_SHOWN : 0), what);
        return code;
}

static int fail_errno(char *error, int code, const char *path)
{
        char what[96];

        (void)snprintf(what, sizeof(what), "can't be used: %.60s.", strerror(-code));
        return fail(error, code, path, what);
}

/* The file's line without its end, to be freed and wiped; made by make when it is not there. */
static int read_or_make(const char *path, int (*make)(char *text, size_t room), char **ret_line,
                        char *error)
{
        char made[128];
        struct stat file;

        if (stat(path, &file) < 0) {
                int made_error = errno == ENOENT ? make(made, sizeof(made)) : -errno;

                if (made_error == 0)
                        made_error = mu_fs_write_file(path, made, strlen(made), 0600);
                OPENSSL_cleanse(made, sizeof(made));
                if (made_error < 0)
                        return fail_errno(error, made_error, path);
        } else if ((file.st_mode & 077) != 0) {
                return fail(error, -EPERM, path,
                            "can be read by others; make it private (chmod 600) and replace it.");
        }
        char *line;
        int code = mu_fs_read_file(path, FILE_BYTES_MAX, &line, NULL);

        if (code < 0)
                return fail_errno(error, code, path);
        line[strcspn(line, "\r\n")] = '\0';
        *ret_line = line;
        return 0;
}

static void wipe(char *line)
{
        OPENSSL_cleanse(line, strlen(line));
        free(line);
}

static int make_admin_key(char *text, size_t room)
{
        char key[MU_TOKEN_BYTES];
        int error = mu_token_generate("ma_", key);

        if (error < 0)
                return error;
        (void)snprintf(text, room, "%s\n", key);
        OPENSSL_cleanse(key, sizeof(key));
        return 0;
}

static int make_master(char *text, size_t room)
{
        uint8_t master[MU_SECRET_MASTER_BYTES];

        MU_ASSERT(room > MU_SECRET_MASTER_BYTES * 2);
        if (RAND_bytes(master, sizeof(master)) != 1)
                return -EIO;
        size_t chars = EVP_EncodeBlock((uint8_t *)text, master, sizeof(master));

        text[chars] = '\n';
        text[chars + 1] = '\0';
        OPENSSL_cleanse(master, sizeof(master));
        return 0;
}

static int open_admin_key(struct mu_secrets *secrets, const char *directory, char *error)
{
        char path[PATH_MAX];
        char *line;

        (void)snprintf(path, sizeof(path), "%s/admin-key", directory);
        int code = read_or_make(path, make_admin_key, &line, error);

        if (code < 0)
                return code;
        if (strlen(line) < ADMIN_KEY_CHARS_MIN)
                code = fail(error, -EBADMSG, path,
                            "is too short: at least 20 characters, or remove it for a new one.");
        else
                mu_token_digest(line, strlen(line), &secrets->admin_key);
        wipe(line);
        return code;
}

static int open_master(struct mu_secrets *secrets, const char *directory, char *error)
{
        char path[PATH_MAX];
        uint8_t master[FILE_BYTES_MAX];
        size_t bytes = 0;
        char *line;

        (void)snprintf(path, sizeof(path), "%s/hmac-master", directory);
        int code = read_or_make(path, make_master, &line, error);

        if (code < 0)
                return code;
        if (!EVP_DecodeBase64(master, &bytes, sizeof(master), (const uint8_t *)line,
                              strlen(line)) ||
            bytes != MU_SECRET_MASTER_BYTES)
                code = fail(error, -EBADMSG, path,
                            "is not 32 bytes in base64; restore it from a backup (a new one makes "
                            "every device's command key invalid).");
        else
                memcpy(secrets->hmac_master, master, sizeof(secrets->hmac_master));
        OPENSSL_cleanse(master, sizeof(master));
        wipe(line);
        return code;
}

int mu_secrets_open(const char *directory, struct mu_secrets **ret_secrets, char *error)
{
        struct mu_secrets *secrets = calloc(1, sizeof(*secrets));
        int code = secrets ? mu_fs_make_directories(directory, 0700) : -ENOMEM;

        if (code < 0)
                (void)fail_errno(error, code, directory);
        if (code == 0)
                code = open_admin_key(secrets, directory, error);
        if (code == 0)
                code = open_master(secrets, directory, error);
        if (code < 0) {
                mu_secrets_close(secrets);
                return code;
        }
        *ret_secrets = secrets;
        return 0;
}

void mu_secrets_close(struct mu_secrets *secrets)
{
        if (!secrets)
                return;
        OPENSSL_cleanse(secrets, sizeof(*secrets));
        free(secrets);
}

bool mu_secrets_admin_key_matches(const struct mu_secrets *secrets, const char *key,
                                  size_t key_chars)
{
        struct mu_digest digest;

        /* Digests are compared, so neither length nor content shows in the time. */
        mu_token_digest(key, key_chars, &digest);
        return mu_digest_equal(&digest, &secrets->admin_key);
}

const uint8_t *mu_secrets_hmac_master(const struct mu_secrets *secrets)
{
        return secrets->hmac_master;
}
