/* SPDX-License-Identifier: Apache-2.0 */
#include <winsock2.h> /* before windows.h */

#include <windows.h>

#include <iphlpapi.h>
#include <stdlib.h>

#include "windows/device.h"

enum {
        TRIES = 4,
        ADAPTERS_BYTES = 16 * 1024,
        MOBILE = 243, /* IF_TYPE_WWANPP and _WWANPP2, which mingw-w64 does not have */
        MOBILE_CDMA = 244,
};

static enum mu_agent_network kind_of(const IP_ADAPTER_ADDRESSES *adapter)
{
        switch (adapter->IfType) {
        case IF_TYPE_IEEE80211:
                return MU_AGENT_NETWORK_WIFI;
        case MOBILE:
        case MOBILE_CDMA:
                return MU_AGENT_NETWORK_CELLULAR;
        case IF_TYPE_ETHERNET_CSMACD:
                return MU_AGENT_NETWORK_ETHERNET;
        default:
                return MU_AGENT_NETWORK_UNKNOWN;
        }
}

static IP_ADAPTER_ADDRESSES *adapters(void)
{
        const ULONG flags = GAA_FLAG_INCLUDE_GATEWAYS | GAA_FLAG_SKIP_ANYCAST |
                            GAA_FLAG_SKIP_MULTICAST | GAA_FLAG_SKIP_DNS_SERVER;
        ULONG bytes = ADAPTERS_BYTES;

        /* The list may grow between two calls. */
        for (int i = 0; i < TRIES; i++) {
                IP_ADAPTER_ADDRESSES *list = malloc(bytes);

                if (!list)
                        return NULL;
                ULONG error = GetAdaptersAddresses(AF_UNSPEC, flags, NULL, list, &bytes);

                if (error == NO_ERROR)
                        return list;
                free(list);
                if (error != ERROR_BUFFER_OVERFLOW)
                        return NULL;
        }
        return NULL;
}

enum mu_agent_network mu_windows_network(void)
{
        enum mu_agent_network kind = MU_AGENT_NETWORK_OFFLINE;
        IP_ADAPTER_ADDRESSES *list = adapters();
        ULONG best = ULONG_MAX;

        if (!list)
                return MU_AGENT_NETWORK_UNKNOWN;
        for (const IP_ADAPTER_ADDRESSES *at = list; at; at = at->Next) {
                ULONG metric = at->Ipv4Enabled ? at->Ipv4Metric : at->Ipv6Metric;

                if (at->OperStatus != IfOperStatusUp || !at->FirstGatewayAddress ||
                    at->IfType == IF_TYPE_SOFTWARE_LOOPBACK || metric >= best)
                        continue;
                best = metric;
                kind = kind_of(at);
        }
        free(list);
        return kind;
}
