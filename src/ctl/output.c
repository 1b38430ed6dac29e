/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "ctl/ctl.h"

enum {
        CELL_BYTES_MAX = 512,
        CELL_COLUMNS_MAX = 48, /* wider ones are cut in a table; --json has them whole */
};

struct column {
        char heading[128];
        char path[128];
        size_t width;
};

void mu_ctl_print_json(const json_t *json)
{
        (void)json_dumpf(json, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
        (void)fputc('\n', stdout);
}

/* UTF-8 that would steer the terminal or turn the line's direction: U+0080-U+009F, U+202A-U+202E,
 * U+2066-U+2069. */
static size_t steering_bytes(const unsigned char *at)
{
        if (at[0] == 0xc2 && (at[1] & 0xe0) == 0x80)
                return 2;
        if (at[0] == 0xe2 && ((at[1] == 0x80 && at[2] >= 0xaa && at[2] <= 0xae) ||
                              (at[1] == 0x81 && at[2] >= 0xa6 && at[2] <= 0xa9)))
                return 3;
        return 0;
}

/* Names come from devices: nothing of theirs may steer the terminal. */
void mu_ctl_clean(char *text)
{
        for (char *at = text; *at; at++) {
                size_t steering = steering_bytes((const unsigned char *)at);

                if ((unsigned char)*at < 0x20 || *at == 0x7f)
                        *at = ' ';
                for (size_t i = 0; i < steering; i++)
                        at[i] = '?';
        }
}

static size_t columns_of(const char *text)
{
        size_t columns = 0;
        wchar_t wide;
        mbstate_t state = {0};

        while (*text) {
                size_t bytes = mbrtowc(&wide, text, MB_CUR_MAX, &state);

                if (bytes == (size_t)-1 || bytes == (size_t)-2 || bytes == 0) {
                        state = (mbstate_t){0};
                        bytes = 1;
                        columns++;
                } else {
                        int width = wcwidth(wide);

                        columns += width > 0 ? (size_t)width : 0;
                }
                text += bytes;
        }
        return columns;
}

/* Cuts to so many columns, at a character's border. */
static void cut(char *text, size_t columns_max)
{
        char *at = text;
        char *last = text;

        if (columns_of(text) <= columns_max)
                return;
        while (*at) {
                char *next = at + 1;

                while (((unsigned char)*next & 0xc0) == 0x80)
                        next++;
                char kept = *next;

                *next = '\0';
                size_t columns = columns_of(text);

                *next = kept;
                if (columns > columns_max - 1)
                        break;
                last = at = next;
        }
        memcpy(last, "…", sizeof("…"));
}

static void list_text(const json_t *list, char *text)
{
        size_t i;
        json_t *item;
        size_t used = 0;

        *text = '\0';
        json_array_foreach(list, i, item)
        {
                const char *word = json_string_value(item);
                int added = snprintf(text + used, CELL_BYTES_MAX - used, "%s%s", i > 0 ? "," : "",
                                     word ? word : "…");

                if (added < 0 || used + (size_t)added >= CELL_BYTES_MAX - 8)
                        return;
                used += (size_t)added;
        }
}

static void value_text(const json_t *value, char *text)
{
        switch (value ? json_typeof(value) : JSON_NULL) {
        case JSON_STRING:
                (void)snprintf(text, CELL_BYTES_MAX, "%s", json_string_value(value));
                break;
        case JSON_INTEGER:
                (void)snprintf(text, CELL_BYTES_MAX, "%" JSON_INTEGER_FORMAT,
                               json_integer_value(value));
                break;
        case JSON_REAL:
                (void)snprintf(text, CELL_BYTES_MAX, "%g", json_real_value(value));
                break;
        case JSON_TRUE:
        case JSON_FALSE:
                (void)snprintf(text, CELL_BYTES_MAX, "%s", json_is_true(value) ? "yes" : "no");
                break;
        case JSON_ARRAY:
                list_text(value, text);
                break;
        case JSON_OBJECT: {
                char *dumped = json_dumps(value, JSON_COMPACT);

                (void)snprintf(text, CELL_BYTES_MAX, "%s", dumped ? dumped : "");
                free(dumped);
                break;
        }
        case JSON_NULL:
                (void)snprintf(text, CELL_BYTES_MAX, "-");
        }
        mu_ctl_clean(text);
}

/* "status.battery": a member of a member. */
static const json_t *look_up(const json_t *object, const char *path)
{
        char name[64];

        while (object && *path) {
                size_t chars = strcspn(path, ".");

                if (chars >= sizeof(name))
                        return NULL;
                memcpy(name, path, chars);
                name[chars] = '\0';
                object = json_object_get(object, name);
                path += chars + (path[chars] == '.');
        }
        return object;
}

static size_t read_columns(const char *columns, struct column *ret_columns)
{
        size_t count = 0;

        while (*columns && count < MU_CTL_COLUMNS_MAX) {
                size_t chars = strcspn(columns, " ");
                char word[128];
                char *equals;

                (void)snprintf(word, sizeof(word), "%.*s", (int)chars, columns);
                equals = strchr(word, '=');
                if (equals)
                        *equals = '\0';
                (void)snprintf(ret_columns[count].heading, sizeof(ret_columns[count].heading), "%s",
                               word);
                (void)snprintf(ret_columns[count].path, sizeof(ret_columns[count].path), "%s",
                               equals ? equals + 1 : word);
                ret_columns[count].width = columns_of(ret_columns[count].heading);
                count++;
                columns += chars + (columns[chars] == ' ');
        }
        return count;
}

static void print_cell(const struct column *column, const char *text, bool last)
{
        size_t columns = columns_of(text);

        (void)fputs(text, stdout);
        if (last)
                return;
        for (; columns < column->width + 2; columns++)
                (void)fputc(' ', stdout);
}

void mu_ctl_print_rows(const json_t *rows, const char *columns)
{
        struct column list[MU_CTL_COLUMNS_MAX];
        size_t count = read_columns(columns, list);
        char text[CELL_BYTES_MAX];
        size_t i;
        json_t *row;

        json_array_foreach(rows, i, row)
        {
                for (size_t c = 0; c < count; c++) {
                        value_text(look_up(row, list[c].path), text);
                        cut(text, CELL_COLUMNS_MAX);
                        if (columns_of(text) > list[c].width)
                                list[c].width = columns_of(text);
                }
        }
        for (size_t c = 0; c < count; c++)
                print_cell(&list[c], list[c].heading, c + 1 == count);
        (void)fputc('\n', stdout);
        json_array_foreach(rows, i, row)
        {
                for (size_t c = 0; c < count; c++) {
                        value_text(look_up(row, list[c].path), text);
                        cut(text, CELL_COLUMNS_MAX);
                        print_cell(&list[c], text, c + 1 == count);
                }
                (void)fputc('\n', stdout);
        }
}

static void print_members(const json_t *object, const char *prefix, unsigned depth)
{
        const char *key;
        json_t *value;
        char text[CELL_BYTES_MAX];

        json_object_foreach((json_t *)object, key, value)
        {
                char name[128];

                (void)snprintf(name, sizeof(name), "%s%s%s", prefix, *prefix ? "." : "", key);
                mu_ctl_clean(name);
                if (json_is_object(value) && depth < 3) {
                        print_members(value, name, depth + 1);
                        continue;
                }
                value_text(value, text);
                (void)printf("%-24s %s\n", name, text);
        }
}

void mu_ctl_print_object(const json_t *object)
{
        if (!json_is_object(object)) {
                mu_ctl_print_json(object);
                return;
        }
        print_members(object, "", 0);
}
