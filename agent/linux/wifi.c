/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/wifi.h"

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/nl80211.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/assert.h"
#include "linux/machine_file.h"

enum {
        ANSWER_WAIT_US = 200000,
        REQUEST_PAYLOAD_BYTES = 16, /* "nl80211" and an index both fit */
        ANSWER_BYTES = 8192,        /* a family tells all its operations */
};

static size_t padded(size_t bytes)
{
        return (bytes + 3) & ~(size_t)3;
}

#define HEAD_BYTES (sizeof(struct nlmsghdr) + sizeof(struct genlmsghdr))
#define ATTRIBUTE_HEAD_BYTES sizeof(struct nlattr)

struct request {
        struct nlmsghdr header;
        struct genlmsghdr generic;
        struct nlattr attribute;
        char payload[REQUEST_PAYLOAD_BYTES];
};

const void *mu_wifi_attribute(const void *message, size_t bytes, unsigned short type,
                              size_t *ret_bytes)
{
        const char *from = message;
        struct nlmsghdr header;
        size_t at = HEAD_BYTES;

        if (bytes < at)
                return NULL;
        memcpy(&header, message, sizeof(header));
        if (header.nlmsg_len < at || header.nlmsg_len > bytes)
                return NULL;
        while (header.nlmsg_len - at >= ATTRIBUTE_HEAD_BYTES) {
                struct nlattr attribute;

                memcpy(&attribute, from + at, sizeof(attribute));
                if (attribute.nla_len < ATTRIBUTE_HEAD_BYTES ||
                    attribute.nla_len > header.nlmsg_len - at)
                        return NULL;
                if ((attribute.nla_type & ~(NLA_F_NESTED | NLA_F_NET_BYTEORDER)) == type) {
                        *ret_bytes = attribute.nla_len - ATTRIBUTE_HEAD_BYTES;
                        return from + at + ATTRIBUTE_HEAD_BYTES;
                }
                at += padded(attribute.nla_len);
                if (at > header.nlmsg_len)
                        return NULL;
        }
        return NULL;
}

/* One request with one attribute. Bytes of the answer, or -1: an error, or none came. */
static ssize_t ask(int fd, uint16_t family, uint8_t command, uint16_t type, const void *payload,
                   size_t bytes, char answer[ANSWER_BYTES])
{
        struct request request = {.header = {.nlmsg_type = family,
                                             .nlmsg_flags = NLM_F_REQUEST,
                                             .nlmsg_seq = command},
                                  .generic = {.cmd = command, .version = 1},
                                  .attribute = {.nla_len = (uint16_t)(ATTRIBUTE_HEAD_BYTES + bytes),
                                                .nla_type = type}};

        MU_ASSERT(bytes <= REQUEST_PAYLOAD_BYTES);
        memcpy(request.payload, payload, bytes);
        request.header.nlmsg_len = (uint32_t)(HEAD_BYTES + ATTRIBUTE_HEAD_BYTES + padded(bytes));
        if (send(fd, &request, request.header.nlmsg_len, 0) < 0)
                return -1;
        ssize_t got = recv(fd, answer, ANSWER_BYTES, 0);
        struct nlmsghdr header;

        if (got < (ssize_t)sizeof(header))
                return -1;
        memcpy(&header, answer, sizeof(header));
        return header.nlmsg_type == family ? got : -1;
}

static bool ask_ssid(int fd, uint32_t index, char ret_ssid[MU_AGENT_SSID_BYTES])
{
        char answer[ANSWER_BYTES];
        size_t bytes;
        uint16_t family;
        ssize_t got = ask(fd, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME,
                          NL80211_GENL_NAME, sizeof(NL80211_GENL_NAME), answer);

        if (got < 0)
                return false;
        const void *found = mu_wifi_attribute(answer, (size_t)got, CTRL_ATTR_FAMILY_ID, &bytes);

        if (!found || bytes != sizeof(family))
                return false;
        memcpy(&family, found, sizeof(family));
        got = ask(fd, family, NL80211_CMD_GET_INTERFACE, NL80211_ATTR_IFINDEX, &index,
                  sizeof(index), answer);
        if (got < 0)
                return false;
        found = mu_wifi_attribute(answer, (size_t)got, NL80211_ATTR_SSID, &bytes);
        if (!found)
                return false;
        mu_machine_clean(ret_ssid, MU_AGENT_SSID_BYTES, found, bytes);
        return true;
}

void mu_wifi_ssid(const char *interface, char ret_ssid[MU_AGENT_SSID_BYTES])
{
        struct timeval wait = {.tv_usec = ANSWER_WAIT_US};
        struct sockaddr_nl address = {.nl_family = AF_NETLINK};
        uint32_t index = if_nametoindex(interface);

        ret_ssid[0] = '\0';
        if (index == 0)
                return;
        int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);

        if (fd < 0)
                return;
        if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) == 0 &&
            connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
                (void)ask_ssid(fd, index, ret_ssid);
        close(fd);
}
