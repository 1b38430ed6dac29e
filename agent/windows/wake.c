/* SPDX-License-Identifier: Apache-2.0 */
#include "windows/wake.h"

#include <winsock2.h> /* before windows.h */

#include <windows.h>

#include <ws2ipdef.h> /* before netioapi.h */

#include <errno.h>
#include <netioapi.h>
#include <stdatomic.h>

/* The one exception from having no globals: a console handler is called with nothing but its event.
 */
static struct {
        SOCKET socket;
        _Atomic unsigned happened;
        HANDLE network;
} wake = {.socket = INVALID_SOCKET};

static void say(unsigned what)
{
        atomic_fetch_or(&wake.happened, what);
        (void)send(wake.socket, "", 1, 0);
}

static BOOL WINAPI on_console(DWORD event)
{
        say(MU_WAKE_STOP);
        /* Windows ends the process when this returns, but for Ctrl-C: the loop ends it before. */
        if (event != CTRL_C_EVENT && event != CTRL_BREAK_EVENT)
                Sleep(INFINITE);
        return TRUE;
}

static void CALLBACK on_network(void *context, MIB_IPINTERFACE_ROW *row, MIB_NOTIFICATION_TYPE type)
{
        (void)context;
        (void)row;
        (void)type;
        say(MU_WAKE_NETWORK);
}

/* A datagram socket that is connected to itself. */
static int open_socket(void)
{
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int bytes = sizeof(address);
        u_long on = 1;

        wake.socket = socket(AF_INET, SOCK_DGRAM, 0);
        if (wake.socket == INVALID_SOCKET)
                return -EIO;
        if (bind(wake.socket, (struct sockaddr *)&address, bytes) == 0 &&
            getsockname(wake.socket, (struct sockaddr *)&address, &bytes) == 0 &&
            connect(wake.socket, (struct sockaddr *)&address, bytes) == 0 &&
            ioctlsocket(wake.socket, (long)FIONBIO, &on) == 0)
                return 0;
        (void)closesocket(wake.socket);
        wake.socket = INVALID_SOCKET;
        return -EIO;
}

int mu_wake_start(void)
{
        int err = open_socket();

        if (err < 0)
                return err;
        if (!SetConsoleCtrlHandler(on_console, TRUE)) {
                mu_wake_stop();
                return -EIO;
        }
        /* Without this one a change is noticed by what fails, and at the next heartbeat. */
        if (NotifyIpInterfaceChange(AF_UNSPEC, on_network, NULL, FALSE, &wake.network) != NO_ERROR)
                wake.network = NULL;
        return 0;
}

void mu_wake_stop(void)
{
        if (wake.network)
                (void)CancelMibChangeNotify2(wake.network);
        wake.network = NULL;
        (void)SetConsoleCtrlHandler(on_console, FALSE);
        (void)closesocket(wake.socket);
        wake.socket = INVALID_SOCKET;
}

int mu_wake_socket(void)
{
        /* Handles of Windows fit into 32 bits. */
        return (int)wake.socket;
}

unsigned mu_wake_take(void)
{
        char bytes[64];

        while (recv(wake.socket, bytes, sizeof(bytes), 0) > 0)
                ;
        return atomic_exchange(&wake.happened, 0);
}
