. src/words.sh
[ "$(count_words 'one two  three')" = 3 ]
