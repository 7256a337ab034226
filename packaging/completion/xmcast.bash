# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Completion of xmcastd, xmcast-exporter, xmcast-cluster, xmcast-gen and xmcast-sink for bash. The options come from the
# program's own help. It runs the program that PATH leads to, and never the word that was typed
# (xmcastctl.bash says why).

_xmcast_program()
{
	local name=${1##*/} word=${COMP_WORDS[COMP_CWORD]} options

	case $word in
	-*)
		options=$(command "$name" --help 2>/dev/null </dev/null |
			sed 's/[][,=|]/ /g' | grep -oE '(^| )--?[a-zA-Z][a-z-]*' | sort -u)
		mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
		;;
	*)
		compopt -o default 2>/dev/null
		case $name in
		xmcast-gen | xmcast-sink)
			mapfile -t COMPREPLY < <(cd /sys/class/net && compgen -G "$word*")
			;;
		esac
		;;
	esac
}

complete -F _xmcast_program xmcastd xmcast-exporter xmcast-cluster xmcast-gen xmcast-sink
