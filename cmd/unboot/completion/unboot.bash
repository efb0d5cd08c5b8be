# Completion of unboot for bash 4 and later: unboot itself says what may follow.
#
# The answers are words as they belong into this line, quoted, each followed by a
# blank unless more of the word is to come. Nothing of them is evaluated.
_unboot() {
	COMPREPLY=()
	mapfile -t COMPREPLY < <(
		command unboot completion --answer bash -- \
			"$COMP_WORDBREAKS" "${COMP_LINE:0:COMP_POINT}" "${COMP_LINE:COMP_POINT}" 2>/dev/null
	)
}
complete -o nospace -F _unboot unboot
