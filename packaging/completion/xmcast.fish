# SPDX-License-Identifier: BSD-2-Clause
# Completion of all programs of xmcast for fish. It knows nothing itself: `xmcastctl complete WORD…` prints
# what the last word may become, and the options of the other programs come from their help. It runs the
# program that PATH leads to, and never the word that was typed (xmcastctl.bash says why).

function __xmcast_ctl
    set -l words (commandline -opc) (commandline -ct)
    set -l candidates (command xmcastctl complete $words[2..] 2>/dev/null </dev/null)
    if test "$candidates[1]" = "<file>"
        __fish_complete_path (commandline -ct)
    else
        printf '%s\n' $candidates
    end
end

function __xmcast_options
    command $argv[1] --help 2>/dev/null </dev/null | string replace -ra '[][,=|]' ' ' |
        string match -rag '(?:^| )(--?[a-zA-Z][a-z-]*)' | sort -u
end

complete -c xmcastctl -f -a '(__xmcast_ctl)'
for program in xmcastd xmcast-exporter xmcast-cluster xmcast-gen xmcast-sink
    complete -c $program -n 'string match -q -- "-*" (commandline -ct)' -a "(__xmcast_options $program)"
end
for program in xmcast-gen xmcast-sink
    complete -c $program -f -n 'test (count (commandline -opc)) = 1' -a '(command ls /sys/class/net)'
end
