/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/jwt.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "jwt_forge.h"
#include "unit.h"

#define NOW INT64_C(1790000000)

static const uint8_t KEY[MU_JWT_KEY_BYTES] = "the key that signs what is here";
static const uint8_t OTHER[MU_JWT_KEY_BYTES] = "another key that signs elsewhere";

static const struct mu_jwt_claims CLAIMS = {.user_id = 7,
                                            .session_id = 123456789012345678,
                                            .issued_at_s = NOW,
                                            .expires_at_s = NOW + 900,
                                            .role = MU_ROLE_OPERATOR,
                                            .name = "zoë \"z\" o'hara"};

#define GOOD_TIMES "\"iat\":1790000000,\"nbf\":1790000000,\"exp\":1790000900"
#define GOOD_NAMES                                                                                 \
        "\"iss\":\"muster\",\"aud\":\"muster-operator\",\"sub\":\"7\",\"sid\":\"8\","              \
        "\"role\":\"viewer\",\"name\":\"zoe\""

static int setup(void **state)
{
        return mu_jwt_keys_create(KEY, NULL, (struct mu_jwt_keys **)state);
}

static int teardown(void **state)
{
        mu_jwt_keys_destroy(*state);
        return 0;
}

static int verify(struct mu_jwt_keys *keys, const char *token, int64_t now_s)
{
        struct mu_jwt_claims claims;

        return mu_jwt_verify(keys, token, strlen(token), now_s, &claims);
}

static void round_trip(void **state)
{
        char token[MU_JWT_BYTES];
        struct mu_jwt_claims claims;

        assert_int_equal(mu_jwt_mint(*state, &CLAIMS, token), 0);
        assert_int_equal(mu_jwt_verify(*state, token, strlen(token), NOW, &claims), 0);
        assert_int_equal(claims.user_id, CLAIMS.user_id);
        assert_int_equal(claims.session_id, CLAIMS.session_id);
        assert_int_equal(claims.issued_at_s, CLAIMS.issued_at_s);
        assert_int_equal(claims.expires_at_s, CLAIMS.expires_at_s);
        assert_int_equal(claims.role, MU_ROLE_OPERATOR);
        assert_string_equal(claims.name, CLAIMS.name);
}

static void times(void **state)
{
        char token[MU_JWT_BYTES];

        assert_int_equal(mu_jwt_mint(*state, &CLAIMS, token), 0);
        assert_int_equal(verify(*state, token, NOW + 899), 0);
        assert_int_equal(verify(*state, token, NOW + 900), -ETIME);
        assert_int_equal(verify(*state, token, INT64_C(1) << 60), -ETIME);
        assert_int_equal(verify(*state, token, NOW - MU_JWT_LEEWAY_S), 0);
        assert_int_equal(verify(*state, token, NOW - MU_JWT_LEEWAY_S - 1), -EBADMSG);
}

/* Whatever character of a token is another one, it is no longer ours. */
static void every_character_counts(void **state)
{
        char token[MU_JWT_BYTES];

        assert_int_equal(mu_jwt_mint(*state, &CLAIMS, token), 0);
        size_t chars = strlen(token);

        for (size_t at = 0; at < chars; at++) {
                char before = token[at];

                for (int c = 0; c < 256; c++) {
                        struct mu_jwt_claims claims;

                        token[at] = (char)c;
                        if ((char)c == before)
                                continue;
                        assert_int_equal(mu_jwt_verify(*state, token, chars, NOW, &claims),
                                         -EBADMSG);
                }
                token[at] = before;
        }
        for (size_t cut = 0; cut < chars; cut++) {
                struct mu_jwt_claims claims;

                assert_int_equal(mu_jwt_verify(*state, token, cut, NOW, &claims), -EBADMSG);
                assert_int_equal(mu_jwt_verify(*state, token + chars - cut, cut, NOW, &claims),
                                 -EBADMSG);
        }
        token[chars] = 'A';
        struct mu_jwt_claims claims;

        assert_int_equal(mu_jwt_verify(*state, token, chars + 1, NOW, &claims), -EBADMSG);
}

/* The header that our tokens have, as text. */
static size_t own_header(struct mu_jwt_keys *keys, char json[128])
{
        char token[MU_JWT_BYTES];
        size_t bytes;

        assert_int_equal(mu_jwt_mint(keys, &CLAIMS, token), 0);
        assert_int_equal(mu_base64url_decode(token, strcspn(token, "."), json, 127, &bytes), 0);
        json[bytes] = '\0';
        return bytes;
}

static int verify_forged(struct mu_jwt_keys *keys, const uint8_t *key, const char *header,
                         const char *claims)
{
        char token[FORGED_BYTES];
        struct mu_jwt_claims got;
        size_t chars = jwt_forge(key, header, strlen(header), claims, strlen(claims), token);

        return mu_jwt_verify(keys, token, chars, NOW, &got);
}

#define GOOD "{" GOOD_NAMES "," GOOD_TIMES "}"

static void headers(void **state)
{
        char right[128];
        char wrong[512];

        (void)own_header(*state, right);
        const char *kid = strstr(right, "\"kid\":\"") + 7;

        assert_int_equal(strlen(kid), 16 + 2);
        assert_int_equal(verify_forged(*state, KEY, right, GOOD), 0);
        assert_int_equal(verify_forged(*state, OTHER, right, GOOD), -EBADMSG);
        static const char *const forms[] = {
                "{\"alg\":\"none\",\"typ\":\"at+jwt\",\"kid\":\"%.16s\"}",
                "{\"alg\":\"None\",\"typ\":\"at+jwt\",\"kid\":\"%.16s\"}",
                "{\"alg\":\"HS384\",\"typ\":\"at+jwt\",\"kid\":\"%.16s\"}",
                "{\"alg\":\"RS256\",\"typ\":\"at+jwt\",\"kid\":\"%.16s\"}",
                "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"%.16s\"}",
                "{\"alg\":\"HS256\",\"kid\":\"%.16s\"}",
                "{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}%.0s",
                "{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"0000000000000000\"}%.0s",
                "{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"%.16s\",\"crit\":[\"x\"]}",
                "{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"%.16s\",\"jwk\":{}}",
                "{\"alg\":\"none\",\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"%.16s\"}",
                "%.0s",
        };
        for (size_t i = 0; i < MU_COUNT_OF(forms); i++) {
                /* Literals above, each with one place for the key's name. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
                (void)snprintf(wrong, sizeof(wrong), forms[i], kid);
#pragma GCC diagnostic pop
                assert_int_equal(verify_forged(*state, KEY, wrong, GOOD), -EBADMSG);
        }
}

/* "alg":"none" as attackers send it: nothing behind the second dot. */
static void unsigned_token(void **state)
{
        char token[FORGED_BYTES];
        const char *header = "{\"alg\":\"none\"}";
        size_t chars = mu_base64url_encode(header, strlen(header), token);

        token[chars++] = '.';
        chars += mu_base64url_encode(GOOD, strlen(GOOD), token + chars);
        token[chars++] = '.';
        token[chars] = '\0';
        assert_int_equal(verify(*state, token, NOW), -EBADMSG);
        assert_int_equal(mu_jwt_mint(*state, &CLAIMS, token), 0);
        *(strrchr(token, '.') + 1) = '\0';
        assert_int_equal(verify(*state, token, NOW), -EBADMSG);
}

static void claims(void **state)
{
        char header[128];

        (void)own_header(*state, header);
        static const char *const wrong[] = {
                "",
                "[]",
                "null",
                "{}",
                GOOD "x",
                GOOD GOOD,
                "{" GOOD_TIMES "}",
                "{" GOOD_NAMES "}",
                "{" GOOD_NAMES "," GOOD_TIMES ",\"sub\":\"1\"}", /* twice */
                "{" GOOD_NAMES "," GOOD_TIMES ",\"role\":\"admin\"}",
                "{\"iss\":\"other\",\"aud\":\"muster-operator\",\"sub\":\"7\",\"sid\":\"8\","
                "\"role\":\"viewer\",\"name\":\"zoe\"," GOOD_TIMES "}",
                "{\"iss\":\"muster\",\"aud\":\"muster-device\",\"sub\":\"7\",\"sid\":\"8\","
                "\"role\":\"viewer\",\"name\":\"zoe\"," GOOD_TIMES "}",
                "{\"iss\":\"muster\",\"aud\":[\"muster-operator\"],\"sub\":\"7\",\"sid\":\"8\","
                "\"role\":\"viewer\",\"name\":\"zoe\"," GOOD_TIMES "}",
                "{\"iss\":\"muster\",\"aud\":\"muster-operator\",\"sub\":7,\"sid\":\"8\","
                "\"role\":\"viewer\",\"name\":\"zoe\"," GOOD_TIMES "}",
                "{\"iss\":\"muster\",\"aud\":\"muster-operator\",\"sub\":\"0\",\"sid\":\"8\","
                "\"role\":\"viewer\",\"name\":\"zoe\"," GOOD_TIMES "}",
                "{\"iss\":\"muster\",\"aud\":\"muster-operator\",\"sub\":\"-7\",\"sid\":\"8\","
                "\"role\":\"viewer\",\"name\":\"zoe\"," GOOD_TIMES "}",
                "{\"iss\":\"muster\",\"aud\":\"muster-operator\",\"sub\":\"07\",\"sid\":\"8\","
                "\"role\":\"viewer\",\"name\":\"zoe\"," GOOD_TIMES "}",
                "{\"iss\":\"muster\",\"aud\":\"muster-operator\",\"sub\":\"9999999999999999999\","
                "\"sid\":\"8\",\"role\":\"viewer\",\"name\":\"zoe\"," GOOD_TIMES "}",
                "{\"iss\":\"muster\",\"aud\":\"muster-operator\",\"sub\":\"7\",\"sid\":\"8\","
                "\"role\":\"root\",\"name\":\"zoe\"," GOOD_TIMES "}",
                "{\"iss\":\"muster\",\"aud\":\"muster-operator\",\"sub\":\"7\",\"sid\":\"8\","
                "\"role\":\"none\",\"name\":\"zoe\"," GOOD_TIMES "}",
                "{\"iss\":\"muster\",\"aud\":\"muster-operator\",\"sub\":\"7\",\"sid\":\"8\","
                "\"role\":\"viewer\",\"name\":\"\"," GOOD_TIMES "}",
                "{\"iss\":\"muster\",\"aud\":\"muster-operator\",\"sub\":\"7\",\"sid\":\"8\","
                "\"role\":\"viewer\",\"name\":\"z\\u0000\"," GOOD_TIMES "}",
                "{" GOOD_NAMES ",\"iat\":1790000000,\"nbf\":1790000061,\"exp\":1790000900}",
                "{" GOOD_NAMES ",\"iat\":1790000061,\"nbf\":1790000000,\"exp\":1790000900}",
                "{" GOOD_NAMES ",\"iat\":1790000000,\"nbf\":1790000000,\"exp\":1790000900.5}",
                "{" GOOD_NAMES ",\"iat\":1790000000,\"nbf\":1790000000,\"exp\":\"1790000900\"}",
                "{" GOOD_NAMES ",\"iat\":1790000000,\"nbf\":1790000000,\"exp\":1790000000}",
                "{" GOOD_NAMES ",\"iat\":1790000000,\"nbf\":1790000000,\"exp\":9999999999}",
                "{" GOOD_NAMES ",\"iat\":-1,\"nbf\":1790000000,\"exp\":1790000900}",
        };
        for (size_t i = 0; i < MU_COUNT_OF(wrong); i++) {
                if (verify_forged(*state, KEY, header, wrong[i]) != -EBADMSG)
                        fail_msg("taken: %s", wrong[i]);
        }
        /* What is not known is not in the way. */
        assert_int_equal(
                verify_forged(*state, KEY, header, "{" GOOD_NAMES "," GOOD_TIMES ",\"jti\":\"x\"}"),
                0);
}

static void too_long(void **state)
{
        char header[128];
        char json[1200];

        (void)own_header(*state, header);
        for (int filler = 0; filler < 800; filler++) {
                (void)snprintf(json, sizeof(json), "{" GOOD_NAMES "," GOOD_TIMES ",\"x\":\"%0*d\"}",
                               filler + 1, 0);
                size_t chars = strlen(header) * 4 / 3 + strlen(json) * 4 / 3 + 45;
                int code = verify_forged(*state, KEY, header, json);

                if (chars < MU_JWT_BYTES - 8)
                        assert_int_equal(code, 0);
                if (chars > MU_JWT_BYTES + 8)
                        assert_int_equal(code, -EBADMSG);
        }
}

static void rotation(void **state)
{
        struct mu_jwt_keys *keys = *state;
        char first[MU_JWT_BYTES];
        char second[MU_JWT_BYTES];
        static const uint8_t third[MU_JWT_KEY_BYTES] = "the third key, made a day later";

        assert_int_equal(mu_jwt_mint(keys, &CLAIMS, first), 0);
        mu_jwt_keys_rotate(keys, OTHER);
        assert_int_equal(mu_jwt_mint(keys, &CLAIMS, second), 0);
        assert_int_not_equal(strncmp(first, second, strcspn(first, ".")), 0);
        assert_int_equal(verify(keys, first, NOW), 0);
        assert_int_equal(verify(keys, second, NOW), 0);
        mu_jwt_keys_rotate(keys, third);
        assert_int_equal(verify(keys, first, NOW), -EBADMSG);
        assert_int_equal(verify(keys, second, NOW), 0);

        /* One key's header does not lend itself to the other key. */
        char header[128];

        (void)own_header(keys, header);
        assert_int_equal(verify_forged(keys, third, header, GOOD), 0);
        assert_int_equal(verify_forged(keys, OTHER, header, GOOD), -EBADMSG);

        struct mu_jwt_keys *restarted;

        assert_int_equal(mu_jwt_keys_create(third, OTHER, &restarted), 0);
        assert_int_equal(verify(restarted, second, NOW), 0);
        assert_int_equal(verify(restarted, first, NOW), -EBADMSG);
        mu_jwt_keys_destroy(restarted);
}

static void not_minted(void **state)
{
        char token[MU_JWT_BYTES] = "untouched";
        struct mu_jwt_claims wrong;

#define REFUSED(change)                                                                            \
        do {                                                                                       \
                wrong = CLAIMS;                                                                    \
                change;                                                                            \
                assert_int_equal(mu_jwt_mint(*state, &wrong, token), -EINVAL);                     \
        } while (0)
        REFUSED(wrong.user_id = 0);
        REFUSED(wrong.session_id = -1);
        REFUSED(wrong.role = MU_ROLE_NONE);
        REFUSED(wrong.name[0] = '\0');
        REFUSED(wrong.expires_at_s = wrong.issued_at_s);
        REFUSED(wrong.expires_at_s = wrong.issued_at_s + MU_JWT_LIFE_S_MAX + 1);
        assert_string_equal(token, "untouched");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(round_trip, setup, teardown),
                cmocka_unit_test_setup_teardown(times, setup, teardown),
                cmocka_unit_test_setup_teardown(every_character_counts, setup, teardown),
                cmocka_unit_test_setup_teardown(headers, setup, teardown),
                cmocka_unit_test_setup_teardown(unsigned_token, setup, teardown),
                cmocka_unit_test_setup_teardown(claims, setup, teardown),
                cmocka_unit_test_setup_teardown(too_long, setup, teardown),
                cmocka_unit_test_setup_teardown(rotation, setup, teardown),
                cmocka_unit_test_setup_teardown(not_minted, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
