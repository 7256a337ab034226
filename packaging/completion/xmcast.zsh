#compdef xmcastctl xmcastd xmcast-exporter xmcast-cluster xmcast-gen xmcast-sink
# SPDX-License-Identifier: BSD-2-Clause
# Completion of all programs of xmcast for zsh. It knows nothing itself: `xmcastctl complete WORD…` prints
# what the last word may become, and the options of the other programs come from their help. It runs the
# program that PATH leads to, and never the word that was typed (xmcastctl.bash says why).

local -a candidates
local name=${service:t}

if [[ $name == xmcastctl ]]; then
	# Words as they are after quoting, up to the cursor.
	candidates=("${(@f)$(command xmcastctl complete "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null </dev/null)}")
	if [[ $candidates[1] == '<file>' ]]; then
		_files
	elif [[ -n $candidates[1] ]]; then
		compadd -a candidates
	fi
elif [[ $PREFIX == -* ]]; then
	candidates=(${(f)"$(command $name --help 2>/dev/null </dev/null |
		sed 's/[][,=|]/ /g' | grep -oE '(^| )--?[a-zA-Z][a-z-]*' | tr -d ' ' | sort -u)"})
	compadd -a candidates
elif [[ $name == xmcast-(gen|sink) && $CURRENT == 2 ]]; then
	candidates=(/sys/class/net/*(N:t))
	compadd -a candidates
else
	_files
fi
