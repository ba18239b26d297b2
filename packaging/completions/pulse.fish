# fish completion for pulse
set -l commands serve health status config hash-password version help
complete -c pulse -f
complete -c pulse -n "not __fish_seen_subcommand_from $commands" -a "$commands"
complete -c pulse -n '__fish_seen_subcommand_from health status' -l url -x -d 'address of the server'
complete -c pulse -n '__fish_seen_subcommand_from status' -l token -x -d 'API token'
complete -c pulse -n '__fish_seen_subcommand_from status' -l warn -x -d 'alerts'
complete -c pulse -n '__fish_seen_subcommand_from status' -l crit -x -d 'alerts'
complete -c pulse -n '__fish_seen_subcommand_from status' -l json -d 'as JSON'
complete -c pulse -n '__fish_seen_subcommand_from config' -a 'info export import'
complete -c pulse -n '__fish_seen_subcommand_from config' -s o -l output -r -F -d 'file to write'
complete -c pulse -n '__fish_seen_subcommand_from config' -s i -l input -r -F -d 'file to read'
complete -c pulse -n '__fish_seen_subcommand_from config' -s p -l passphrase -x -d 'passphrase'
complete -c pulse -n '__fish_seen_subcommand_from config' -s f -l force -d 'do not ask'
