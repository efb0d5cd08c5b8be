define(`f', `<$1$1>')dnl
f(`a') eval(2**20) len(`hello') translit(`abc', `a-c', `x-z') ifelse(1, 1, `y', `n') substr(`hello', 1, 3)
define(`loop', `ifelse($1, 0, , `$1 loop(decr($1))')')dnl
loop(20)
