# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Completion of xmcastctl for bash. It knows nothing itself: `xmcastctl complete WORD…` says what
# the last word may become, rule and interface names of the running daemon included.

_xmcastctl()
{
	local cur=${COMP_WORDS[COMP_CWORD]} cword=$COMP_CWORD words=("${COMP_WORDS[@]}")
	local candidate quoted

	# Names hold characters at which bash splits words ("239.1.1.1:5000@eth0").
	if declare -F _get_comp_words_by_ref >/dev/null; then
		_get_comp_words_by_ref -n ':=@>' cur words cword
	fi
	COMPREPLY=()
	while IFS= read -r candidate; do
		if [ "$candidate" = "<file>" ]; then
			compopt -o default 2>/dev/null
			return
		fi
		printf -v quoted %q "$candidate"
		COMPREPLY+=("$quoted")
	done < <("${words[0]}" complete "${words[@]:1:cword}" 2>/dev/null </dev/null)
	if declare -F __ltrim_colon_completions >/dev/null; then
		__ltrim_colon_completions "$cur"
	fi
}

complete -F _xmcastctl xmcastctl
