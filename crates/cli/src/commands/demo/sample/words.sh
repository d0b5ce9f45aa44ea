# How many words are in the arguments.
count_words() {
    set -- $*
    echo "$#"
}
