# fish completion of session-limitd(8)
complete -c session-limitd -f
complete -c session-limitd -l session-command -r -F -d 'Start this program for each login, without systemd'
complete -c session-limitd -s h -l help -d 'Explain the options'
complete -c session-limitd -s V -l version -d 'Print the version'
