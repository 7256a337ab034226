# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Completion of xmcastctl for bash. It knows nothing itself: `xmcastctl complete WORD…` says what
# the last word may become, rule and interface names of the running daemon included.

_xmcastctl()
{
	local line=${COMP_LINE:0:COMP_POINT} words=() breaks=${COMP_WORDBREAKS//[!:=@]/}
	local rest part i prefix='' candidate quoted

	# Bash splits words at characters, too, that names and options hold ("239.1.1.1:5000@eth0",
	# "--color=never"): what no blank separates is one word.
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
	# What it will replace is only what stands behind the last of these, or begins with an "@".
	if [ -n "$breaks" ]; then
		prefix=${words[-1]%"${words[-1]##*["$breaks"]}"}
		prefix=${prefix%@}
	fi
	# No name holds a backslash: on the command line they quote what is behind them.
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
	done < <("${words[0]}" complete "${words[@]:1}" 2>/dev/null </dev/null)
}

complete -F _xmcastctl xmcastctl
