/* SPDX-License-Identifier: Apache-2.0 */
#include "outbound/message.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "outbound/utf8.h"

enum {
        LOCAL_BYTES_MAX = 64, /* RFC 5321 4.5.3.1 */
        LABEL_BYTES_MAX = 63,
        LINE_MAX_BYTES = 76,     /* RFC 2045 6.7 */
        PLAIN_HEADER_BYTES = 66, /* behind "Subject: " within 76 */
        THREAD_BYTES_MAX = 64,
        WORD_BYTES = 39, /* of UTF-8 in an encoded word: "Subject: " and 64 characters */
};

/* ---- addresses ---- */

/* Atoms joined by dots; quoted local parts are not taken. */
static bool is_local_part(const char *text, size_t bytes)
{
        if (bytes == 0 || bytes > LOCAL_BYTES_MAX || text[0] == '.' || text[bytes - 1] == '.')
                return false;
        for (size_t i = 0; i < bytes; i++) {
                unsigned char c = (unsigned char)text[i];

                if (c == '.' && text[i - 1] == '.')
                        return false;
                if (c >= 0x80 || (!isalnum(c) && !strchr("!#$%&'*+-/=?^_`{|}~.", c)) || c == '\0')
                        return false;
        }
        return true;
}

/* Labels of letters, digits and inner hyphens; IDN comes as xn--. */
static bool is_domain(const char *text)
{
        size_t label = 0;

        for (const char *at = text;; at++) {
                unsigned char c = (unsigned char)*at;

                if (c == '.' || c == '\0') {
                        if (label == 0 || label > LABEL_BYTES_MAX || at[-1] == '-')
                                return false;
                        if (c == '\0')
                                return true;
                        label = 0;
                        continue;
                }
                if (c >= 0x80 || (!isalnum(c) && c != '-') || (c == '-' && label == 0))
                        return false;
                label++;
        }
}

int mu_mail_check_address(const char *address)
{
        const char *at = address ? strchr(address, '@') : NULL;

        if (!at || strlen(address) > MU_MAIL_ADDRESS_BYTES_MAX)
                return -EINVAL;
        return is_local_part(address, (size_t)(at - address)) && is_domain(at + 1) ? 0 : -EINVAL;
}

/* UTF-8 on one line. */
static bool is_header_text(const char *text)
{
        for (const char *at = text; *at; at++)
                if ((unsigned char)*at < ' ' || *at == 0x7f)
                        return false;
        return mu_utf8_is_valid(text, strlen(text));
}

int mu_mailbox_parse(const char *text, struct mu_mailbox *ret_mailbox)
{
        struct mu_mailbox mailbox = {.name = ""};
        const char *open = text ? strrchr(text, '<') : NULL;

        if (!text)
                return -EINVAL;
        if (!open) {
                if (mu_mail_check_address(text) < 0)
                        return -EINVAL;
                (void)snprintf(mailbox.address, sizeof(mailbox.address), "%s", text);
                *ret_mailbox = mailbox;
                return 0;
        }
        size_t address_bytes = strcspn(open + 1, ">");
        size_t name_bytes = (size_t)(open - text);

        while (name_bytes > 0 && text[name_bytes - 1] == ' ')
                name_bytes--;
        if (strcmp(open + 1 + address_bytes, ">") != 0 ||
            address_bytes >= sizeof(mailbox.address) || name_bytes >= sizeof(mailbox.name))
                return -EINVAL;
        memcpy(mailbox.address, open + 1, address_bytes);
        memcpy(mailbox.name, text, name_bytes);
        if (mu_mail_check_address(mailbox.address) < 0 || !is_header_text(mailbox.name))
                return -EINVAL;
        *ret_mailbox = mailbox;
        return 0;
}

/* ---- headers ---- */

static void add_base64(struct mu_text *to, const char *data, size_t bytes)
{
        static const char digits[] =
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

        for (size_t i = 0; i < bytes; i += 3) {
                uint32_t group = 0;
                char four[4];

                for (size_t k = 0; k < 3; k++)
                        group = group << 8 | (i + k < bytes ? (unsigned char)data[i + k] : 0U);
                for (size_t k = 0; k < 4; k++)
                        four[k] = i + k > bytes ? '=' : digits[group >> (18 - 6 * k) & 63];
                mu_text_add_bytes(to, four, sizeof(four));
        }
}

/* Encoded words, cut between characters, a line each (RFC 2047 2, 5). */
static void add_encoded_words(struct mu_text *to, const char *text)
{
        size_t left = strlen(text);
        const char *separator = "";

        while (left > 0) {
                size_t word = 0;

                while (word < left) {
                        size_t character = mu_utf8_character(text + word, left - word);

                        if (word + character > WORD_BYTES)
                                break;
                        word += character;
                }
                mu_text_add(to, separator);
                mu_text_add(to, "=?UTF-8?B?");
                add_base64(to, text, word);
                mu_text_add(to, "?=");
                separator = "\r\n ";
                text += word;
                left -= word;
        }
}

/* Fits on the line, and cannot be taken for an encoded word. */
static bool is_plain(const char *text)
{
        size_t bytes = strlen(text);

        if (bytes > PLAIN_HEADER_BYTES || strstr(text, "=?") || text[0] == ' ' ||
            (bytes > 0 && text[bytes - 1] == ' '))
                return false;
        for (size_t i = 0; i < bytes; i++)
                if ((unsigned char)text[i] >= 0x80)
                        return false;
        return true;
}

static void add_unstructured(struct mu_text *to, const char *text)
{
        if (is_plain(text))
                mu_text_add(to, text);
        else
                add_encoded_words(to, text);
}

static void add_from(struct mu_text *to, const struct mu_mailbox *from)
{
        bool plain = is_plain(from->name);

        mu_text_add(to, "From: ");
        for (const char *c = from->name; plain && *c; c++)
                plain = isalnum((unsigned char)*c) || *c == ' ';
        if (*from->name) {
                if (plain)
                        mu_text_add(to, from->name);
                else
                        add_encoded_words(to, from->name);
                mu_text_add(to, "\r\n ");
        }
        mu_text_add_format(to, *from->name ? "<%s>\r\n" : "%s\r\n", from->address);
}

/* In English whatever the locale, as RFC 5322 3.3 has it. */
static void add_date(struct mu_text *to, int64_t now_s)
{
        static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
        static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
        time_t now = (time_t)now_s;
        struct tm date = {0};

        (void)gmtime_r(&now, &date);
        mu_text_add_format(to, "Date: %s, %d %s %04d %02d:%02d:%02d +0000\r\n", days[date.tm_wday],
                           date.tm_mday, months[date.tm_mon], date.tm_year + 1900, date.tm_hour,
                           date.tm_min, date.tm_sec);
}

/* ---- body ---- */

static bool ends_line(const char *at)
{
        return *at == '\n' || (*at == '\r' && at[1] == '\n') || *at == '\0';
}

/* As it stands, or as =XX: what is not printable, and white space before the end of a line. */
static size_t encode(const char *at, char ret_piece[4])
{
        static const char digits[] = "0123456789ABCDEF";
        unsigned char c = (unsigned char)*at;
        bool blank = c == ' ' || c == '\t';

        if ((c > ' ' && c < 0x7f && c != '=') || (blank && !ends_line(at + 1))) {
                ret_piece[0] = *at;
                return 1;
        }
        ret_piece[0] = '=';
        ret_piece[1] = digits[c >> 4];
        ret_piece[2] = digits[c & 15];
        return 3;
}

/* Quoted-printable, RFC 2045 6.7. */
static void add_body(struct mu_text *to, const char *text)
{
        size_t column = 0;

        for (const char *at = text; *at; at++) {
                char piece[4];

                if (ends_line(at)) {
                        at += *at == '\r';
                        mu_text_add(to, "\r\n");
                        column = 0;
                        continue;
                }
                size_t bytes = encode(at, piece);

                /* Room for the "=" of a soft break. */
                if (column + bytes > LINE_MAX_BYTES - 1) {
                        mu_text_add(to, "=\r\n");
                        column = 0;
                }
                mu_text_add_bytes(to, piece, bytes);
                column += bytes;
        }
        if (column > 0)
                mu_text_add(to, "\r\n");
}

/* NULL is none. */
static bool is_thread(const char *thread)
{
        size_t bytes = thread ? strspn(thread, "abcdefghijklmnopqrstuvwxyz0123456789.-") : 0;

        return !thread || (bytes > 0 && bytes <= THREAD_BYTES_MAX && thread[bytes] == '\0');
}

static int check(const struct mu_mail_message *message)
{
        if (!is_thread(message->thread))
                return -EINVAL;
        if (!message->subject || !message->text || mu_mail_check_address(message->to) < 0)
                return -EINVAL;
        if (strlen(message->subject) > MU_MAIL_SUBJECT_BYTES_MAX ||
            strlen(message->text) > MU_MAIL_BODY_BYTES_MAX)
                return -E2BIG;
        if (!is_header_text(message->subject) ||
            !mu_utf8_is_valid(message->text, strlen(message->text)))
                return -EINVAL;
        return 0;
}

int mu_message_build(const struct mu_mailbox *from, const struct mu_mail_message *message,
                     int64_t now_s, const char *id, struct mu_text *to)
{
        int code = check(message);

        if (code < 0)
                return code;
        add_date(to, now_s);
        add_from(to, from);
        mu_text_add_format(to, "To: %s\r\n", message->to);
        mu_text_add(to, "Subject: ");
        add_unstructured(to, message->subject);
        mu_text_add_format(to, "\r\nMessage-ID: <%s%s>\r\n", id, strchr(from->address, '@'));
        if (message->thread) /* of a mail that never was: all of them answer it */
                mu_text_add_format(to, "In-Reply-To: <%s%s>\r\nReferences: <%s%s>\r\n",
                                   message->thread, strchr(from->address, '@'), message->thread,
                                   strchr(from->address, '@'));
        mu_text_add(to, "Auto-Submitted: auto-generated\r\n"
                        "MIME-Version: 1.0\r\n"
                        "Content-Type: text/plain; charset=utf-8\r\n"
                        "Content-Transfer-Encoding: quoted-printable\r\n"
                        "\r\n");
        add_body(to, message->text);
        return mu_text_status(to);
}
