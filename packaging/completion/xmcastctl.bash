# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Completion of xmcastctl for bash. It knows nothing itself: `xmcastctl complete WORD…` prints what
# the last word may become, including the names of rules and interfaces of the running daemon.
#
# It runs the xmcastctl that PATH leads to, and never the word that was typed: pressing Tab after
# ./xmcastctl in a directory of somebody else must not run what is there.

_xmcastctl()
{
	local line=${COMP_LINE:0:COMP_POINT} words=() breaks=${COMP_WORDBREAKS//[!:=@]/}
	local rest part i prefix='' candidate quoted

	# Bash also splits words at characters that names and options contain ("239.1.1.1:5000@eth0",
	# "--color=never"): join what no blank separates.
	for ((i = 0; i <= COMP_CWORD; i++)); do
		rest=${line#"${line%%[![:blank:]]*}"}
		part=${COMP_WORDS[i]:0:${#rest}}
		if ((i)) && [ "$rest" = "$line" ]; then
			words[-1]+=$part
		else
			words+=("$part")
		fi
		line=${rest#"$part"}
	done
	# Bash replaces only what follows the last of these characters, or begins with an "@".
	if [ -n "$breaks" ]; then
		prefix=${words[-1]%"${words[-1]##*["$breaks"]}"}
		prefix=${prefix%@}
	fi
	# No name contains a backslash: on the command line they quote the next character.
	words=("${words[@]//\\/}")
	prefix=${prefix//\\/}
	COMPREPLY=()
	while IFS= read -r candidate; do
		if [ "$candidate" = "<file>" ]; then
			compopt -o default 2>/dev/null
			return
		fi
		printf -v quoted %q "${candidate#"$prefix"}"
		COMPREPLY+=("$quoted")
	done < <(command xmcastctl complete "${words[@]:1}" 2>/dev/null </dev/null)
}

complete -F _xmcastctl xmcastctl
