/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_options.h - the list of settings; included several times with MU_OPTION defined.
 *
 * MU_OPTION(section, key, type, default, least, most, reloadable, help). Each is documented in
 * deploy/muster.conf.example; a test fails when one is missing there. Longer than other headers: it
 * is one thing because it is one list.
 */
/* clang-format off */
MU_OPTION(data, dir, TEXT, "./var", 1, 4000, false,
          "Everything the appliance keeps: journal, private PostgreSQL, secrets, certificate.")

MU_OPTION(tls, port, NUMBER, "8443", 0, 65535, false,
          "Port for HTTPS; 0 takes a free one. MUSTER_PORT and --port mean the same.")
MU_OPTION(tls, address, TEXT, "::", 1, 64, false,
          "Address to listen on for HTTPS; :: is every address, IPv4 too.")
MU_OPTION(tls, certificate, TEXT, "", 0, 4000, true,
          "Certificate chain in PEM; empty: self-signed, made at first start in data.dir/tls.")
MU_OPTION(tls, key, TEXT, "", 0, 4000, true,
          "Its private key in PEM; given together with tls.certificate.")

MU_OPTION(http, port, NUMBER, "8080", 0, 65535, false,
          "Port for plain HTTP; 0 takes a free one.")
MU_OPTION(http, address, TEXT, "127.0.0.1", 1, 64, false,
          "Address to listen on for plain HTTP. Tokens travel readable: open it to a trusted LAN "
          "only.")
MU_OPTION(http, frontends, NUMBER, "0", 0, 64, false,
          "Event loops that serve HTTP; 0: one per core.")
MU_OPTION(http, connections_max, NUMBER, "0", 0, 10000000, false,
          "Most connections at once, the oldest idle one is closed first; 0: what descriptors "
          "allow.")
MU_OPTION(http, connections_per_address, NUMBER, "0", 0, 10000000, false,
          "Most connections from one address; 0: no limit, since a fleet may sit behind one "
          "address.")
MU_OPTION(http, handshake_timeout, DURATION, "10s", 100000000, 600000000000, false,
          "A TLS handshake must end within this.")
MU_OPTION(http, idle_timeout, DURATION, "6m", 100000000, 86400000000000, false,
          "A connection may wait this long for its next request: longer than the devices' "
          "interval, so "
          "that the next heartbeat needs no handshake.")
MU_OPTION(http, request_timeout, DURATION, "30s", 100000000, 600000000000, false,
          "A request, head and body, must arrive within this of its first byte.")
MU_OPTION(http, write_timeout, DURATION, "30s", 100000000, 600000000000, false,
          "A client that takes nothing more of its reply for this long is cut off.")
MU_OPTION(http, trusted_proxies, TEXT, "", 0, 4000, false,
          "Addresses and networks of reverse proxies (10.0.0.0/8, ::1) whose X-Forwarded-For and "
          "X-Forwarded-Proto are believed; empty: nobody's.")
MU_OPTION(http, cors_origins, TEXT, "", 0, 4000, false,
          "Origins (https://console.example) whose pages may use the API and its WebSockets, "
          "besides the appliance's own.")

MU_OPTION(console, dir, TEXT, "", 0, 4000, true,
          "Where the console's files lie (a folder with manifest.json); empty: beside the program, "
          "in ../share/muster/ui or ../../ui; none: no console. SIGHUP reads them again.")

MU_OPTION(ingest, heartbeat_interval, DURATION, "5m", 1000000000, 86400000000000, false,
          "How often a device reports, unless it has an interval of its own.")
MU_OPTION(ingest, window_back, DURATION, "7d", 60000000000, 31536000000000000, false,
          "Oldest heartbeat accepted, after correcting the device's clock.")
MU_OPTION(ingest, window_ahead, DURATION, "5m", 1000000000, 86400000000000, false,
          "How far ahead of the server's clock a heartbeat may lie.")
MU_OPTION(ingest, ring, BYTES, "4MiB", 65536, 268435456, false,
          "Ring between each frontend and the journal; a power of two. Full means 503.")
MU_OPTION(ingest, dedupe_entries, NUMBER, "1048576", 4096, 268435456, false,
          "Acknowledged heartbeats remembered to answer repeats; 8 bytes each, a power of two.")

MU_OPTION(journal, dir, TEXT, "", 0, 4000, false,
          "Where the journal lies; empty: data.dir/journal. A disk of its own is worth it.")
MU_OPTION(journal, capacity, BYTES, "0", 0, UINT64_MAX, false,
          "Most it may hold; 0: a quarter of the free disk, at least 16 GiB where that fits.")
MU_OPTION(journal, segment, BYTES, "64MiB", 1048576, 4294967296, false,
          "Size of one segment file; a multiple of 1 MiB.")
MU_OPTION(journal, tail, BYTES, "32MiB", 4194304, 17179869184, false,
          "Newest part kept in memory for the writers.")
MU_OPTION(journal, linger, DURATION, "2ms", 0, 1000000000, false,
          "Longest wait for more heartbeats to be synced together, while they come fast.")
MU_OPTION(journal, keep_covered, DURATION, "24h", 0, 31536000000000000, false,
          "How long segments stay that PostgreSQL has wholly stored, for a restored backup.")
MU_OPTION(journal, keep_covered_size, BYTES, "2GiB", 0, UINT64_MAX, false,
          "How much of them stays at the most.")
MU_OPTION(journal, io, TEXT, "auto", 4, 5, false,
          "auto: io_uring, and pwrite with fdatasync where the kernel refuses it; uring or plain "
          "force one.")

MU_OPTION(writer, count, NUMBER, "2", 1, 16, false,
          "Threads that write to PostgreSQL, a connection each.")
MU_OPTION(writer, batch_rows, NUMBER, "10000", 1, 100000, false,
          "A batch is sent when it has this many heartbeats.")
MU_OPTION(writer, batch_size, BYTES, "8MiB", 524288, 268435456, false,
          "... or this many bytes.")
MU_OPTION(writer, batch_age, DURATION, "300ms", 1000000, 60000000000, false,
          "... or is this old under load; an idle writer sends at once.")

MU_OPTION(database, url, TEXT, "", 0, 4000, false,
          "An existing PostgreSQL 15 or newer; empty: a private one, run by musterd in data.dir.")
MU_OPTION(database, connections, NUMBER, "24", 8, 1000, false,
          "Most connections to PostgreSQL in all; checked against its max_connections at start.")
MU_OPTION(database, statement_timeout, DURATION, "30s", 1000000000, 3600000000000, false,
          "A statement of the control plane is cancelled after this.")
MU_OPTION(database, slow_statement, DURATION, "500ms", 0, 3600000000000, false,
          "Statements slower than this are logged; 0: none.")

MU_OPTION(retention, heartbeats, DURATION, "90d", 86400000000000, 3153600000000000000, false,
          "How long heartbeats are kept; at least ingest.window_back and 2 days.")
MU_OPTION(retention, commands, DURATION, "90d", 86400000000000, 3153600000000000000, false,
          "How long commands that are over are kept, with their results and attempts.")
MU_OPTION(retention, audit, DURATION, "400d", 86400000000000, 3153600000000000000, false,
          "How long the audit log is kept; what stays still verifies.")
MU_OPTION(retention, alerts, DURATION, "400d", 86400000000000, 3153600000000000000, false,
          "How long alerts and incidents that are over are kept, with their log.")
MU_OPTION(retention, security_events, DURATION, "90d", 86400000000000, 3153600000000000000,
          false,
          "How long the log of security events is kept.")

MU_OPTION(alerts, group_devices, NUMBER, "5", 1, 1000000, false,
          "More devices than this of one site or network that raise the same alert within "
          "alerts.group_window are one incident.")
MU_OPTION(alerts, group_window, DURATION, "60s", 1000000000, 86400000000000, false,
          "How close together they must be. Devices that fall silent together are noticed one by "
          "one: for them a heartbeat interval more.")
MU_OPTION(alerts, group_wait, DURATION, "10s", 0, 3600000000000, false,
          "How long a new incident waits for more of its kind before people are told.")
MU_OPTION(alerts, console_url, TEXT, "", 0, 1000, false,
          "Address of the console as people reach it (https://muster.example), for links in "
          "messages; empty: no links.")
MU_OPTION(alerts, discord_hosts, TEXT,
          "discord.com,discordapp.com,ptb.discord.com,canary.discord.com", 1, 1000, false,
          "Whose webhooks are Discord's, with commas between: hosts, with their port where a URL "
          "has one. Another one only where a proxy or a stand-in for Discord is used.")

MU_OPTION(archive, dir, TEXT, "", 0, 4000, false,
          "Where old days go as files before they are dropped; empty: data.dir/archive. Elsewhere "
          "they are in no backup: copy them yourself.")
MU_OPTION(archive, bandwidth, BYTES, "16MiB", 1048576, 1099511627776, false,
          "Rows read or written for the archive, in bytes a second: what is left is for the fleet.")
MU_OPTION(archive, keep_restored, DURATION, "7d", 60000000000, 31622400000000000, false,
          "How long a restored day stays, unless the request says otherwise.")

MU_OPTION(commands, resend, DURATION, "30s", 100000000, 3600000000000, false,
          "A pushed command that its device has not acknowledged is pushed again after this, then "
          "after twice as long, and so on; by FCM after eight times as long.")

MU_OPTION(control, workers, NUMBER, "4", 1, 64, false,
          "Threads that answer operators and registrations.")
MU_OPTION(control, queue, NUMBER, "256", 1, 4096, false,
          "Requests that may wait for them; more are answered 503.")

MU_OPTION(limits, auth_failures, NUMBER, "60", 0, 32767, false,
          "Failed authentications of one address within a minute before 429; 0: no limit. "
          "Valid device tokens are never limited.")
MU_OPTION(limits, general_max, NUMBER, "60", 0, 100000, false,
          "Requests to /api and /admin of one address, and of one account, within the window; 0: "
          "no limit. Devices and X-Admin-Key are never limited by these.")
MU_OPTION(limits, general_window, DURATION, "60s", 1000000000, 86400000000000, false,
          "The sliding window of limits.general_max.")
MU_OPTION(limits, general_burst, NUMBER, "20", 0, 100000, false,
          "How many of them within limits.burst_window; 0: no such limit.")
MU_OPTION(limits, reset_max, NUMBER, "3", 0, 100000, false,
          "Password resets asked for by one address, and for one account, within the window; 0: no "
          "limit.")
MU_OPTION(limits, reset_window, DURATION, "1h", 1000000000, 86400000000000, false,
          "The sliding window of limits.reset_max.")
MU_OPTION(limits, reset_burst, NUMBER, "0", 0, 100000, false,
          "How many of them within limits.burst_window; 0: no such limit.")
MU_OPTION(limits, bulk_max, NUMBER, "10", 0, 100000, false,
          "Operations on many devices at once, of one address and of one account, within the "
          "window; 0: no limit.")
MU_OPTION(limits, bulk_window, DURATION, "60s", 1000000000, 86400000000000, false,
          "The sliding window of limits.bulk_max.")
MU_OPTION(limits, bulk_burst, NUMBER, "5", 0, 100000, false,
          "How many of them within limits.burst_window; 0: no such limit.")
MU_OPTION(limits, burst_window, DURATION, "2s", 1000000000, 3600000000000, false,
          "The short window beside the long ones.")

MU_OPTION(accounts, bcrypt_cost, NUMBER, "12", 4, 16, false,
          "Cost of a password's hash: each step doubles the time of a login. Below 10 is for "
          "tests.")
MU_OPTION(accounts, access_life, DURATION, "15m", 1000000000, 86400000000000, false,
          "How long an access token lives.")
MU_OPTION(accounts, session_life, DURATION, "30d", 1000000000, 31536000000000000, false,
          "How long a login can be refreshed, whatever happens.")
MU_OPTION(accounts, session_idle, DURATION, "7d", 1000000000, 31536000000000000, false,
          "... and how long without a refresh.")
MU_OPTION(accounts, reset_life, DURATION, "1h", 1000000000, 86400000000000, false,
          "How long a code for a new password can be used.")
MU_OPTION(accounts, reset_url, TEXT, "", 0, 1000, false,
          "Page that a reset mail leads to, with #CODE behind it; empty: the mail has the code "
          "alone.")
MU_OPTION(accounts, lock_failures, NUMBER, "5", 3, 20, false,
          "Failed logins of a name in a row until it is locked.")
MU_OPTION(accounts, lock_first, DURATION, "15s", 1000000000, 3600000000000, false,
          "How long the first lock lasts; each further failure doubles it ...")
MU_OPTION(accounts, lock_longest, DURATION, "15m", 1000000000, 86400000000000, false,
          "... up to this.")

MU_OPTION(backup, directory, TEXT, "", 0, 4000, false,
          "Where scheduled backups are put, a folder each; best on another disk. Empty: none are "
          "scheduled.")
MU_OPTION(backup, interval, DURATION, "1d", 0, 31536000000000000, false,
          "How often, counted from the last one; 0: only when asked for.")
MU_OPTION(backup, at, TEXT, "", 0, 5, false,
          "Instead of the interval a time of day (UTC), such as 03:30.")
MU_OPTION(backup, directories, TEXT, "", 0, 4000, false,
          "Directories, with commas between, that POST /admin/backups may name besides "
          "backup.directory.")
MU_OPTION(backup, keep, NUMBER, "7", 0, 10000, false,
          "So many of the newest backups stay in a directory; 0: all.")
MU_OPTION(backup, keep_days, NUMBER, "0", 0, 36500, false,
          "And all that are younger than so many days.")
MU_OPTION(backup, bandwidth, BYTES, "0", 0, 10737418240, false,
          "Most bytes a second that a backup reads; 0: no limit.")
MU_OPTION(backup, recipients, TEXT, "", 0, 4000, false,
          "File of age public keys: backups are encrypted to them. The private key must not lie "
          "on the appliance.")
MU_OPTION(backup, before, TEXT, "", 0, 4000, false,
          "Program run before a backup; one that fails stops it.")
MU_OPTION(backup, after, TEXT, "", 0, 4000, false,
          "Program run after a backup, which hears whether it is good.")
MU_OPTION(backup, hook_timeout, DURATION, "10m", 1000000000, 86400000000000, false,
          "These programs are ended after this.")
MU_OPTION(backup, offsite, TEXT, "", 0, 1000, false,
          "Second place for each backup: a mounted directory (/mnt/...), or user@host:/path, "
          "reached by rsync.")
MU_OPTION(backup, offsite_key, TEXT, "", 0, 1000, false,
          "Private key file for rsync's ssh; empty: the user's own.")
MU_OPTION(backup, check_interval, DURATION, "7d", 0, 31536000000000000, false,
          "How often the newest backup is restored into a scratch database and counted; 0: only "
          "when asked for.")

MU_OPTION(outbound, ca_file, TEXT, "", 0, 4000, false,
          "Certificate authorities in PEM, trusted for outgoing connections beside the system's.")

MU_OPTION(smtp, url, TEXT, "", 0, 1000, false,
          "Mail server: smtp://HOST:587 (STARTTLS) or smtps://HOST:465; empty: no mail is sent.")
MU_OPTION(smtp, user, TEXT, "", 0, 200, false,
          "User to log in as; empty: no login.")
MU_OPTION(smtp, password_file, TEXT, "", 0, 4000, false,
          "File whose first line is the user's password.")
MU_OPTION(smtp, from, TEXT, "", 0, 400, false,
          "Sender, such as muster@example.org or Muster <muster@example.org>.")
MU_OPTION(smtp, starttls, TEXT, "required", 5, 13, false,
          "required; opportunistic: only without smtp.user; never: only to this machine.")

MU_OPTION(fcm, service_account, TEXT, "", 0, 4000, false,
          "Key file (JSON) of the Google service account that sends through Firebase Cloud "
          "Messaging; empty: no commands by FCM.")
MU_OPTION(fcm, endpoint, TEXT, "https://fcm.googleapis.com", 1, 1000, false,
          "Where messages are sent; https, or http on this machine for tests.")
MU_OPTION(fcm, token_uri, TEXT, "", 0, 1000, false,
          "Where access tokens are fetched; empty: as the key file says.")

MU_OPTION(live, clients_max, NUMBER, "2000", 1, 100000, false,
          "Operators' WebSockets (/api/ws) at once; more are answered 503.")
MU_OPTION(live, bandwidth, BYTES, "16MiB", 65536, 10737418240, false,
          "A second for all of them together; what does not fit makes updates rarer.")

MU_OPTION(log, level, TEXT, "info", 4, 7, true,
          "debug, info, warning or error. SIGUSR1 says more, SIGUSR2 less, without a restart.")
MU_OPTION(log, file, TEXT, "", 0, 4000, false,
          "Log file; empty: standard error, as systemd wants it.")
MU_OPTION(log, rotate, BYTES, "64MiB", 0, UINT64_MAX, false,
          "A new log file from this size on, and each day; 0: only each day.")
MU_OPTION(log, keep_days, NUMBER, "14", 0, 36500, false,
          "Days rotated log files stay; 0: for ever.")

MU_OPTION(stop, drain, DURATION, "30s", 0, 3600000000000, false,
          "Longest time a clean stop waits for PostgreSQL to take the backlog; the journal keeps "
          "the rest.")
