#compdef unboot
# Completion of unboot for zsh: unboot itself says what may follow.
#
# The answer is a list of three fields for each candidate, ended by NUL bytes: "+" if
# more of the word is to come, the candidate as it is, which compadd quotes, and a
# description.
_unboot() {
	local current=$PREFIX
	[[ -n $compstate[quote] ]] || current=${(Q)PREFIX}
	local -a answer
	answer=("${(@0)$(command unboot completion --answer zsh -- $(( CURRENT - 2 )) \
		"${(@Q)words[2,CURRENT-1]}" "$current" "${(@Q)words[CURRENT+1,-1]}" 2>/dev/null)}")
	# A "~" that stands for a directory must not be quoted.
	local home=
	compset -P '\~/' && home='~/'
	local more text help
	local -a whole whole_help part part_help
	for more text help in "${(@)answer}"; do
		[[ -n $text ]] || continue
		text=${text#$home}
		if [[ -n $more ]]; then
			part+=("$text") part_help+=("$text")
		else
			whole+=("$text") whole_help+=("$text${help:+  -- $help}")
		fi
	done
	(( $#whole )) && compadd -d whole_help -a whole
	(( $#part )) && compadd -S '' -d part_help -a part
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
	_unboot "$@"
else
	compdef _unboot unboot
fi
