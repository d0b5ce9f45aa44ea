# What runs in the export container: reads the workspace that an agent left, writes a header and a pack to standard
# output. Everything that git reads of the agent's own configuration is kept out where that is cheap, but nothing depends
# on it: whatever runs here can do no more than the agent could, and what comes out is checked outside.
#
# POSIX, with the tools of busybox. Arguments: collect|look, workspace, store, folder for temporary files, base, branch, the
# largest file, author's name, address, date, and the message of the commit that `collect` makes.
set -u
kind=$1 work=$2 store=$3 scratch=$4 base=$5 branch=$6 largest=$7 name=$8 email=$9
shift 9
date=$1 message=$2
LC_ALL=C
export LC_ALL
umask 077

fail() {
    printf 'gadugi-export 1\nstatus %s\n\n' "$1"
    exit 0
}

command -v git >/dev/null 2>&1 || fail no-git
cd "$work" 2>/dev/null || fail no-workspace
tmp=$(mktemp -d "$scratch/gadugi-export.XXXXXX" 2>/dev/null) || fail no-room
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

for variable in $(env | sed -n 's/^\(GIT_[A-Z0-9_]*\)=.*/\1/p'); do
    unset "$variable"
done
HOME=$tmp
XDG_CONFIG_HOME=$tmp
GIT_CONFIG_NOSYSTEM=1
GIT_CONFIG_GLOBAL=/dev/null
GIT_CONFIG_SYSTEM=/dev/null
GIT_ATTR_NOSYSTEM=1
GIT_TERMINAL_PROMPT=0
GIT_NO_REPLACE_OBJECTS=1
GIT_CONFIG_COUNT=0
export HOME XDG_CONFIG_HOME GIT_CONFIG_NOSYSTEM GIT_CONFIG_GLOBAL GIT_CONFIG_SYSTEM GIT_ATTR_NOSYSTEM \
    GIT_TERMINAL_PROMPT GIT_NO_REPLACE_OBJECTS GIT_CONFIG_COUNT
set_to() {
    export "GIT_CONFIG_KEY_$GIT_CONFIG_COUNT=$1" "GIT_CONFIG_VALUE_$GIT_CONFIG_COUNT=$2"
    GIT_CONFIG_COUNT=$((GIT_CONFIG_COUNT + 1))
}
set_to safe.directory '*'
set_to core.hooksPath /dev/null
set_to core.fsmonitor false
set_to core.attributesFile /dev/null
set_to core.excludesFile /dev/null
set_to core.autocrlf false
set_to core.safecrlf false
set_to core.quotePath false
set_to core.splitIndex false
set_to core.untrackedCache false
set_to core.bigFileThreshold 32m
set_to core.alternateRefsCommand true
set_to commit.gpgSign false
set_to submodule.recurse false
set_to protocol.allow never
set_to gc.auto 0
set_to maintenance.auto false
set_to i18n.commitEncoding UTF-8

# A repository of the script's own, which borrows from the store and from the agent's: so neither the agent's index nor
# its branches are touched, and its configuration is not asked how files are to be read.
own=$tmp/own
mkdir -p "$own/objects/info" "$own/objects/pack" "$own/refs/heads" "$own/info" || fail no-room
if [ "${#base}" -eq 64 ]; then
    printf '[core]\n\trepositoryformatversion = 1\n\tbare = false\n[extensions]\n\tobjectFormat = sha256\n'
else
    printf '[core]\n\trepositoryformatversion = 0\n\tbare = false\n'
fi >"$own/config" || fail no-room
printf 'ref: refs/heads/none\n' >"$own/HEAD" || fail no-room
printf '%s\n' "$store/objects" >"$own/objects/info/alternates" || fail no-room
if [ -f "$store/shallow" ]; then cp "$store/shallow" "$own/shallow" || fail no-room; fi
if [ -f "$store/info/exclude" ]; then cat "$store/info/exclude"; fi >"$own/info/exclude" || fail no-room
index=$tmp/index
ours() { GIT_DIR=$own GIT_WORK_TREE=$work GIT_INDEX_FILE=$index git "$@"; }
bare() { GIT_DIR=$own git "$@"; }
git --version >/dev/null 2>&1 || fail bad-git
bare cat-file -e "$base^{commit}" 2>/dev/null || fail no-store

# A pipe in place of one of git's own files would have git wait for ever for somebody to write. There is nothing in it.
find "$work" -type p \( -path "$work/.git/*" -o -name '.git*' -o -name .mailmap \) -exec rm -f {} + 2>/dev/null

# What the agent's repository says of itself.
theirs() { git --git-dir="$gitdir" "$@" 2>/dev/null; }
history=whole
gitdir=$work/.git
gitdir=$(theirs rev-parse --absolute-git-dir) || gitdir=
objects=
if [ -n "$gitdir" ]; then
    objects=$(theirs rev-parse --path-format=absolute --git-path objects) || objects=
    common=$(theirs rev-parse --path-format=absolute --git-common-dir) || common=$gitdir
fi
id_of() {
    found=$(theirs rev-parse --verify --quiet "$1^{commit}") || found=
    case $found in *[!0-9a-f]*) found= ;; esac
    [ "${#found}" -eq "${#base}" ] || found=
    printf %s "$found"
}
head= tip= on= operation=
if [ -n "$objects" ] && [ -d "$objects" ]; then
    printf '%s\n' "$objects" >>"$own/objects/info/alternates"
    if [ -f "$common/info/exclude" ]; then cat "$common/info/exclude" >>"$own/info/exclude"; fi
    head=$(id_of HEAD)
    tip=$(id_of "refs/heads/$branch")
    on=$(theirs symbolic-ref --quiet HEAD) || on=
    case $on in *[[:cntrl:]]* | *' '*) on= ;; refs/*) ;; *) on= ;; esac
    for sign in rebase-merge:rebase rebase-apply:rebase MERGE_HEAD:merge CHERRY_PICK_HEAD:cherry-pick \
        REVERT_HEAD:revert BISECT_LOG:bisect; do
        if [ -z "$operation" ] && [ -e "$gitdir/${sign%%:*}" ]; then operation=${sign#*:}; fi
    done
else
    gitdir= history=lost
fi

# Lists of names: one a line, a newline in a name as \001.
lines() { tr '\n\0' '\001\n'; }
fields() { tr '\n\001' '\0\n'; }

begin_from() {
    rm -f "$index"
    ours read-tree "$1" 2>/dev/null
}

# The agent's index says which files are as they were, which saves reading them. What it was told to hide is looked at.
begin() {
    if [ -n "$gitdir" ] && [ -f "$gitdir/index" ] && cp -p "$gitdir/index" "$index" 2>/dev/null &&
        ours ls-files -v -z >"$tmp/listing" 2>/dev/null; then
        lines <"$tmp/listing" >"$tmp/listing.lines"
        if grep -q '^[a-z] ' "$tmp/listing.lines"; then
            sed -n 's/^[a-z] //p' "$tmp/listing.lines" | fields | ours update-index -z --no-assume-unchanged --stdin
        fi
        if grep -q '^[Ss] ' "$tmp/listing.lines"; then
            sed -n 's/^[Ss] //p' "$tmp/listing.lines" | while IFS= read -r file; do
                if [ -e "$file" ] || [ -L "$file" ]; then printf '%s\n' "$file"; fi
            done | fields | ours update-index -z --no-skip-worktree --stdin
        fi
        return 0
    fi
    { [ -n "$head" ] && begin_from "$head"; } || begin_from "$base"
}

# Repositories inside a folder that nobody told git of, or that the agent told it of: their files are work.
nested_in() {
    {
        git ls-files --others --exclude-standard -z | lines | sed -n 's,/$,,p'
        git ls-files --stage -z | lines | sed -n "s/^160000 [^	]*	//p" | while IFS= read -r file; do
            case $(git ls-tree "$1" -- "$file" 2>/dev/null) in 160000*) ;; *) printf '%s\n' "$file" ;; esac
        done
    } 2>/dev/null | head -n 100
}

# Puts a repository's files where it lies: folder, its name in the index above, how deep.
nest() (
    above=$GIT_INDEX_FILE
    folder=$1
    GIT_WORK_TREE=$folder GIT_INDEX_FILE=$above.n
    export GIT_WORK_TREE GIT_INDEX_FILE
    cd "$folder" 2>/dev/null || exit 0
    rm -f "$GIT_INDEX_FILE"
    git read-tree --empty || exit 1
    inner=$GIT_INDEX_FILE.list
    nested_in "$base" >"$inner"
    set -- "$2" "$3"
    place=$1 depth=$2
    set -- .
    while IFS= read -r file; do set -- "$@" ":(exclude,literal)$file"; done <"$inner"
    git add --all --ignore-errors -- "$@" 2>>"$tmp/said"
    if [ "$depth" -gt 0 ]; then
        while IFS= read -r file; do nest "$folder/$file" "$file" $((depth - 1)); done <"$inner"
    fi
    tree=$(git write-tree) || exit 1
    GIT_WORK_TREE=$work GIT_INDEX_FILE=$above
    git update-index --force-remove -- "$place" 2>/dev/null
    git read-tree --prefix="$place/" "$tree"
)

# A disk that is full: git has said so, or nothing can be written.
full() {
    grep -q -e 'No space left on device' -e 'Disk quota exceeded' "$tmp/said" 2>/dev/null ||
        ! dd if=/dev/zero "of=$tmp/probe" bs=65536 count=16 2>/dev/null
}
no_snapshot() {
    if full; then fail no-room; fi
    fail no-snapshot
}

# Everything that lies in the workspace, ignored files left out, as a tree in $tree.
shoot() {
    : >"$tmp/said"
    find . -path ./.git -prune -o -type f -size "+${largest}c" -print 2>/dev/null | head -n 100 | while IFS= read -r file; do
        file=${file#./}
        if [ -n "$(ours ls-files --others --modified --exclude-standard -- ":(literal)$file" 2>/dev/null)" ]; then
            printf '%s\n' "$file"
        fi
    done >"$tmp/large"
    (
        GIT_DIR=$own GIT_WORK_TREE=$work GIT_INDEX_FILE=$index
        export GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
        nested_in "$base" >"$tmp/nested"
        set -- .
        while IFS= read -r file; do set -- "$@" ":(exclude,literal)$file"; done <"$tmp/large"
        while IFS= read -r file; do set -- "$@" ":(exclude,literal)$file"; done <"$tmp/nested"
        git add --all --ignore-errors -- "$@" 2>>"$tmp/said" || git ls-files --others --modified --exclude-standard -z -- "$@" |
            lines | head -n 100 >"$tmp/unreadable"
        while IFS= read -r file; do nest "$work/$file" "$file" 8; done <"$tmp/nested"
    ) 2>>"$tmp/said"
    # Git cuts what it says at 4096 bytes, and with it the end of a name that is too long.
    sed -n "s/^warning: could not open directory '//p" "$tmp/said" | sed "s/': [^']*\$//" | head -n 100 >>"$tmp/unreadable"
    tree=$(ours write-tree 2>/dev/null)
}

: >"$tmp/unreadable"
begin && shoot || {
    : >"$tmp/unreadable"
    { [ -n "$head" ] && begin_from "$head" && shoot; } || { begin_from "$base" && shoot; } || no_snapshot
}
if [ -s "$tmp/unreadable" ] && full; then fail no-room; fi

# A commit of the rest, in the agent's repository, so that it goes on from there; where that does not come about, it is made
# outside.
committed=0
commit_rest() {
    [ "$kind" = collect ] && [ -n "$head" ] && [ "$on" = "refs/heads/$branch" ] && [ -z "$operation" ] || return
    [ ! -s "$tmp/large" ] && [ ! -s "$tmp/nested" ] && [ ! -s "$tmp/unreadable" ] || return
    [ "$(bare rev-parse --verify --quiet "$head^{tree}")" != "$tree" ] || return
    commit=$(printf '%s\n' "$message" | GIT_AUTHOR_NAME=$name GIT_AUTHOR_EMAIL=$email GIT_AUTHOR_DATE=$date \
        GIT_COMMITTER_NAME=$name GIT_COMMITTER_EMAIL=$email GIT_COMMITTER_DATE=$date \
        bare commit-tree "$tree" -p "$head" -F -) || return
    printf '%s\n^%s\n' "$commit" "$head" | bare pack-objects -q --revs --stdout | theirs index-pack --stdin >/dev/null || return
    # Nobody works here any more: locks are dead processes'.
    rm -f "$gitdir/HEAD.lock" "$common/refs/heads/$branch.lock" "$gitdir/index.lock"
    GIT_COMMITTER_NAME=$name GIT_COMMITTER_EMAIL=$email \
        theirs update-ref -m 'gadugi: work collected' HEAD "$commit" "$head" || return
    if cp -p "$index" "$gitdir/index.gadugi"; then mv -f "$gitdir/index.gadugi" "$gitdir/index"; fi
    head=$commit tip=$commit committed=1
}
if [ "$kind" = collect ]; then commit_rest 2>/dev/null || :; fi

# Commits that HEAD does not hold: other branches, stashes, and, where the work is to be salvaged, what HEAD left.
elsewhere() {
    theirs for-each-ref --format='%(objectname)' ${head:+"--no-merged=$head"} "--no-merged=$base" | head -n 200
    theirs log -g --format=%H -n 50 refs/stash
    if [ "$kind" = look ]; then
        theirs log -g --format=%H -n 200 HEAD
        cat "$gitdir/MERGE_HEAD" "$gitdir/CHERRY_PICK_HEAD" "$gitdir/rebase-merge/orig-head" \
            "$gitdir/rebase-apply/orig-head" "$gitdir/ORIG_HEAD" 2>/dev/null
    fi
}
extras=
if [ -n "$gitdir" ]; then
    elsewhere | grep -x '[0-9a-f]*' | sort -u | bare cat-file --batch-check='%(objectname) %(objecttype)' 2>/dev/null |
        sed -n 's/ commit$//p' >"$tmp/elsewhere"
    if [ -s "$tmp/elsewhere" ]; then
        { cat "$tmp/elsewhere" && printf '^%s\n' "$base" && [ -n "$head" ] && printf '^%s\n' "$head"; } |
            bare rev-list --stdin 2>/dev/null | grep -Fxf "$tmp/elsewhere" >"$tmp/apart"
        extras=$(bare merge-base --independent $(head -n 200 "$tmp/apart") 2>/dev/null | head -n 60)
    fi
fi

# One commit that holds all of it.
envelope() {
    set --
    [ -z "$head" ] || set -- -p "$head"
    for extra in $extras; do set -- "$@" -p "$extra"; done
    tip_commit=$(printf 'gadugi: an export\n' | GIT_AUTHOR_NAME=gadugi GIT_AUTHOR_EMAIL=gadugi@localhost GIT_AUTHOR_DATE=$date \
        GIT_COMMITTER_NAME=gadugi GIT_COMMITTER_EMAIL=gadugi@localhost GIT_COMMITTER_DATE=$date \
        bare commit-tree "$tree" "$@" -F - 2>/dev/null) || return
    bare rev-list --objects --quiet "$tip_commit" "^$base" 2>/dev/null
}
envelope || {
    extras=
    envelope
} || {
    head= history=lost
    envelope
} || {
    begin_from "$base" && shoot && envelope
} || no_snapshot

named() { tr '\001-\011\013-\037\177' '?' <"$2" | sed -n "s/^\(..*\)/$1 \1/p" | head -n 100 | cut -b 1-4000; }
{
    printf 'gadugi-export 1\nstatus ok\ntip %s\nhead %s\nbranch %s\non %s\noperation %s\ncommitted %s\nhistory %s\n' \
        "$tip_commit" "${head:--}" "${tip:--}" "${on:--}" "${operation:--}" "$committed" "$history"
    named nested "$tmp/nested"
    named large "$tmp/large"
    named unreadable "$tmp/unreadable"
    printf '\n'
} >"$tmp/header" || fail no-room
cat "$tmp/header"
printf '%s\n^%s\n' "$tip_commit" "$base" | bare pack-objects -q --revs --thin --stdout --delta-base-offset
