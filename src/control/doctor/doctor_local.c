/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_local.c - files and settings. */
#include <errno.h>
#include <limits.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "backup/process.h"
#include "base/clock.h"
#include "base/fs.h"
#include "control/doctor/doctor.h"

enum {
        SECRET_BYTES_LEAST = 20,
        SECRET_BYTES_MAX = 4096,
        CERTIFICATE_WARN_DAYS = 30,
        BCRYPT_COST_LEAST = 10,
        PASSWORD_FILE_DAYS = 1,
};

/* ---- secrets ---- */

/* Long enough, and not the same few letters over and over. */
static bool looks_random(const char *secret)
{
        bool seen[256] = {false};
        size_t kinds = 0;

        for (const char *at = secret; *at && *at != '\n'; at++) {
                kinds += !seen[(unsigned char)*at];
                seen[(unsigned char)*at] = true;
        }
        return strcspn(secret, "\n") >= SECRET_BYTES_LEAST && kinds >= 10;
}

/* "" or what is wrong with it. */
static const char *fault_of_secret(const char *path)
{
        struct stat status;
        char *secret;

        if (stat(path, &status) < 0)
                return errno == ENOENT ? "is missing" : "can't be read";
        if ((status.st_mode & 077) != 0)
                return "is open to others";
        if (mu_fs_read_file(path, SECRET_BYTES_MAX, &secret, NULL) < 0)
                return "can't be read";
        bool random = looks_random(secret);

        explicit_bzero(secret, strlen(secret));
        free(secret);
        return random ? "" : "is weak";
}

static void check_secrets(struct mu_doctor *doctor, const struct mu_doctor_settings *settings)
{
        static const char *const names[] = {"admin-key", "jwt-secret", "hmac-master"};
        char path[PATH_MAX];
        struct stat status;

        (void)snprintf(path, sizeof(path), "%s/secrets", settings->data_directory);
        if (stat(path, &status) < 0) {
                mu_doctor_add(doctor, "secrets", errno == ENOENT ? MU_DOCTOR_FAIL : MU_DOCTOR_SKIP,
                              "Run this as the user who runs musterd.", "%s: %s", path,
                              strerror(errno));
                return;
        }
        if ((status.st_mode & 077) != 0) {
                mu_doctor_add(doctor, "secrets", MU_DOCTOR_FAIL,
                              "chmod 700 the folder, and rotate the secrets if others use this "
                              "machine.",
                              "%s is open to others (mode %o)", path, status.st_mode & 07777);
                return;
        }
        for (size_t i = 0; i < MU_COUNT_OF(names); i++) {
                (void)snprintf(path, sizeof(path), "%s/secrets/%s", settings->data_directory,
                               names[i]);
                const char *fault = fault_of_secret(path);

                if (*fault) {
                        mu_doctor_add(
                                doctor, "secrets", MU_DOCTOR_FAIL,
                                "chmod 600 it; a weak or missing one is removed and made anew "
                                "by the next start of musterd.",
                                "%s %s", path, fault);
                        return;
                }
        }
        mu_doctor_add(doctor, "secrets", MU_DOCTOR_OK, NULL,
                      "made here, random, readable by their user alone");
}

/* It is for the first sign-in. */
static void check_password_file(struct mu_doctor *doctor, const struct mu_doctor_settings *settings)
{
        char path[PATH_MAX];
        struct stat status;
        time_t now = (time_t)(mu_clock_realtime_us(mu_clock_system()) / MU_US_PER_S);

        (void)snprintf(path, sizeof(path), "%s/secrets/admin-password", settings->data_directory);
        if (stat(path, &status) < 0)
                mu_doctor_add(doctor, "first-password",
                              errno == ENOENT ? MU_DOCTOR_OK : MU_DOCTOR_SKIP, NULL,
                              errno == ENOENT ? "the first password's file has been removed"
                                              : "the secrets can't be read from here");
        else if ((now - status.st_mtime) / MU_S_PER_DAY < PASSWORD_FILE_DAYS)
                mu_doctor_add(doctor, "first-password", MU_DOCTOR_OK, NULL,
                              "%s is there; it is less than a day old", path);
        else
                mu_doctor_add(doctor, "first-password", MU_DOCTOR_WARN,
                              "Change the password (musterctl password), then remove the file.",
                              "%s still lies there", path);
}

/* ---- the certificate ---- */

static void judge_certificate(struct mu_doctor *doctor, const char *path, X509 *certificate)
{
        int days = 0;
        int seconds = 0;
        bool self_signed = X509_NAME_cmp(X509_get_subject_name(certificate),
                                         X509_get_issuer_name(certificate)) == 0;

        if (!ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(certificate)))
                mu_doctor_add(doctor, "certificate", MU_DOCTOR_SKIP, NULL,
                              "%s: its end can't be read", path);
        else if (days < 0 || seconds < 0)
                mu_doctor_add(doctor, "certificate", MU_DOCTOR_FAIL,
                              "Put a new one there and send musterd SIGHUP; a self-signed one is "
                              "made anew when both files of data.dir/tls are removed.",
                              "%s has expired", path);
        else if (days < CERTIFICATE_WARN_DAYS)
                mu_doctor_add(doctor, "certificate", MU_DOCTOR_WARN,
                              "Renew it and send musterd SIGHUP.", "%s ends in %d days", path,
                              days);
        else if (self_signed)
                mu_doctor_add(doctor, "certificate", MU_DOCTOR_WARN,
                              "Browsers warn of it, and agents must be told to trust it: set "
                              "tls.certificate and tls.key to one that they know.",
                              "self-signed, good for %d more days", days);
        else
                mu_doctor_add(doctor, "certificate", MU_DOCTOR_OK, NULL, "good for %d more days",
                              days);
}

static void check_certificate(struct mu_doctor *doctor, const struct mu_doctor_settings *settings)
{
        char *pem = NULL;
        size_t bytes = 0;
        int err = mu_fs_read_file(settings->certificate, 1 << 20, &pem, &bytes);
        BIO *bio = err == 0 ? BIO_new_mem_buf(pem, (int)bytes) : NULL;
        X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;

        if (certificate)
                judge_certificate(doctor, settings->certificate, certificate);
        else
                mu_doctor_add(doctor, "certificate", err < 0 ? MU_DOCTOR_SKIP : MU_DOCTOR_FAIL,
                              "musterd makes one at its first start, or uses tls.certificate.",
                              "%s can't be read%s%s", settings->certificate, err < 0 ? ": " : "",
                              err < 0 ? strerror(-err) : "");
        X509_free(certificate);
        BIO_free(bio);
        free(pem);
}

/* ---- settings ---- */

static bool is_loopback(const char *address)
{
        return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0 ||
               strcmp(address, "localhost") == 0;
}

static void check_doors(struct mu_doctor *doctor, const struct mu_doctor_settings *settings)
{
        if (is_loopback(settings->http_address))
                mu_doctor_add(doctor, "plain-http", MU_DOCTOR_OK, NULL, "only on this machine (%s)",
                              settings->http_address);
        else
                mu_doctor_add(doctor, "plain-http", MU_DOCTOR_WARN,
                              "Set http.address to 127.0.0.1, unless a proxy in a network of its "
                              "own needs it: tokens travel readable.",
                              "HTTP without TLS is open on %s", settings->http_address);
        if (strchr(settings->cors_origins, '*'))
                mu_doctor_add(doctor, "cors", MU_DOCTOR_FAIL,
                              "Name the origins in http.cors_origins.",
                              "any page may use the API (%s)", settings->cors_origins);
        else if (strstr(settings->cors_origins, "http://"))
                mu_doctor_add(doctor, "cors", MU_DOCTOR_WARN, "Serve that page by https.",
                              "pages without TLS may use the API (%s)", settings->cors_origins);
        else
                mu_doctor_add(doctor, "cors", MU_DOCTOR_OK, NULL, "%s",
                              *settings->cors_origins ? settings->cors_origins
                                                      : "only the appliance's own pages");
        if (strstr(settings->trusted_proxies, "/0"))
                mu_doctor_add(doctor, "trusted-proxies", MU_DOCTOR_FAIL,
                              "Name your proxies' addresses in http.trusted_proxies: anybody can "
                              "claim any address now, and limits mean nothing.",
                              "everybody is believed (%s)", settings->trusted_proxies);
        else
                mu_doctor_add(doctor, "trusted-proxies", MU_DOCTOR_OK, NULL, "%s",
                              *settings->trusted_proxies ? settings->trusted_proxies : "none");
}

static void check_limits(struct mu_doctor *doctor, const struct mu_doctor_settings *settings)
{
        bool off = settings->limits_general_max == 0 || settings->limits_auth_failures == 0;

        mu_doctor_add(doctor, "limits", off ? MU_DOCTOR_WARN : MU_DOCTOR_OK,
                      "Set limits.general_max and limits.auth_failures: without them passwords and "
                      "tokens can be guessed fast.",
                      "general_max %llu, auth_failures %llu",
                      (unsigned long long)settings->limits_general_max,
                      (unsigned long long)settings->limits_auth_failures);
        mu_doctor_add(doctor, "password-hash",
                      settings->bcrypt_cost < BCRYPT_COST_LEAST ? MU_DOCTOR_FAIL : MU_DOCTOR_OK,
                      "Set accounts.bcrypt_cost to 12; each password gets it when it is next "
                      "changed.",
                      "bcrypt of cost %llu", (unsigned long long)settings->bcrypt_cost);
        mu_doctor_add(doctor, "log",
                      strcmp(settings->log_level, "debug") == 0 ? MU_DOCTOR_WARN : MU_DOCTOR_OK,
                      "Set log.level to info: debug costs, and fills the disk.", "level %s",
                      settings->log_level);
}

static void check_outside(struct mu_doctor *doctor, const struct mu_doctor_settings *settings)
{
        mu_doctor_add(doctor, "mail", *settings->smtp_url ? MU_DOCTOR_OK : MU_DOCTOR_WARN,
                      "Set smtp.url and smtp.from: alerts, digests and password resets can't be "
                      "mailed.",
                      "%s", *settings->smtp_url ? "configured" : "not configured");
        mu_doctor_add(doctor, "fcm", *settings->fcm_service_account ? MU_DOCTOR_OK : MU_DOCTOR_SKIP,
                      "Set fcm.service_account to wake sleeping Android devices; without it they "
                      "fetch commands with their next heartbeat.",
                      "%s", *settings->fcm_service_account ? "configured" : "not configured");
}

/* ---- backups ---- */

static void check_backup_programs(struct mu_doctor *doctor,
                                  const struct mu_doctor_settings *settings)
{
        bool sealed = *settings->backup_recipients != '\0';
        bool remote = *settings->backup_offsite != '\0' && *settings->backup_offsite != '/';

        if (sealed && (!mu_process_exists("age") || !mu_process_exists("zstd")))
                mu_doctor_add(doctor, "backup-programs", MU_DOCTOR_FAIL, "apt-get install age zstd",
                              "backups can't be encrypted without age "
                              "and zstd");
        else if (remote && !mu_process_exists("rsync"))
                mu_doctor_add(doctor, "backup-programs", MU_DOCTOR_FAIL,
                              "apt-get install rsync openssh-client",
                              "backups can't be copied to another machine without rsync");
        else
                mu_doctor_add(doctor, "backup-programs", MU_DOCTOR_OK, NULL,
                              "what backup.* asks for is installed");
}

static void check_backup_place(struct mu_doctor *doctor, const struct mu_doctor_settings *settings)
{
        struct stat data, place;

        if (*settings->backup_directory == '\0' || settings->backup_interval_s == 0) {
                mu_doctor_add(doctor, "backup-schedule", MU_DOCTOR_WARN,
                              "Set backup.directory to a folder on another disk.",
                              "no backups are scheduled");
                return;
        }
        if (stat(settings->backup_directory, &place) < 0)
                mu_doctor_add(doctor, "backup-schedule",
                              errno == ENOENT ? MU_DOCTOR_WARN : MU_DOCTOR_FAIL,
                              "The first backup makes it; if it should be there, mount it.",
                              "%s: %s", settings->backup_directory, strerror(errno));
        else if (stat(settings->data_directory, &data) == 0 && data.st_dev == place.st_dev &&
                 *settings->backup_offsite == '\0')
                mu_doctor_add(doctor, "backup-schedule", MU_DOCTOR_WARN,
                              "Set backup.offsite, or backup.directory to another disk: one disk "
                              "takes both along.",
                              "backups lie on the same disk as the data");
        else
                mu_doctor_add(doctor, "backup-schedule", MU_DOCTOR_OK, NULL, "into %s",
                              settings->backup_directory);
}

void mu_doctor_local(struct mu_doctor *doctor, const struct mu_doctor_settings *settings)
{
        check_secrets(doctor, settings);
        check_password_file(doctor, settings);
        check_certificate(doctor, settings);
        check_doors(doctor, settings);
        check_limits(doctor, settings);
        check_outside(doctor, settings);
        check_backup_place(doctor, settings);
        check_backup_programs(doctor, settings);
}
