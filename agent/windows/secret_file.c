/* SPDX-License-Identifier: Apache-2.0 */
#include "windows/secret_file.h"

#include <windows.h> /* before all others of Windows */

#include <dpapi.h>
#include <errno.h>
#include <sddl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/config.h"
#include "core/wipe.h"

/* Protected against what the parent grants: the system, the administrators, its owner. */
static const char RIGHTS[] = "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;OW)";

static int last_error(void)
{
        switch (GetLastError()) {
        case ERROR_FILE_NOT_FOUND:
        case ERROR_PATH_NOT_FOUND:
                return -ENOENT;
        case ERROR_ACCESS_DENIED:
        case ERROR_SHARING_VIOLATION:
                return -EACCES;
        case ERROR_DISK_FULL:
        case ERROR_HANDLE_DISK_FULL:
                return -ENOSPC;
        case ERROR_NOT_ENOUGH_MEMORY:
        case ERROR_OUTOFMEMORY:
                return -ENOMEM;
        default:
                return -EIO;
        }
}

int mu_secret_directory(const char *path)
{
        SECURITY_ATTRIBUTES attributes = {.nLength = sizeof(attributes)};

        if (!ConvertStringSecurityDescriptorToSecurityDescriptorA(
                    RIGHTS, SDDL_REVISION_1, &attributes.lpSecurityDescriptor, NULL))
                return last_error();
        int err = 0;

        if (!CreateDirectoryA(path, &attributes) && GetLastError() != ERROR_ALREADY_EXISTS)
                err = last_error();
        (void)LocalFree(attributes.lpSecurityDescriptor);
        return err;
}

int mu_plain_file_read(const char *path, size_t bytes_max, char **ret_text, size_t *ret_bytes)
{
        FILE *file = fopen(path, "rb");

        if (!file)
                return -errno;
        char *text = malloc(bytes_max + 1);
        size_t bytes = text ? fread(text, 1, bytes_max + 1, file) : 0;
        int err = text ? 0 : -ENOMEM;

        if (ferror(file))
                err = -EIO;
        else if (bytes > bytes_max)
                err = -EFBIG;
        (void)fclose(file);
        if (err < 0) {
                if (text)
                        mu_agent_wipe(text, bytes_max + 1);
                free(text);
                return err;
        }
        text[bytes] = '\0';
        *ret_text = text;
        *ret_bytes = bytes;
        return 0;
}

static int write_through(const char *path, const void *data, size_t bytes)
{
        HANDLE file = CreateFileA(path, GENERIC_WRITE, 0, NULL, CREATE_ALWAYS,
                                  FILE_ATTRIBUTE_NORMAL, NULL);
        DWORD written = 0;

        if (file == INVALID_HANDLE_VALUE)
                return last_error();
        int err = 0;

        if (!WriteFile(file, data, (DWORD)bytes, &written, NULL) || written != bytes ||
            !FlushFileBuffers(file))
                err = last_error();
        (void)CloseHandle(file);
        return err;
}

int mu_plain_file_write(const char *path, const void *data, size_t bytes)
{
        char beside[MU_AGENT_PATH_BYTES + 8];
        int chars = snprintf(beside, sizeof(beside), "%s.new", path);

        if (chars < 0 || (size_t)chars >= sizeof(beside) || bytes > MU_SECRET_FILE_BYTES_MAX)
                return -EMSGSIZE;
        int err = write_through(beside, data, bytes);

        if (err == 0 &&
            !MoveFileExA(beside, path, MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH))
                err = last_error();
        if (err < 0)
                (void)DeleteFileA(beside);
        return err;
}

int mu_secret_file_read(const char *path, char **ret_text, size_t *ret_bytes)
{
        DATA_BLOB sealed = {0};
        DATA_BLOB plain = {0};
        char *file = NULL;
        size_t bytes = 0;
        int err = mu_plain_file_read(path, MU_SECRET_FILE_BYTES_MAX, &file, &bytes);

        if (err < 0)
                return err;
        sealed = (DATA_BLOB){.cbData = (DWORD)bytes, .pbData = (BYTE *)file};
        bool opened = CryptUnprotectData(&sealed, NULL, NULL, NULL, NULL, CRYPTPROTECT_UI_FORBIDDEN,
                                         &plain);

        DWORD error = opened ? ERROR_SUCCESS : GetLastError();

        free(file);
        if (!opened) {
                (void)fprintf(stderr, "muster-agent: Windows did not decrypt %s (error 0x%08lx).\n",
                              path, (unsigned long)error);
                return error == ERROR_INVALID_DATA ? -EBADMSG : -EIO;
        }
        char *text = malloc((size_t)plain.cbData + 1);

        if (text) {
                memcpy(text, plain.pbData, plain.cbData);
                text[plain.cbData] = '\0';
                *ret_text = text;
                *ret_bytes = plain.cbData;
        }
        mu_agent_wipe(plain.pbData, plain.cbData);
        (void)LocalFree(plain.pbData);
        return text ? 0 : -ENOMEM;
}

int mu_secret_file_write(const char *path, const char *text, size_t bytes)
{
        DATA_BLOB plain = {.cbData = (DWORD)bytes, .pbData = (BYTE *)(uintptr_t)text};
        DATA_BLOB sealed = {0};

        if (bytes > MU_AGENT_CONFIG_BYTES_MAX)
                return -EMSGSIZE;
        if (!CryptProtectData(&plain, L"Muster agent", NULL, NULL, NULL,
                              CRYPTPROTECT_UI_FORBIDDEN | CRYPTPROTECT_LOCAL_MACHINE, &sealed))
                return -EIO;
        int err = mu_plain_file_write(path, sealed.pbData, sealed.cbData);

        (void)LocalFree(sealed.pbData);
        return err;
}
