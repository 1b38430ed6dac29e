# SPDX-License-Identifier: Apache-2.0
# The core's sources: for the Linux agent's build, and for the builds of the other systems.
set(AGENT_CORE_SOURCES
        agent.c
        base64.c
        builtin.c
        clock_sync.c
        command_book.c
        config.c
        core.c
        downlink.c
        downlink_inbox.c
        downlink_results.c
        downlink_turn.c
        enroll.c
        event.c
        queue.c
        queue_drain.c
        reply.c
        report.c
        result.c
        server_url.c
        store.c
        update_offer.c
        updater.c
        uplink.c
        uplink_answer.c
        uplink_backlog.c
        uplink_readings.c)
list(TRANSFORM AGENT_CORE_SOURCES PREPEND "${CMAKE_CURRENT_LIST_DIR}/")
