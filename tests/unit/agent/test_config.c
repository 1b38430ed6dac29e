/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include <errno.h>

#include "base/text.h"
#include "core/base64.h"
#include "core/config.h"

/* 32 bytes of 0, of 1. */
#define KEY0 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define KEY1 "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="

#define IDENTITY                                                                                   \
        "\"server\":\"https://fleet.example:8443/\",\"device_id\":\"17\","                         \
        "\"token\":\"mu_c2VjcmV0\",\"keys\":{\"current\":{\"version\":3,\"key\":\"" KEY1 "\"}}"

static const char FULL[] =
        "{\n"
        "  \"server\": \"https://fleet.example:8443\",\n"
        "  \"device_id\": \"17\",\n"
        "  \"token\": \"mu_c2VjcmV0\",\n"
        "  \"keys\": {\n"
        "    \"current\": {\"version\": 3, \"key\": \"" KEY1 "\"},\n"
        "    \"next\": {\"version\": 4294967295, \"key\": \"" KEY0 "\"}\n"
        "  },\n"
        "  \"heartbeat_interval_s\": 60,\n"
        "  \"tls\": {\"ca_file\": \"/etc/muster agent/ca.pem\", \"pin\": \"sha256//" KEY0 "\"},\n"
        "  \"update\": {\n"
        "    \"channel\": \"beta-2\",\n"
        "    \"keys\": [\"" KEY0 "\", \"" KEY1 "\"],\n"
        "    \"wifi_only\": true,\n"
        "    \"trial_s\": 600\n"
        "  },\n"
        "  \"settings\": {\n"
        "    \"monitored_package\": \"kiosk \\\"K\\\" \xc3\xa4\",\n"
        "    \"auto_relaunch\": true\n"
        "  },\n"
        "  \"policy\": {\n"
        "    \"reboot\": true,\n"
        "    \"screenshot\": true,\n"
        "    \"services\": [\"kiosk.service\", \"getty@tty1.service\"],\n"
        "    \"programs\": [\"/usr/bin/kiosk\", \"C:\\\\Kiosk\\\\kiosk.exe\"]\n"
        "  }\n"
        "}\n";

static int read_text(const char *json, struct mu_agent_config *config, char *sentence)
{
        /* Its own memory: a sanitizer sees one byte too many. */
        size_t bytes = strlen(json);
        char *copy = malloc(bytes > 0 ? bytes : 1);

        assert_non_null(copy);
        memcpy(copy, json, bytes);
        int err = mu_agent_config_read(copy, bytes, config, sentence);

        free(copy);
        return err;
}

static void refused(const char *json, const char *words)
{
        char sentence[MU_AGENT_SENTENCE_BYTES] = "";
        struct mu_agent_config config = {.device_id = 4711};

        int err = read_text(json, &config, sentence);

        if (err != -EINVAL || !strstr(sentence, words))
                fail_msg("%s: %d, %s (not: %s)", json, err, sentence, words);
        assert_int_equal(config.device_id, 4711);
        assert_null(strchr(sentence, '\n'));
        assert_null(strstr(sentence, "c2VjcmV0"));
}

static void everything_is_read_and_written(void **state)
{
        char sentence[MU_AGENT_SENTENCE_BYTES];
        struct mu_agent_config config;
        struct mu_text text;

        (void)state;
        if (read_text(FULL, &config, sentence) < 0)
                fail_msg("%s", sentence);
        assert_string_equal(config.server, "https://fleet.example:8443");
        assert_int_equal(config.device_id, 17);
        assert_string_equal(config.token, "mu_c2VjcmV0");
        assert_int_equal(config.current.version, 3);
        assert_int_equal(config.current.bytes[31], 1);
        assert_true(config.next.version == UINT32_MAX);
        assert_int_equal(config.next.bytes[0], 0);
        assert_int_equal(config.heartbeat_interval_s, 60);
        assert_string_equal(config.ca_file, "/etc/muster agent/ca.pem");
        assert_string_equal(config.pin, "sha256//" KEY0);
        assert_string_equal(config.channel, "beta-2");
        assert_int_equal(config.update_key_count, 2);
        assert_int_equal(config.update_keys[1][0], 1);
        assert_true(config.update_wifi_only);
        assert_int_equal(config.update_trial_s, 600);
        assert_string_equal(config.monitored_package, "kiosk \"K\" \xc3\xa4");
        assert_true(config.auto_relaunch && config.may_reboot && config.may_screenshot);
        assert_int_equal(config.services.count, 2);
        assert_string_equal(config.services.names[1], "getty@tty1.service");
        assert_string_equal(config.programs.names[1], "C:\\Kiosk\\kiosk.exe");

        mu_text_init(&text);
        assert_int_equal(mu_agent_config_write(&config, &text), 0);
        assert_string_equal(text.data, FULL);
        mu_text_done(&text);
        mu_agent_config_done(&config);
        assert_int_equal(config.token[0], 0);
        assert_int_equal(config.current.bytes[0], 0);
}

static void the_rest_has_defaults(void **state)
{
        char sentence[MU_AGENT_SENTENCE_BYTES];
        struct mu_agent_config config;

        (void)state;
        if (read_text("{" IDENTITY "}", &config, sentence) < 0)
                fail_msg("%s", sentence);
        assert_string_equal(config.server, "https://fleet.example:8443");
        assert_int_equal(config.next.version, 0);
        assert_int_equal(config.heartbeat_interval_s, 300);
        assert_string_equal(config.channel, "stable");
        assert_int_equal(config.update_trial_s, 120);
        assert_string_equal(config.monitored_package, "");
        assert_int_equal(config.update_key_count, 0);
        assert_false(config.may_reboot || config.may_screenshot || config.auto_relaunch ||
                     config.update_wifi_only);
        assert_int_equal(config.services.count + config.programs.count, 0);
        mu_agent_config_done(&config);
}

static void unknown_members_are_named(void **state)
{
        (void)state;
        refused("{" IDENTITY ",\"polciy\":{}}",
                "the configuration: there is no member \"polciy\"; did you mean \"policy\"?");
        refused("{" IDENTITY ",\"tls\":{\"cafile\":\"x\"}}",
                "tls: there is no member \"cafile\"; did you mean \"ca_file\"?");
        refused("{" IDENTITY ",\"update\":{\"key\":[]}}", "did you mean \"keys\"?");
        refused("{" IDENTITY ",\"settings\":{\"auto_relauch\":true}}", "\"auto_relaunch\"?");
        refused("{" IDENTITY ",\"policy\":{\"\\n\\u0001\":1}}", "\"\\n\\u0001\"");
        refused("{\"keys\":{\"curent\":1}," IDENTITY "}", "stands there already");
        refused("{\"server\":\"https://a\",\"device_id\":\"1\",\"token\":\"t\",\"keys\":{"
                "\"current\":{\"version\":1,\"key\":\"" KEY0 "\",\"kye\":1}}}",
                "keys.current: there is no member \"kye\"; did you mean \"key\"?");
}

static void what_is_needed_is_missed(void **state)
{
        static const char *const members[] = {"server", "device_id", "token", "keys"};
        char words[64];

        (void)state;
        for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
                json_t *file = json_loads("{" IDENTITY "}", 0, NULL);

                assert_int_equal(json_object_del(file, members[i]), 0);
                char *json = json_dumps(file, JSON_COMPACT);

                (void)snprintf(words, sizeof(words), "the configuration: %s is missing",
                               members[i]);
                refused(json, words);
                free(json);
                json_decref(file);
        }
}

static void not_json(void **state)
{
        (void)state;
        refused("", "not JSON");
        refused("{" IDENTITY, "line 1, column");
        refused("[]", "is not a JSON object");
        refused("{" IDENTITY ",\"tls\":[]}", "tls is not a JSON object");
        refused("{" IDENTITY "}x", "not JSON");
        refused("{\"token\":\"mu_c2VjcmV0\" 1}", "not JSON");
        refused("{" IDENTITY ",\"tls\":{\"pin\":\"\",\"pin\":\"\"}}", "line 1: a member of this");
        refused("{" IDENTITY ",\"policy\":{\"programs\":[\"/a\\u0000b\"]}}", "not JSON");

        char sentence[MU_AGENT_SENTENCE_BYTES];
        struct mu_agent_config config;
        static char long_text[MU_AGENT_CONFIG_BYTES_MAX + 1];

        memset(long_text, ' ', sizeof(long_text));
        memcpy(long_text, "{" IDENTITY "}", strlen("{" IDENTITY "}"));
        assert_int_equal(mu_agent_config_read(long_text, sizeof(long_text), &config, sentence),
                         -EINVAL);
        assert_int_equal(mu_agent_config_read(long_text, sizeof(long_text) - 1, &config, sentence),
                         0);
        mu_agent_config_done(&config);
}

static void one_identity(const char *member, const char *value, const char *words)
{
        json_t *file = json_loads("{" IDENTITY "}", 0, NULL);
        json_t *given = json_loads(value, JSON_DECODE_ANY, NULL);

        assert_non_null(given);
        assert_int_equal(json_object_set_new(file, member, given), 0);
        char *json = json_dumps(file, JSON_COMPACT);

        if (words) {
                refused(json, words);
        } else {
                char sentence[MU_AGENT_SENTENCE_BYTES];
                struct mu_agent_config config;

                if (read_text(json, &config, sentence) < 0)
                        fail_msg("%s: %s", json, sentence);
                mu_agent_config_done(&config);
        }
        free(json);
        json_decref(file);
}

static void every_limit_of_who_we_are(void **state)
{
        char text[300];

        (void)state;
        one_identity("device_id", "17", "device_id must be text");
        one_identity("device_id", "\"017\"", "a number from 1 on");
        one_identity("device_id", "\"-1\"", "a number from 1 on");
        one_identity("device_id", "\"0\"", "a number from 1 on");
        one_identity("device_id", "\"9223372036854775808\"", "a number from 1 on");
        one_identity("device_id", "\"9223372036854775807\"", NULL);
        one_identity("token", "\"\"", "no token of a device");
        one_identity("token", "\"a b\"", "no token of a device");
        one_identity("token", "\"a\\u00e4\"", "no token of a device");
        one_identity("token", "\"a\\r\\nX-Admin-Key: 1\"", "control character");
        (void)snprintf(text, sizeof(text), "\"%0*d\"", MU_AGENT_TOKEN_BYTES - 1, 0);
        one_identity("token", text, NULL);
        (void)snprintf(text, sizeof(text), "\"%0*d\"", MU_AGENT_TOKEN_BYTES, 0);
        one_identity("token", text, "token is longer than 127 bytes");
        one_identity("heartbeat_interval_s", "9", "from 10 to 86400");
        one_identity("heartbeat_interval_s", "10", NULL);
        one_identity("heartbeat_interval_s", "86400", NULL);
        one_identity("heartbeat_interval_s", "86401", "from 10 to 86400");
        one_identity("heartbeat_interval_s", "60.0", "a whole number");
        one_identity("keys", "{}", "keys: current is missing");
        one_identity("keys", "{\"current\":{\"version\":1}}", "keys.current: key is missing");
        one_identity("keys", "{\"current\":{\"key\":\"" KEY0 "\"}}", "version is missing");
        one_identity("keys", "{\"current\":{\"version\":0,\"key\":\"" KEY0 "\"}}",
                     "version must be a whole number from 1 to 4294967295");
        one_identity("keys", "{\"current\":{\"version\":4294967296,\"key\":\"" KEY0 "\"}}",
                     "version must be");
        one_identity("keys", "{\"current\":{\"version\":1,\"key\":\"c2VjcmV0\"}}",
                     "keys.current: key is not the base64 of 32 bytes");
        one_identity("keys",
                     "{\"current\":{\"version\":1,\"key\":\"" KEY0 "\"},"
                     "\"next\":{\"version\":1,\"key\":\"" KEY1 "\"}}",
                     "the same version");
}

/* A list of so many texts. */
static char *list(size_t count, const char *item)
{
        json_t *array = json_array();

        for (size_t i = 0; i < count; i++)
                assert_int_equal(json_array_append_new(array, json_string(item)), 0);
        char *json = json_dumps(array, 0);

        json_decref(array);
        return json;
}

static void one_list(const char *object, const char *member, size_t count, const char *item,
                     const char *words)
{
        char *items = list(count, item);
        struct mu_text text;

        mu_text_init(&text);
        mu_text_add_format(&text, "{\"%s\":%s}", member, items);
        one_identity(object, text.data, words);
        mu_text_done(&text);
        free(items);
}

static void every_limit_of_the_rest(void **state)
{
        char text[1100];

        (void)state;
        one_identity("tls", "{\"pin\":\"\",\"ca_file\":\"\"}", NULL);
        one_identity("tls", "{\"pin\":\"" KEY0 "\"}", "pin must be sha256//");
        one_identity("tls", "{\"pin\":\"sha256//AAAA\"}", "pin must be sha256//");
        one_identity("tls", "{\"pin\":\"sha256//" KEY0 ";sha256//" KEY0 "\"}", "longer than 63");
        (void)snprintf(text, sizeof(text), "{\"ca_file\":\"%0*d\"}", MU_AGENT_PATH_BYTES, 0);
        one_identity("tls", text, "ca_file is longer than 1023 bytes");
        one_identity("update", "{\"channel\":\"\"}", "channel must be 1 to 32");
        one_identity("update", "{\"channel\":\"Beta\"}", "channel must be 1 to 32");
        (void)snprintf(text, sizeof(text), "{\"channel\":\"%032d\"}", 0);
        one_identity("update", text, NULL);
        (void)snprintf(text, sizeof(text), "{\"channel\":\"%033d\"}", 0);
        one_identity("update", text, "channel is longer than 32 bytes");
        one_identity("update", "{\"wifi_only\":1}", "wifi_only must be true or false");
        one_identity("update", "{\"trial_s\":9}", "trial_s must be a whole number from 10 to 3600");
        one_identity("update", "{\"trial_s\":3601}", "from 10 to 3600");
        one_list("update", "keys", MU_AGENT_UPDATE_KEYS_MAX, KEY0, NULL);
        one_list("update", "keys", MU_AGENT_UPDATE_KEYS_MAX + 1, KEY0, "at most 4 keys");
        one_list("update", "keys", 2, "x", "number 1 of keys is not the base64");
        one_identity("settings", "{\"monitored_package\":null}", NULL);
        one_identity("settings", "{\"monitored_package\":7}", "must be text");
        (void)snprintf(text, sizeof(text), "{\"monitored_package\":\"%0255d\"}", 0);
        one_identity("settings", text, NULL);
        (void)snprintf(text, sizeof(text), "{\"monitored_package\":\"%0256d\"}", 0);
        one_identity("settings", text, "longer than 255 bytes");
        one_identity("policy", "{\"reboot\":\"yes\"}", "reboot must be true or false");
        one_identity("policy", "{\"services\":\"kiosk\"}", "must be a list");
        one_identity("policy", "{\"services\":[1]}", "must be text");
        one_list("policy", "services", MU_AGENT_POLICY_NAMES_MAX, "kiosk.service", NULL);
        one_list("policy", "services", MU_AGENT_POLICY_NAMES_MAX + 1, "a", "at most 32 names");
        one_list("policy", "services", 1, "../x", "without / and no - in front");
        one_list("policy", "services", 1, "--force", "without / and no - in front");
        one_list("policy", "services", 1, "", "without / and no - in front");
        one_list("policy", "services", 2, "a\nb", "control character");
        one_list("policy", "programs", MU_AGENT_POLICY_NAMES_MAX, "/usr/bin/kiosk", NULL);
        one_list("policy", "programs", 1, "kiosk", "whole paths");
        one_list("policy", "programs", 1, "C:kiosk.exe", "whole paths");
        one_list("policy", "programs", 1, "", "whole paths");
}

static const struct {
        const char *url;
        const char *server; /* NULL: refused with these words */
        const char *words;
} URLS[] = {
        {"https://fleet.example", "https://fleet.example", NULL},
        {"HTTPS://fleet.example/", "https://fleet.example", NULL},
        {"https://10.0.0.7:65535/muster/", "https://10.0.0.7:65535/muster", NULL},
        {"https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443", NULL},
        {"http://127.0.0.1:8080", "http://127.0.0.1:8080", NULL},
        {"http://127.255.0.9/", "http://127.255.0.9", NULL},
        {"http://[::1]:80", "http://[::1]:80", NULL},
        {"http://LocalHost:80/x", "http://LocalHost:80/x", NULL},
        {"http://fleet.example", NULL, "only this machine itself"},
        {"http://localhost.example", NULL, "only this machine itself"},
        {"http://127.0.0.1.example", NULL, "only this machine itself"},
        {"http://128.0.0.1", NULL, "only this machine itself"},
        {"http://127.0.0.256", NULL, "only this machine itself"},
        {"http://127.0.0.01", NULL, "only this machine itself"},
        {"http://127.1", NULL, "only this machine itself"},
        {"http://127.0.0.1.", NULL, "only this machine itself"},
        {"http://127.0..1", NULL, "only this machine itself"},
        {"http://2130706433", NULL, "only this machine itself"},
        {"http://[::2]", NULL, "only this machine itself"},
        {"http://[::ffff:127.0.0.1]", NULL, "only this machine itself"},
        {"http://0.0.0.0", NULL, "only this machine itself"},
        {"http://127.0.0.1@fleet.example", NULL, "a user's name"},
        {"https://user:pass@fleet.example", NULL, "a user's name"},
        {"https://", NULL, "names no host"},
        {"https:///x", NULL, "names no host"},
        {"https://:8443", NULL, "names no host"},
        {"https://[]", NULL, "names no host"},
        {"https://[::1", NULL, "names no host"},
        {"https://-f.example", NULL, "names no host"},
        {"https://fleet.example:", NULL, "a port that is none"},
        {"https://fleet.example:0", NULL, "a port that is none"},
        {"https://fleet.example:65536", NULL, "a port that is none"},
        {"https://fleet.example:99999999999", NULL, "a port that is none"},
        {"https://fleet.example:8443x", NULL, "no plain path"},
        {"https://fleet.example?a=1", NULL, "no plain path"},
        {"https://fleet.example/#a", NULL, "no plain path"},
        {"https://fleet.example/a/../b", NULL, "no plain path"},
        {"https://fleet.example//", NULL, "no plain path"},
        {"https://fleet.example/a b", NULL, "no plain path"},
        {"https://fleet.ex\xc3\xa4mple", NULL, "no plain path"},
        {"https://fleet.example\\@127.0.0.1", NULL, "a user's name"},
        {"ftp://fleet.example", NULL, "does not begin with https://"},
        {"fleet.example", NULL, "does not begin with https://"},
        {"", NULL, "does not begin with https://"},
};

static void urls_of_servers(void **state)
{

        (void)state;
        for (size_t i = 0; i < sizeof(URLS) / sizeof(URLS[0]); i++) {
                char server[MU_AGENT_URL_BYTES] = "before";
                char sentence[MU_AGENT_SENTENCE_BYTES] = "";
                int err = mu_agent_config_server(URLS[i].url, server, sentence);

                if (err != (URLS[i].server ? 0 : -EINVAL))
                        fail_msg("%s: %d, %s", URLS[i].url, err, sentence);
                assert_string_equal(server, URLS[i].server ? URLS[i].server : "before");
                if (URLS[i].words && !strstr(sentence, URLS[i].words))
                        fail_msg("%s: %s", URLS[i].url, sentence);
        }
        char url[600] = "https://";
        char server[MU_AGENT_URL_BYTES];
        char sentence[MU_AGENT_SENTENCE_BYTES];

        memset(url + strlen(url), 'a', 200);
        url[208] = '/';
        memset(url + 209, 'b', MU_AGENT_URL_BYTES - 1 - 209);
        assert_int_equal(mu_agent_config_server(url, server, sentence), 0);
        url[MU_AGENT_URL_BYTES - 1] = 'b';
        assert_int_equal(mu_agent_config_server(url, server, sentence), -EINVAL);
}

static void settings_change_all_or_none(void **state)
{
        char sentence[MU_AGENT_SENTENCE_BYTES] = "";
        struct mu_agent_config config;
        json_t *good =
                json_loads("{\"monitored_package\":\"kiosk\",\"auto_relaunch\":true}", 0, NULL);
        json_t *half = json_loads("{\"monitored_package\":\"other\",\"auto_relaunch\":1}", 0, NULL);
        json_t *unknown = json_loads("{\"auto_relaunch\":false,\"reboot\":true}", 0, NULL);
        json_t *none = json_loads("{\"monitored_package\":null}", 0, NULL);

        (void)state;
        mu_agent_config_init(&config);
        assert_int_equal(mu_agent_config_set(&config, good, sentence), 0);
        assert_string_equal(config.monitored_package, "kiosk");
        assert_true(config.auto_relaunch);
        assert_int_equal(mu_agent_config_set(&config, half, sentence), -EINVAL);
        assert_string_equal(sentence, "settings: auto_relaunch must be true or false");
        assert_int_equal(mu_agent_config_set(&config, unknown, sentence), -EINVAL);
        assert_non_null(strstr(sentence, "settings: there is no member \"reboot\""));
        assert_string_equal(config.monitored_package, "kiosk");
        assert_true(config.auto_relaunch);
        assert_int_equal(mu_agent_config_set(&config, none, sentence), 0);
        assert_string_equal(config.monitored_package, "");
        assert_true(config.auto_relaunch);
        assert_int_equal(mu_agent_config_set(&config, NULL, sentence), -EINVAL);
        mu_agent_config_done(&config);
        json_decref(good);
        json_decref(half);
        json_decref(unknown);
        json_decref(none);
}

static void base64_has_one_text_a_value(void **state)
{
        /* RFC 4648, section 10. */
        static const char *const texts[] = {"",         "Zg==",     "Zm8=",    "Zm9v",
                                            "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
        char text[16];
        char data[8];

        (void)state;
        for (size_t bytes = 0; bytes <= 6; bytes++) {
                mu_agent_base64_encode("foobar", bytes, text);
                assert_string_equal(text, texts[bytes]);
                memset(data, '!', sizeof(data));
                assert_int_equal(mu_agent_base64_decode(text, data, bytes), 0);
                assert_memory_equal(data, "foobar", bytes);
                assert_int_equal(data[bytes], '!');
                for (size_t other = 0; other <= 7; other++)
                        if (other != bytes)
                                assert_int_equal(mu_agent_base64_decode(text, data, other),
                                                 -EBADMSG);
        }
        memset(data, '!', sizeof(data));
        assert_int_equal(mu_agent_base64_decode("Zh==", data, 1), -EBADMSG);
        assert_int_equal(mu_agent_base64_decode("Zm9=", data, 2), -EBADMSG);
        assert_int_equal(mu_agent_base64_decode("Zg=A", data, 1), -EBADMSG);
        assert_int_equal(mu_agent_base64_decode("Zm-v", data, 3), -EBADMSG);
        assert_int_equal(mu_agent_base64_decode(" Zm9v", data, 3), -EBADMSG);
        assert_int_equal(data[0], '!');
        const unsigned char high[] = {0xfb, 0xef, 0xff};

        mu_agent_base64_encode(high, sizeof(high), text);
        assert_string_equal(text, "++//");
        assert_int_equal(mu_agent_base64_decode("++//", data, 3), 0);
        assert_memory_equal(data, high, 3);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(everything_is_read_and_written),
                cmocka_unit_test(the_rest_has_defaults),
                cmocka_unit_test(unknown_members_are_named),
                cmocka_unit_test(what_is_needed_is_missed),
                cmocka_unit_test(not_json),
                cmocka_unit_test(every_limit_of_who_we_are),
                cmocka_unit_test(every_limit_of_the_rest),
                cmocka_unit_test(urls_of_servers),
                cmocka_unit_test(settings_change_all_or_none),
                cmocka_unit_test(base64_has_one_text_a_value),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
