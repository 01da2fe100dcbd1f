/* An application in C, to be built with sanitizers: opens and closes sessions as one process.
 *
 * usage: driver CONFDIR SERVICE USER CYCLES
 */
#include <security/pam_appl.h>
#include <stdio.h>
#include <stdlib.h>

extern int pam_start_confdir(const char *service, const char *user, const struct pam_conv *conv,
                             const char *confdir, pam_handle_t **handle);

static int converse(int count, const struct pam_message **messages, struct pam_response **responses,
                    void *data)
{
    (void)messages;
    (void)data;
    *responses = calloc((size_t)count, sizeof **responses);
    return *responses ? PAM_SUCCESS : PAM_BUF_ERR;
}

static int start(char **argv, pam_handle_t **handle)
{
    static const struct pam_conv conv = {converse, NULL};
    return pam_start_confdir(argv[2], argv[3], &conv, argv[1], handle);
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    for (int i = atoi(argv[4]); i > 0; i--) {
        pam_handle_t *first, *second;
        if (start(argv, &first) || start(argv, &second))
            return 3;
        if (pam_set_item(first, PAM_TTY, "tty\n1") || pam_set_item(first, PAM_RHOST, "192.0.2.1"))
            return 4;
        if (pam_acct_mgmt(first, 0) || pam_open_session(first, 0))
            return 5;
        /* The limit is 1. */
        if (pam_acct_mgmt(second, 0) != PAM_PERM_DENIED)
            return 6;
        if (pam_end(second, PAM_PERM_DENIED))
            return 7;
        /* Every other one ends without closing: the cleanup releases its slot. */
        if (i % 2 && pam_close_session(first, 0))
            return 8;
        if (pam_end(first, i % 2 ? PAM_SUCCESS : PAM_SESSION_ERR))
            return 9;
    }
    return 0;
}
