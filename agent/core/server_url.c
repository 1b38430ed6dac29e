/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/config.h"

enum { PORT_MAX = 65535, HOST_BYTES_MAX = 255 };

#define ALNUM "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

static int refuse(char sentence[MU_AGENT_SENTENCE_BYTES], const char *reason)
{
        (void)snprintf(sentence, MU_AGENT_SENTENCE_BYTES,
                       "the server's URL %s: give one like https://fleet.example:8443", reason);
        return -EINVAL;
}

/* Locales have no say in it. */
static char lower(char letter)
{
        return letter >= 'A' && letter <= 'Z' ? (char)(letter - 'A' + 'a') : letter;
}

static bool begins_with(const char *text, const char *word)
{
        while (*word && lower(*text) == *word) {
                text++;
                word++;
        }
        return *word == '\0';
}

/* 127.0.0.0/8 in four decimal numbers: no other way of writing an address gets past here. */
static bool is_loopback_address(const char *host, size_t chars)
{
        unsigned numbers[4] = {0};
        size_t number = 0;
        size_t digits = 0;

        for (size_t i = 0; i < chars; i++) {
                if (host[i] == '.' && digits > 0 && number < 3) {
                        number++;
                        digits = 0;
                        continue;
                }
                if (host[i] < '0' || host[i] > '9' || (digits > 0 && numbers[number] == 0))
                        return false;
                numbers[number] = numbers[number] * 10 + (unsigned)(host[i] - '0');
                digits++;
                if (numbers[number] > 255)
                        return false;
        }
        return number == 3 && digits > 0 && numbers[0] == 127;
}

static bool is_loopback(const char *host, size_t chars)
{
        if (chars == strlen("localhost") && begins_with(host, "localhost"))
                return true;
        if (chars == strlen("[::1]") && memcmp(host, "[::1]", chars) == 0)
                return true;
        return is_loopback_address(host, chars);
}

/* A name, an IPv4 address or [an IPv6 address]: its characters, 0: it is none. */
static size_t host_chars(const char *host)
{
        size_t chars;

        if (*host != '[') {
                chars = strspn(host, ALNUM ".-");
                return chars <= HOST_BYTES_MAX && *host != '.' && *host != '-' ? chars : 0;
        }
        chars = strspn(host + 1, "0123456789abcdefABCDEF:.");
        return chars >= 2 && chars <= HOST_BYTES_MAX && host[1 + chars] == ']' ? chars + 2 : 0;
}

/* After the host: nothing, or ":port". Where it ends, NULL: no port. */
static const char *skip_port(const char *at)
{
        unsigned port = 0;

        if (*at != ':')
                return at;
        at++;
        if (*at < '1' || *at > '9')
                return NULL;
        for (; *at >= '0' && *at <= '9'; at++) {
                port = port * 10 + (unsigned)(*at - '0');
                if (port > PORT_MAX)
                        return NULL;
        }
        return at;
}

/* No query, no fragment, no way upwards: our own paths are hung on to it. */
static bool is_path(const char *path)
{
        return (*path == '\0' || *path == '/') && strspn(path, ALNUM "/-._~") == strlen(path) &&
               !strstr(path, "//") && !strstr(path, "/.");
}

int mu_agent_config_server(const char *url, char ret_server[MU_AGENT_URL_BYTES],
                           char ret_sentence[MU_AGENT_SENTENCE_BYTES])
{
        bool https = begins_with(url, "https://");
        size_t bytes = strlen(url);

        if (!https && !begins_with(url, "http://"))
                return refuse(ret_sentence, "does not begin with https://");
        if (bytes >= MU_AGENT_URL_BYTES)
                return refuse(ret_sentence, "is longer than 511 bytes");
        const char *scheme = https ? "https://" : "http://";
        const char *host = url + strlen(scheme);
        size_t chars = host_chars(host);
        const char *path = chars > 0 ? skip_port(host + chars) : host;

        if (strchr(host, '@'))
                return refuse(ret_sentence, "holds a user's name");
        if (chars == 0)
                return refuse(ret_sentence, "names no host");
        if (!path)
                return refuse(ret_sentence, "has a port that is none (1 to 65535)");
        if (bytes > strlen(scheme) && url[bytes - 1] == '/')
                bytes--;
        if (!is_path(path))
                return refuse(ret_sentence, "has something behind its host that is no plain path");
        if (!https && !is_loopback(host, chars))
                return refuse(ret_sentence,
                              "begins with http://, which would show the device's token to the "
                              "network; only this machine itself is reached so");
        char server[MU_AGENT_URL_BYTES] = ""; /* url may lie in ret_server */

        (void)snprintf(server, sizeof(server), "%s%.*s", scheme, (int)(url + bytes - host), host);
        memcpy(ret_server, server, sizeof(server));
        return 0;
}
