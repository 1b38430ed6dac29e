# SPDX-License-Identifier: Apache-2.0
# HTTP and the push channel over libcurl and wslay, for every shell that has them.
set(AGENT_NET_SOURCES
        certificate.c
        enrolling.c
        handshake.c
        http_curl.c
        push_channel.c
        reply_file.c
        retry_after.c
        sha1.c
        shell.c
        target.c)
list(TRANSFORM AGENT_NET_SOURCES PREPEND "${CMAKE_CURRENT_LIST_DIR}/")
