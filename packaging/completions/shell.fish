# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_shell_global_optspecs
    string join \n clear-sessions user= c/command= o/output= json check-config= engine config= state= socket= h/help
end

function __fish_shell_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_shell_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_shell_using_subcommand
    set -l cmd (__fish_shell_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c shell -n "__fish_shell_needs_command" -l user -d 'Log in as NAME; only the password is asked' -r
complete -c shell -n "__fish_shell_needs_command" -s c -l command -d 'Run a command line; may be given again' -r
complete -c shell -n "__fish_shell_needs_command" -s o -l output -d 'The form of the answers' -r -f -a "table\t'Tables and sentences'
json\t'One JSON object for each answer, on one line'"
complete -c shell -n "__fish_shell_needs_command" -l check-config -d 'Check a configuration file and exit; the file in use by default' -r -F
complete -c shell -n "__fish_shell_needs_command" -l config -d 'The configuration file [default: /etc/session-limit/config.toml]' -r -F
complete -c shell -n "__fish_shell_needs_command" -l state -d 'The store of sessions [default: /run/session-limit/live-sessions.db]' -r -F
complete -c shell -n "__fish_shell_needs_command" -l socket -d 'The socket of the session program [default: /run/session-limit-shell.sock, unless run by root]' -r -F
complete -c shell -n "__fish_shell_needs_command" -l clear-sessions -d 'End your other sessions once name and password are accepted'
complete -c shell -n "__fish_shell_needs_command" -l json -d 'The same as --output json'
complete -c shell -n "__fish_shell_needs_command" -l engine -d 'With --check-config: also try the engine of the fleet; only root may'
complete -c shell -n "__fish_shell_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c shell -n "__fish_shell_needs_command" -f -a "show"
complete -c shell -n "__fish_shell_needs_command" -f -a "watch"
complete -c shell -n "__fish_shell_needs_command" -f -a "status" -d 'whether limits take effect on this host, and what to do if not'
complete -c shell -n "__fish_shell_needs_command" -f -a "explain" -d 'why a user\'s next login is let in or refused'
complete -c shell -n "__fish_shell_needs_command" -f -a "check"
complete -c shell -n "__fish_shell_needs_command" -f -a "configure"
complete -c shell -n "__fish_shell_needs_command" -f -a "delete"
complete -c shell -n "__fish_shell_needs_command" -f -a "clear"
complete -c shell -n "__fish_shell_needs_command" -f -a "unlock"
complete -c shell -n "__fish_shell_needs_command" -f -a "import"
complete -c shell -n "__fish_shell_needs_command" -f -a "export"
complete -c shell -n "__fish_shell_needs_command" -f -a "help" -d 'explain the commands; also ?'
complete -c shell -n "__fish_shell_using_subcommand show; and not __fish_seen_subcommand_from useraccountprofile user group useractivity session fleet refusal" -s h -l help -d 'Print help'
complete -c shell -n "__fish_shell_using_subcommand show; and not __fish_seen_subcommand_from useraccountprofile user group useractivity session fleet refusal" -f -a "useraccountprofile" -d 'all profiles, or one with its fields'
complete -c shell -n "__fish_shell_using_subcommand show; and not __fish_seen_subcommand_from useraccountprofile user group useractivity session fleet refusal" -f -a "user" -d 'the users that have an entry, or the profile that holds for one'
complete -c shell -n "__fish_shell_using_subcommand show; and not __fish_seen_subcommand_from useraccountprofile user group useractivity session fleet refusal" -f -a "group" -d 'the groups that have an entry, or one'
complete -c shell -n "__fish_shell_using_subcommand show; and not __fish_seen_subcommand_from useraccountprofile user group useractivity session fleet refusal" -f -a "useractivity" -d 'how many sessions users hold'
complete -c shell -n "__fish_shell_using_subcommand show; and not __fish_seen_subcommand_from useraccountprofile user group useractivity session fleet refusal" -f -a "session" -d 'the sessions one by one'
complete -c shell -n "__fish_shell_using_subcommand show; and not __fish_seen_subcommand_from useraccountprofile user group useractivity session fleet refusal" -f -a "fleet" -d 'the hosts that share one limit'
complete -c shell -n "__fish_shell_using_subcommand show; and not __fish_seen_subcommand_from useraccountprofile user group useractivity session fleet refusal" -f -a "refusal" -d 'the last logins that were refused, and what held the slots'
complete -c shell -n "__fish_shell_using_subcommand show; and __fish_seen_subcommand_from useraccountprofile" -s h -l help -d 'Print help'
complete -c shell -n "__fish_shell_using_subcommand show; and __fish_seen_subcommand_from user" -s h -l help -d 'Print help'
complete -c shell -n "__fish_shell_using_subcommand show; and __fish_seen_subcommand_from group" -s h -l help -d 'Print help'
complete -c shell -n "__fish_shell_using_subcommand show; and __fish_seen_subcommand_from useractivity" -s h -l help -d 'Print help'
complete -c shell -n "__fish_shell_using_subcommand show; and __fish_seen_subcommand_from session" -s h -l help -d 'Print help'
complete -c shell -n "__fish_shell_using_subcommand show; and __fish_seen_subcommand_from fleet" -s h -l help -d 'Print help'
complete -c shell -n "__fish_shell_using_subcommand show; and __fish_seen_subcommand_from refusal" -s h -l help -d 'Print help'
complete -c shell -n "__fish_shell_using_subcommand watch; and not __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c shell -n "__fish_shell_using_subcommand watch; and not __fish_seen_subcommand_from show" -f -a "show" -d 'repeat a show command every two seconds; q or Ctrl-C ends it'
complete -c shell -n "__fish_shell_using_subcommand watch; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c shell -n "__fish_shell_using_subcommand status" -s h -l help -d 'Print help'
complete -c shell -n "__fish_shell_using_subcommand explain" -s h -l help -d 'Print help'
complete -c shell -n "__fish_shell_using_subcommand check; and not __fish_seen_subcommand_from useraccountprofile" -s h -l help -d 'Print help'
complete -c shell -n "__fish_shell_using_subcommand check; and not __fish_seen_subcommand_from useraccountprofile" -f -a "useraccountprofile" -d 'whom a limit would refuse, now and in the last days'
complete -c shell -n "__fish_shell_using_subcommand check; and __fish_seen_subcommand_from useraccountprofile" -s h -l help -d 'Print help'
complete -c shell -n "__fish_shell_using_subcommand configure; and not __fish_seen_subcommand_from useraccountprofile user group" -s h -l help -d 'Print help'
complete -c shell -n "__fish_shell_using_subcommand configure; and not __fish_seen_subcommand_from useraccountprofile user group" -f -a "useraccountprofile" -d 'make or change a profile'
complete -c shell -n "__fish_shell_using_subcommand configure; and not __fish_seen_subcommand_from useraccountprofile user group" -f -a "user" -d 'assign a user to a profile (user_profile_ref)'
complete -c shell -n "__fish_shell_using_subcommand configure; and not __fish_seen_subcommand_from useraccountprofile user group" -f -a "group" -d 'assign a group to a profile (user_profile_ref)'
complete -c shell -n "__fish_shell_using_subcommand configure; and __fish_seen_subcommand_from useraccountprofile" -s h -l help -d 'Print help'
complete -c shell -n "__fish_shell_using_subcommand configure; and __fish_seen_subcommand_from user" -s h -l help -d 'Print help'
complete -c shell -n "__fish_shell_using_subcommand configure; and __fish_seen_subcommand_from group" -s h -l help -d 'Print help'
complete -c shell -n "__fish_shell_using_subcommand delete; and not __fish_seen_subcommand_from useraccountprofile user group" -s h -l help -d 'Print help'
complete -c shell -n "__fish_shell_using_subcommand delete; and not __fish_seen_subcommand_from useraccountprofile user group" -f -a "useraccountprofile" -d 'delete a profile that is assigned to no user and no group'
complete -c shell -n "__fish_shell_using_subcommand delete; and not __fish_seen_subcommand_from useraccountprofile user group" -f -a "user" -d 'remove a user\'s own entry'
complete -c shell -n "__fish_shell_using_subcommand delete; and not __fish_seen_subcommand_from useraccountprofile user group" -f -a "group" -d 'remove a group\'s entry'
complete -c shell -n "__fish_shell_using_subcommand delete; and __fish_seen_subcommand_from useraccountprofile" -s h -l help -d 'Print help'
complete -c shell -n "__fish_shell_using_subcommand delete; and __fish_seen_subcommand_from user" -s h -l help -d 'Print help'
complete -c shell -n "__fish_shell_using_subcommand delete; and __fish_seen_subcommand_from group" -s h -l help -d 'Print help'
complete -c shell -n "__fish_shell_using_subcommand clear; and not __fish_seen_subcommand_from session sessions" -s h -l help -d 'Print help'
complete -c shell -n "__fish_shell_using_subcommand clear; and not __fish_seen_subcommand_from session sessions" -f -a "session" -d 'end one session'
complete -c shell -n "__fish_shell_using_subcommand clear; and not __fish_seen_subcommand_from session sessions" -f -a "sessions" -d 'end a user\'s sessions, your own others by default'
complete -c shell -n "__fish_shell_using_subcommand clear; and __fish_seen_subcommand_from session" -s h -l help -d 'Print help'
complete -c shell -n "__fish_shell_using_subcommand clear; and __fish_seen_subcommand_from sessions" -s h -l help -d 'Print help'
complete -c shell -n "__fish_shell_using_subcommand unlock; and not __fish_seen_subcommand_from user" -s h -l help -d 'Print help'
complete -c shell -n "__fish_shell_using_subcommand unlock; and not __fish_seen_subcommand_from user" -f -a "user" -d 'forget a user\'s failed logins, which may lock the account'
complete -c shell -n "__fish_shell_using_subcommand unlock; and __fish_seen_subcommand_from user" -s h -l help -d 'Print help'
complete -c shell -n "__fish_shell_using_subcommand import; and not __fish_seen_subcommand_from limits" -s h -l help -d 'Print help'
complete -c shell -n "__fish_shell_using_subcommand import; and not __fish_seen_subcommand_from limits" -f -a "limits" -d 'propose profiles for pam_limits\'s maxlogins lines, or write them'
complete -c shell -n "__fish_shell_using_subcommand import; and __fish_seen_subcommand_from limits" -l apply -d 'Write what is proposed'
complete -c shell -n "__fish_shell_using_subcommand import; and __fish_seen_subcommand_from limits" -s h -l help -d 'Print help'
complete -c shell -n "__fish_shell_using_subcommand export; and not __fish_seen_subcommand_from limits" -s h -l help -d 'Print help'
complete -c shell -n "__fish_shell_using_subcommand export; and not __fish_seen_subcommand_from limits" -f -a "limits" -d 'print the limits as maxlogins lines of limits.conf'
complete -c shell -n "__fish_shell_using_subcommand export; and __fish_seen_subcommand_from limits" -s h -l help -d 'Print help'
complete -c shell -n "__fish_shell_using_subcommand help" -s h -l help -d 'Print help'
