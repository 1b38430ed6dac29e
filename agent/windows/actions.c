/* SPDX-License-Identifier: Apache-2.0 */
#include "windows/actions.h"

#include <windows.h> /* before all others of Windows */

#include <errno.h>
#include <jansson.h>
#include <string.h>

static const char *lock(void)
{
        return LockWorkStation()
                       ? NULL
                       : "Windows did not lock: the agent runs outside of a user's session";
}

static bool take_privilege(const char *name)
{
        TOKEN_PRIVILEGES privileges = {.PrivilegeCount = 1};
        HANDLE token;

        if (!OpenProcessToken(GetCurrentProcess(), TOKEN_ADJUST_PRIVILEGES | TOKEN_QUERY, &token))
                return false;
        privileges.Privileges[0].Attributes = SE_PRIVILEGE_ENABLED;
        bool taken = LookupPrivilegeValueA(NULL, name, &privileges.Privileges[0].Luid) &&
                     AdjustTokenPrivileges(token, FALSE, &privileges, 0, NULL, NULL) &&
                     GetLastError() == ERROR_SUCCESS;

        (void)CloseHandle(token);
        return taken;
}

static const char *reboot(const json_t *payload)
{
        json_int_t delay_s = json_integer_value(json_object_get(payload, "delay_s"));
        char message[] = "Restart by the fleet's management";
        const DWORD reason = SHTDN_REASON_MAJOR_OTHER | SHTDN_REASON_FLAG_PLANNED;

        if (!take_privilege("SeShutdownPrivilege"))
                return "the agent's account may not restart this machine";
        if (InitiateSystemShutdownExA(NULL, message, (DWORD)delay_s, FALSE, TRUE, reason))
                return NULL;
        return "Windows refused to restart";
}

/* Policy names whole paths: nothing is searched for, no shell reads them. */
static const char *launch(const char *program)
{
        wchar_t path[MU_AGENT_PACKAGE_BYTES];
        PROCESS_INFORMATION process;
        STARTUPINFOW startup = {.cb = sizeof(startup)};

        if (MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, program, -1, path,
                                MU_AGENT_PACKAGE_BYTES) == 0)
                return "the program's name is not well-formed";
        if (!CreateProcessW(path, NULL, NULL, NULL, FALSE, DETACHED_PROCESS, NULL, NULL, &startup,
                            &process))
                return "Windows could not start the program";
        (void)CloseHandle(process.hThread);
        (void)CloseHandle(process.hProcess);
        return NULL;
}

static bool is_program(const struct mu_agent_names *programs, const char *name)
{
        for (size_t i = 0; i < programs->count; i++)
                if (_stricmp(programs->names[i], name) == 0)
                        return true;
        return false;
}

int mu_windows_act(struct mu_windows_actions *actions, const struct mu_agent_action *action,
                   mu_agent_action_fn *done, void *done_context)
{
        const char *package = json_string_value(json_object_get(action->payload, "package"));
        const char *error;

        if (actions->waiting)
                return -EBUSY;
        if (strcmp(action->type, "lock") == 0) {
                error = lock();
        } else if (strcmp(action->type, "reboot") == 0) {
                if (!actions->config->may_reboot)
                        return -EPERM;
                error = reboot(action->payload);
        } else if (strcmp(action->type, "launch_package") == 0) {
                if (!package)
                        return -EINVAL;
                if (!is_program(&actions->config->programs, package))
                        return -EPERM;
                error = launch(package);
        } else {
                return -ENOTSUP;
        }
        actions->waiting = true;
        actions->command_id = action->command_id;
        actions->error = error;
        actions->done = done;
        actions->done_context = done_context;
        return 0;
}

bool mu_windows_answer(struct mu_windows_actions *actions)
{
        if (!actions->waiting)
                return false;
        actions->waiting = false;
        actions->done(actions->done_context, actions->command_id, NULL, actions->error);
        return true;
}
