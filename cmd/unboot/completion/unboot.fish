# Completion of unboot for fish: unboot itself says what may follow.
#
# The answer has a candidate on each line, as it is, which fish quotes, and after a
# tab its description.
function __unboot_complete
    set -l before (commandline -opc)
    set -l words (commandline -o)
    set -l after (math (count $before) + 1)
    # The word at the cursor is one of them, unless it is empty.
    set -l current ''
    if test -n "$(commandline -ct)"
        set current $words[$after]
        set after (math $after + 1)
    end
    command unboot completion --answer fish -- (math (count $before) - 1) \
        $before[2..] "$current" $words[$after..] 2>/dev/null
end
complete -c unboot -f -a '(__unboot_complete)'
