/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/secrets.h"

#include <errno.h>
#include <limits.h>
#include <openssl/base64.h>
#include <openssl/digest.h>
#include <openssl/hkdf.h>
#include <openssl/mem.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/assert.h"
#include "base/fs.h"
#include "identity/jwt.h"
#include "identity/password.h"
#include "identity/token.h"

enum {
        FILE_BYTES_MAX = 1024,
        ADMIN_KEY_CHARS_MIN = 20,
        PATH_SHOWN = 100,
        DISTINCT_BYTES_MIN = 12, /* 32 random bytes have fewer once in 10^17 */
};

struct mu_secrets {
        char *directory;
        pthread_mutex_t rotating;
        struct mu_jwt_keys *jwt_keys;
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

static bool is_missing(const char *path)
{
        struct stat file;

        return stat(path, &file) < 0 && errno == ENOENT;
}

static int make_file(const char *path, int (*make)(char *text, size_t room), char *error)
{
        char made[128];
        int code = make(made, sizeof(made));

        if (code == 0)
                code = mu_fs_write_file(path, made, strlen(made), 0600);
        OPENSSL_cleanse(made, sizeof(made));
        return code < 0 ? fail_errno(error, code, path) : 0;
}

/* The file's text, to be freed and wiped; made by make when it is not there. */
static int read_or_make(const char *path, int (*make)(char *text, size_t room), char **ret_text,
                        char *error)
{
        struct stat file;
        int code = is_missing(path) ? make_file(path, make, error) : 0;

        if (code < 0)
                return code;
        if (stat(path, &file) < 0)
                return fail_errno(error, -errno, path);
        if ((file.st_mode & 077) != 0)
                return fail(error, -EPERM, path,
                            "can be read by others; make it private (chmod 600) and replace it.");
        code = mu_fs_read_file(path, FILE_BYTES_MAX, ret_text, NULL);
        return code < 0 ? fail_errno(error, code, path) : 0;
}

/* The same of a file with one line, without its end. */
static int read_line_or_make(const char *path, int (*make)(char *text, size_t room),
                             char **ret_line, char *error)
{
        int code = read_or_make(path, make, ret_line, error);

        if (code == 0)
                (*ret_line)[strcspn(*ret_line, "\r\n")] = '\0';
        return code;
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

static int make_key(char *text, size_t room)
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
        int code = read_line_or_make(path, make_admin_key, &line, error);

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
        int code = read_line_or_make(path, make_key, &line, error);

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

/* ---- the first user's password ---- */

/* Four groups of six out of 32 letters and digits that can't be taken for each other: 120 bits. */
static int make_password(char *text, size_t room)
{
        static const char readable[] = "abcdefghijkmnpqrstuvwxyz23456789";
        uint8_t random[24];
        size_t at = 0;

        _Static_assert(sizeof(readable) == 32 + 1, "five bits a character");
        MU_ASSERT(room > sizeof(random) + 4);
        if (RAND_bytes(random, sizeof(random)) != 1)
                return -EIO;
        for (size_t i = 0; i < sizeof(random); i++) {
                if (i > 0 && i % 6 == 0)
                        text[at++] = '-';
                text[at++] = readable[random[i] & 31];
        }
        text[at++] = '\n';
        text[at] = '\0';
        OPENSSL_cleanse(random, sizeof(random));
        return 0;
}

int mu_secrets_admin_password(const struct mu_secrets *secrets, char **ret_password, char *error)
{
        char path[PATH_MAX];
        char what[160];
        char *line;

        (void)snprintf(path, sizeof(path), "%s/admin-password", secrets->directory);
        int code = read_line_or_make(path, make_password, &line, error);

        if (code < 0)
                return code;
        const char *flaw = mu_password_flaw(line, strlen(line), "admin");

        if (flaw) {
                wipe(line);
                (void)snprintf(what, sizeof(what), "will not do: %.140s", flaw);
                return fail(error, -EBADMSG, path, what);
        }
        *ret_password = line;
        return 0;
}

/* One that is there is checked at each start, while it can still be told in time. */
static int open_admin_password(const struct mu_secrets *secrets, bool first_start, char *error)
{
        char path[PATH_MAX];
        char *password;

        (void)snprintf(path, sizeof(path), "%s/admin-password", secrets->directory);
        if (!first_start && is_missing(path))
                return 0;
        int code = mu_secrets_admin_password(secrets, &password, error);

        if (code == 0)
                wipe(password);
        return code;
}

/* ---- the key of access tokens ---- */

/* Few different bytes, a pattern that comes again, or a row of numbers: nobody's random bytes. */
static bool is_obvious(const uint8_t key[MU_JWT_KEY_BYTES])
{
        bool seen[256] = {false};
        int different = 0;
        bool counting = true;

        for (size_t i = 0; i < MU_JWT_KEY_BYTES; i++) {
                different += !seen[key[i]];
                seen[key[i]] = true;
                counting = counting &&
                           (i < 2 || (uint8_t)(key[i] - key[i - 1]) == (uint8_t)(key[1] - key[0]));
        }
        return different < DISTINCT_BYTES_MIN || counting ||
               memcmp(key, key + MU_JWT_KEY_BYTES / 2, MU_JWT_KEY_BYTES / 2) == 0;
}

static int parse_jwt_key(const char *path, const char *line, size_t chars,
                         uint8_t ret_key[MU_JWT_KEY_BYTES], char *error)
{
        uint8_t key[FILE_BYTES_MAX];
        size_t bytes = 0;
        int code = 0;

        if (!EVP_DecodeBase64(key, &bytes, sizeof(key), (const uint8_t *)line, chars) ||
            bytes != MU_JWT_KEY_BYTES)
                code = fail(error, -EBADMSG, path,
                            "is not 32 random bytes in base64; remove it for a new one (everybody "
                            "signs in again).");
        else if (is_obvious(key))
                code = fail(error, -EBADMSG, path,
                            "is not random, so it could be guessed; remove it for a new one.");
        else
                memcpy(ret_key, key, MU_JWT_KEY_BYTES);
        OPENSSL_cleanse(key, sizeof(key));
        return code;
}

static int open_jwt(struct mu_secrets *secrets, char *error)
{
        uint8_t keys[2][MU_JWT_KEY_BYTES];
        char path[PATH_MAX];
        size_t count = 0;
        char *text;

        (void)snprintf(path, sizeof(path), "%s/jwt-secret", secrets->directory);
        int code = read_or_make(path, make_key, &text, error);

        if (code < 0)
                return code;
        for (const char *at = text; code == 0 && (*at || count == 0) && count < 2; count++) {
                size_t chars = strcspn(at, "\r\n");

                code = parse_jwt_key(path, at, chars, keys[count], error);
                at += chars;
                at += strspn(at, "\r\n");
        }
        if (code == 0) {
                code = mu_jwt_keys_create(keys[0], count > 1 ? keys[1] : NULL, &secrets->jwt_keys);
                if (code < 0)
                        code = fail_errno(error, code, path);
        }
        OPENSSL_cleanse(keys, sizeof(keys));
        wipe(text);
        return code;
}

int mu_secrets_rotate_jwt(struct mu_secrets *secrets, char *error)
{
        char path[PATH_MAX];
        char fresh[128];
        char both[256];
        uint8_t key[MU_JWT_KEY_BYTES];
        char *text = NULL;

        (void)snprintf(path, sizeof(path), "%s/jwt-secret", secrets->directory);
        pthread_mutex_lock(&secrets->rotating);
        int code = make_key(fresh, sizeof(fresh));

        if (code == 0)
                code = mu_fs_read_file(path, FILE_BYTES_MAX, &text, NULL);
        if (code == 0) {
                int length = snprintf(both, sizeof(both), "%s%.*s\n", fresh,
                                      (int)strcspn(text, "\r\n"), text);

                MU_ASSERT(length > 0 && (size_t)length < sizeof(both));
                wipe(text);
                code = mu_fs_write_file(path, both, (size_t)length, 0600);
        }
        if (code == 0)
                code = parse_jwt_key(path, fresh, strcspn(fresh, "\n"), key, error);
        if (code == 0)
                mu_jwt_keys_rotate(secrets->jwt_keys, key);
        pthread_mutex_unlock(&secrets->rotating);
        OPENSSL_cleanse(fresh, sizeof(fresh));
        OPENSSL_cleanse(both, sizeof(both));
        OPENSSL_cleanse(key, sizeof(key));
        return code < 0 ? fail_errno(error, code, path) : 0;
}

struct mu_jwt_keys *mu_secrets_jwt_keys(const struct mu_secrets *secrets)
{
        return secrets->jwt_keys;
}

/* ---- all of them ---- */

static int create(const char *directory, struct mu_secrets **ret_secrets)
{
        struct mu_secrets *secrets = calloc(1, sizeof(*secrets));

        if (!secrets)
                return -ENOMEM;
        secrets->directory = strdup(directory);
        if (!secrets->directory || pthread_mutex_init(&secrets->rotating, NULL) != 0) {
                free(secrets->directory);
                free(secrets);
                return -ENOMEM;
        }
        *ret_secrets = secrets;
        return 0;
}

int mu_secrets_open(const char *directory, struct mu_secrets **ret_secrets, char *error)
{
        char path[PATH_MAX];
        struct mu_secrets *secrets = NULL;
        int code = create(directory, &secrets);

        if (code == 0)
                code = mu_fs_make_directories(directory, 0700);
        if (code < 0)
                (void)fail_errno(error, code, directory);
        if (code == 0)
                code = open_admin_key(secrets, directory, error);
        if (code == 0)
                code = open_master(secrets, directory, error);
        (void)snprintf(path, sizeof(path), "%s/jwt-secret", directory);
        bool first_start = is_missing(path);

        /* The password first: should the start be cut off in between, it is still a first one. */
        if (code == 0)
                code = open_admin_password(secrets, first_start, error);
        if (code == 0)
                code = open_jwt(secrets, error);
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
        mu_jwt_keys_destroy(secrets->jwt_keys);
        pthread_mutex_destroy(&secrets->rotating);
        free(secrets->directory);
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

void mu_secrets_derive(const struct mu_secrets *secrets, const char *label,
                       uint8_t ret_key[MU_SECRET_KEY_BYTES])
{
        char info[128];
        int length = snprintf(info, sizeof(info), "muster key: %s", label);

        MU_ASSERT(length > 0 && (size_t)length < sizeof(info));
        int done =
                HKDF(ret_key, MU_SECRET_KEY_BYTES, EVP_sha256(), secrets->hmac_master,
                     sizeof(secrets->hmac_master), NULL, 0, (const uint8_t *)info, (size_t)length);

        MU_ASSERT(done == 1);
}
