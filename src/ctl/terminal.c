/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <openssl/mem.h>

#include "base/fs.h"
#include "ctl/ctl.h"

enum {
        SECRET_BYTES_MAX = 4096,
};

void mu_ctl_complain(const char *format, ...)
{
        va_list arguments;

        (void)fputs("musterctl: ", stderr);
        va_start(arguments, format);
        (void)vfprintf(stderr, format, arguments);
        va_end(arguments);
        (void)fputc('\n', stderr);
}

static char *read_line(FILE *file)
{
        char *line = NULL;
        size_t room = 0;
        ssize_t bytes = getline(&line, &room, file);

        if (bytes < 0) {
                free(line);
                return NULL;
        }
        while (bytes > 0 && (line[bytes - 1] == '\n' || line[bytes - 1] == '\r'))
                line[--bytes] = '\0';
        return line;
}

static FILE *open_terminal(void)
{
        FILE *terminal = fopen("/dev/tty", "r+e");

        if (!terminal)
                mu_ctl_complain("there is no terminal to ask on: give the secret in a file "
                                "instead (--password-file FILE; - is standard input).");
        return terminal;
}

char *mu_ctl_ask_line(const char *prompt)
{
        FILE *terminal = open_terminal();

        if (!terminal)
                return NULL;
        (void)fputs(prompt, terminal);
        (void)fflush(terminal);
        char *line = read_line(terminal);

        (void)fclose(terminal);
        return line;
}

char *mu_ctl_ask_secret(const char *prompt)
{
        FILE *terminal = open_terminal();
        struct termios before;

        if (!terminal)
                return NULL;
        bool silent = tcgetattr(fileno(terminal), &before) == 0;

        if (silent) {
                struct termios quiet = before;

                quiet.c_lflag &= ~(tcflag_t)ECHO;
                (void)tcsetattr(fileno(terminal), TCSAFLUSH, &quiet);
        }
        (void)fputs(prompt, terminal);
        (void)fflush(terminal);
        char *line = read_line(terminal);

        if (silent) {
                (void)tcsetattr(fileno(terminal), TCSAFLUSH, &before);
                (void)fputc('\n', terminal);
        }
        (void)fclose(terminal);
        return line;
}

char *mu_ctl_read_secret(const char *path)
{
        char *text = NULL;

        if (strcmp(path, "-") == 0) {
                text = read_line(stdin);
                if (!text)
                        mu_ctl_complain("standard input is empty where a secret should come from.");
                return text;
        }
        int error = mu_fs_read_file(path, SECRET_BYTES_MAX, &text, NULL);

        if (error < 0) {
                mu_ctl_complain("%s can't be read: %s.", path, strerror(-error));
                return NULL;
        }
        text[strcspn(text, "\r\n")] = '\0';
        return text;
}

void mu_ctl_forget(char *secret)
{
        if (!secret)
                return;
        OPENSSL_cleanse(secret, strlen(secret));
        free(secret);
}

bool mu_ctl_confirm(const char *question)
{
        char prompt[512];

        if (!isatty(STDIN_FILENO)) {
                mu_ctl_complain("%s Say so with --yes; there is no terminal to ask on.", question);
                return false;
        }
        (void)snprintf(prompt, sizeof(prompt), "%s [y/N] ", question);
        char *answer = mu_ctl_ask_line(prompt);
        bool yes = answer && (answer[0] == 'y' || answer[0] == 'Y');

        free(answer);
        return yes;
}
