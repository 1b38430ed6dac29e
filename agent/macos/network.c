/* SPDX-License-Identifier: Apache-2.0 */
#include <CoreFoundation/CoreFoundation.h>
#include <SystemConfiguration/SystemConfiguration.h>

#include "macos/device.h"

/* configd's word on the way out, for either family: {"PrimaryInterface": "en0", …}. Released by the
 * caller; NULL: there is none. */
static CFStringRef primary_interface(CFStringRef entity)
{
        CFStringRef key = SCDynamicStoreKeyCreateNetworkGlobalEntity(
                NULL, kSCDynamicStoreDomainState, entity);
        CFStringRef name = NULL;

        if (!key)
                return NULL;
        CFPropertyListRef state = SCDynamicStoreCopyValue(NULL, key);

        if (state && CFGetTypeID(state) == CFDictionaryGetTypeID())
                name = CFDictionaryGetValue(state, kSCDynamicStorePropNetPrimaryInterface);
        if (name && CFGetTypeID(name) != CFStringGetTypeID())
                name = NULL;
        if (name)
                CFRetain(name);
        if (state)
                CFRelease(state);
        CFRelease(key);
        return name;
}

static enum mu_agent_network kind_of(CFStringRef type)
{
        if (!type)
                return MU_AGENT_NETWORK_UNKNOWN;
        if (CFEqual(type, kSCNetworkInterfaceTypeIEEE80211))
                return MU_AGENT_NETWORK_WIFI;
        if (CFEqual(type, kSCNetworkInterfaceTypeEthernet))
                return MU_AGENT_NETWORK_ETHERNET;
        if (CFEqual(type, kSCNetworkInterfaceTypeWWAN))
                return MU_AGENT_NETWORK_CELLULAR;
        return MU_AGENT_NETWORK_UNKNOWN;
}

static enum mu_agent_network find_kind(CFStringRef name)
{
        enum mu_agent_network kind = MU_AGENT_NETWORK_UNKNOWN;
        CFArrayRef interfaces = SCNetworkInterfaceCopyAll();
        CFIndex count = interfaces ? CFArrayGetCount(interfaces) : 0;

        for (CFIndex i = 0; i < count; i++) {
                SCNetworkInterfaceRef interface = CFArrayGetValueAtIndex(interfaces, i);
                CFStringRef bsd_name = SCNetworkInterfaceGetBSDName(interface); /* not ours */

                if (bsd_name && CFEqual(bsd_name, name))
                        kind = kind_of(SCNetworkInterfaceGetInterfaceType(interface));
        }
        if (interfaces)
                CFRelease(interfaces);
        return kind;
}

enum mu_agent_network mu_macos_network(void)
{
        CFStringRef name = primary_interface(kSCEntNetIPv4);

        if (!name)
                name = primary_interface(kSCEntNetIPv6);
        if (!name)
                return MU_AGENT_NETWORK_OFFLINE;
        enum mu_agent_network kind = find_kind(name);

        CFRelease(name);
        return kind;
}
