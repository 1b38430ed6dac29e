/* SPDX-License-Identifier: Apache-2.0 */
#include <CoreGraphics/CoreGraphics.h>
#include <SystemConfiguration/SystemConfiguration.h>
#include <objc/message.h>
#include <objc/runtime.h>
#include <stdio.h>
#include <string.h>

#include "macos/device.h"

/* One message without arguments. objc_msgSend is called as what it will be: on 64-bit ARM a call
 * through its own, variadic type would be wrong. */
static id send(id object, const char *selector)
{
        return ((id(*)(id, SEL))objc_msgSend)(object, sel_registerName(selector));
}

/* [[NSWorkspace sharedWorkspace] frontmostApplication].bundleIdentifier; AppKit is linked. */
static const char *front_identifier(void)
{
        Class workspace = objc_getClass("NSWorkspace");

        if (!workspace)
                return NULL;
        id front = send(send((id)workspace, "sharedWorkspace"), "frontmostApplication");
        id identifier = front ? send(front, "bundleIdentifier") : NULL;

        if (!identifier)
                return NULL;
        return ((const char *(*)(id, SEL))objc_msgSend)(identifier, sel_registerName("UTF8String"));
}

void mu_macos_foreground(char ret_package[MU_AGENT_PACKAGE_BYTES])
{
        Class pool_class = objc_getClass("NSAutoreleasePool");

        if (!pool_class)
                return;
        /* What is asked for above is autoreleased, and this loop has no pool of its own. */
        id pool = send((id)pool_class, "new");
        const char *identifier = front_identifier();

        if (identifier && strlen(identifier) < MU_AGENT_PACKAGE_BYTES)
                (void)snprintf(ret_package, MU_AGENT_PACKAGE_BYTES, "%s", identifier);
        (void)send(pool, "drain");
}

void mu_macos_user(char *ret_name, size_t room)
{
        CFStringRef user = SCDynamicStoreCopyConsoleUser(NULL, NULL, NULL);

        if (!user)
                return;
        /* "loginwindow": nobody is logged in. */
        if (CFEqual(user, CFSTR("loginwindow")) ||
            !CFStringGetCString(user, ret_name, (CFIndex)room, kCFStringEncodingUTF8))
                ret_name[0] = '\0';
        CFRelease(user);
}

int64_t mu_macos_idle_s(void)
{
        CFDictionaryRef session = CGSessionCopyCurrentDictionary();

        if (!session)
                return -1; /* outside of every user's session */
        CFRelease(session);
        CFTimeInterval idle_s = CGEventSourceSecondsSinceLastEventType(
                kCGEventSourceStateHIDSystemState, kCGAnyInputEventType);

        return idle_s >= 0 ? (int64_t)idle_s : -1;
}
