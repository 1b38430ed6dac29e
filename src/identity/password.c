/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/password.h"

#include <crypt.h>
#include <ctype.h>
#include <errno.h>
#include <openssl/base64.h>
#include <openssl/mem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

enum {
        BCRYPT_BYTES_MAX = 72,
        SALT_BYTES = 16,
        DIFFERENT_MIN = 4,
        DIGEST_TEXT_BYTES = 45, /* base64 of SHA-256, NUL */
};

static const char label[] = "muster password";

/* What bcrypt is given: NUL-terminated, at most BCRYPT_BYTES_MAX bytes. */
struct phrase {
        char text[BCRYPT_BYTES_MAX + 1];
};

static int make_phrase(const char *password, size_t bytes, struct phrase *ret_phrase)
{
        uint8_t digest[SHA256_DIGEST_LENGTH];
        SHA256_CTX sha;

        _Static_assert(DIGEST_TEXT_BYTES <= sizeof(ret_phrase->text), "the digest fits");
        if (bytes > MU_PASSWORD_BYTES_MAX || (bytes > 0 && memchr(password, '\0', bytes)))
                return -EINVAL;
        if (bytes <= BCRYPT_BYTES_MAX) {
                if (bytes > 0)
                        memcpy(ret_phrase->text, password, bytes);
                ret_phrase->text[bytes] = '\0';
                return 0;
        }
        SHA256_Init(&sha);
        SHA256_Update(&sha, label, sizeof(label)); /* with its NUL */
        SHA256_Update(&sha, password, bytes);
        SHA256_Final(digest, &sha);
        (void)EVP_EncodeBlock((uint8_t *)ret_phrase->text, digest, sizeof(digest));
        OPENSSL_cleanse(digest, sizeof(digest));
        OPENSSL_cleanse(&sha, sizeof(sha));
        return 0;
}

/* The phrase's hash under setting (another hash, or a salt). */
static int run_crypt(const struct phrase *phrase, const char *setting,
                     char ret_hash[MU_PASSWORD_HASH_BYTES])
{
        void *data = NULL;
        int data_bytes = 0;
        const char *hash = crypt_ra(phrase->text, setting, &data, &data_bytes);
        int error = hash ? 0 : -errno;

        if (hash && strlen(hash) == MU_PASSWORD_HASH_BYTES - 1)
                memcpy(ret_hash, hash, MU_PASSWORD_HASH_BYTES);
        else if (error != -ENOMEM)
                error = -EBADMSG;
        if (data)
                OPENSSL_cleanse(data, (size_t)data_bytes);
        free(data);
        return error;
}

int mu_password_hash(const char *password, size_t bytes, unsigned cost,
                     char ret_hash[MU_PASSWORD_HASH_BYTES])
{
        uint8_t salt[SALT_BYTES];
        struct phrase phrase;

        MU_ASSERT(cost >= MU_PASSWORD_COST_MIN && cost <= MU_PASSWORD_COST_MAX);
        int error = make_phrase(password, bytes, &phrase);

        if (error < 0)
                return error;
        if (RAND_bytes(salt, sizeof(salt)) != 1)
                return -EIO;
        char *setting = crypt_gensalt_ra("$2b$", cost, (const char *)salt, sizeof(salt));

        error = setting ? run_crypt(&phrase, setting, ret_hash) : -errno;
        free(setting);
        OPENSSL_cleanse(&phrase, sizeof(phrase));
        return error;
}

/* "$2b$12$...": also the a and y of other makers, who imported people come from. */
static bool is_bcrypt(const char *hash)
{
        return strlen(hash) == MU_PASSWORD_HASH_BYTES - 1 && hash[0] == '$' && hash[1] == '2' &&
               strchr("aby", hash[2]) && hash[3] == '$' && isdigit((unsigned char)hash[4]) &&
               isdigit((unsigned char)hash[5]) && hash[6] == '$';
}

int mu_password_verify(const char *password, size_t bytes, const char *hash, bool *ret_matches)
{
        char made[MU_PASSWORD_HASH_BYTES];
        struct phrase phrase;

        if (!is_bcrypt(hash))
                return -EBADMSG;
        int error = make_phrase(password, bytes, &phrase);

        if (error == -EINVAL) {
                *ret_matches = false;
                return 0;
        }
        error = run_crypt(&phrase, hash, made);
        OPENSSL_cleanse(&phrase, sizeof(phrase));
        if (error < 0)
                return error;
        *ret_matches = CRYPTO_memcmp(made, hash, sizeof(made)) == 0;
        return 0;
}

int mu_password_verify_nobody(const char *password, size_t bytes, unsigned cost)
{
        char hash[MU_PASSWORD_HASH_BYTES];

        MU_ASSERT(cost >= MU_PASSWORD_COST_MIN && cost <= MU_PASSWORD_COST_MAX);
        int error = mu_password_hash(password, bytes, cost, hash);

        OPENSSL_cleanse(hash, sizeof(hash));
        return error == -EINVAL ? 0 : error;
}

bool mu_password_hash_is_stale(const char *hash, unsigned cost)
{
        char setting[8];

        (void)snprintf(setting, sizeof(setting), "$2b$%02u$", cost % 100);
        return strncmp(hash, setting, 7) != 0;
}

/* ---- what a password must be ---- */

/* Code points, or -EILSEQ where the text is no UTF-8 (overlong forms and surrogates included). */
static int count_characters(const char *text, size_t bytes)
{
        static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
        const uint8_t *at = (const uint8_t *)text;
        const uint8_t *end = at + bytes;
        int count = 0;

        for (; at < end; count++) {
                uint8_t lead = *at++;
                int more = lead < 0x80 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
                uint32_t point = more == 0 ? lead : lead & (0x3fu >> more);

                if ((lead >= 0x80 && lead < 0xc2) || lead > 0xf4 || end - at < more)
                        return -EILSEQ;
                for (int i = 0; i < more; i++, at++) {
                        if ((*at & 0xc0) != 0x80)
                                return -EILSEQ;
                        point = point << 6 | (*at & 0x3f);
                }
                if (point < least[more] || point > 0x10ffff || (point & 0x1ff800) == 0xd800)
                        return -EILSEQ;
        }
        return count;
}

/* Of ten characters or more, from the published lists of what people choose and attackers try. */
static bool is_common(const char *password, size_t bytes)
{
        static const char *const common[] = {
                "password12",       "password123",      "password1234",
                "password12345",    "passw0rd123",      "p@ssw0rd123",
                "p@ssword123",      "1234567890",       "12345678910",
                "123456789a",       "0123456789",       "9876543210",
                "0987654321",       "qwertyuiop",       "qwerty12345",
                "qwerty123456",     "qwertyuiop123",    "1q2w3e4r5t",
                "1q2w3e4r5t6y",     "1qaz2wsx3edc",     "q1w2e3r4t5",
                "q1w2e3r4t5y6",     "zaq12wsxcde3",     "asdfghjkl1",
                "asdfghjkl;",       "administrator",    "admin12345",
                "admin123456",      "administrator1",   "adminadmin",
                "letmein123",       "letmein1234",      "welcome123",
                "welcome1234",      "iloveyou123",      "changeme123",
                "changemenow",      "change_me_now",    "secret12345",
                "abcdefghij",       "abcdefghijk",      "abcd123456",
                "abc1234567",       "a123456789",       "aa12345678",
                "football123",      "baseball123",      "superman123",
                "monkey12345",      "dragon12345",      "princess123",
                "sunshine123",      "trustno1trustno1", "test123456",
                "testtest123",      "hunter2hunter2",   "correcthorsebatterystaple",
                "passwordpassword", "musteradmin",      "muster12345",
        };

        for (size_t i = 0; i < MU_COUNT_OF(common); i++) {
                if (strlen(common[i]) == bytes && strncasecmp(common[i], password, bytes) == 0)
                        return true;
        }
        return false;
}

static int count_different_bytes(const char *text, size_t bytes)
{
        bool seen[256] = {false};
        int count = 0;

        for (size_t i = 0; i < bytes; i++) {
                count += !seen[(uint8_t)text[i]];
                seen[(uint8_t)text[i]] = true;
        }
        return count;
}

const char *mu_password_flaw(const char *password, size_t bytes, const char *user_name)
{
        int characters = bytes <= MU_PASSWORD_BYTES_MAX ? count_characters(password, bytes)
                                                        : MU_PASSWORD_CHARS_MAX + 1;

        if (characters == -EILSEQ)
                return "The password is not valid UTF-8 text.";
        if (bytes > 0 && memchr(password, '\0', bytes))
                return "The password must not contain a NUL character.";
        if (characters < MU_PASSWORD_CHARS_MIN)
                return "The password is too short: at least 10 characters.";
        if (characters > MU_PASSWORD_CHARS_MAX)
                return "The password is too long: at most 256 characters.";
        if (strlen(user_name) == bytes && strncasecmp(user_name, password, bytes) == 0)
                return "The password must not be the user name.";
        if (count_different_bytes(password, bytes) < DIFFERENT_MIN)
                return "The password repeats too few characters: at least 4 different ones.";
        if (is_common(password, bytes))
                return "The password is one of the first that everybody tries; choose another.";
        return NULL;
}
