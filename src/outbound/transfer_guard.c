/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transfer_guard.c - public_only: the address counts that is connected to, not the name, so that a
 * name that leads elsewhere the second time gains nothing.
 *
 * Asked twice: before a socket is made (nothing goes out to a private address, not even a SYN), and
 * before a request goes onto a connection (it may be a kept one, made for somebody who is allowed).
 */
#include <sys/socket.h>
#include <unistd.h>

#include "outbound/address.h"
#include "outbound/private.h"

static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
        struct mu_transfer *transfer = ctx;

        (void)purpose;
        if (!mu_address_is_public(&address->addr)) {
                transfer->refused_address = true;
                return CURL_SOCKET_BAD;
        }
        return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static int before_request(void *ctx, char *remote_address, char *local_address, int remote_port,
                          int local_port)
{
        struct mu_transfer *transfer = ctx;

        (void)local_address;
        (void)remote_port;
        (void)local_port;
        /* One of several addresses may have been refused, and this one is fine. */
        transfer->refused_address = !mu_address_text_is_public(remote_address);
        return transfer->refused_address ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

CURLcode mu_transfer_guard(struct mu_transfer *transfer, CURL *easy)
{
        CURLcode code = curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);

        code |= curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, transfer);
        code |= curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, before_request);
        code |= curl_easy_setopt(easy, CURLOPT_PREREQDATA, transfer);
        /* A proxy would be what is connected to. */
        code |= curl_easy_setopt(easy, CURLOPT_PROXY, "");
        return code;
}
