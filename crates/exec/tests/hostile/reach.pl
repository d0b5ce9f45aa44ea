# What a process of the shim's own uid tries on the shim, PID 1 of its container. One line for each try: "refused", or what came of it.
use strict; use warnings; use Fcntl; use Socket;
$| = 1; no warnings 'portable';
my ($file, $input, $dir);
my ($ptrace, $vm_readv, $vm_writev, $pidfd_open, $pidfd_getfd, $prlimit, $open_by_handle) = map { 0 + $_ } @ARGV;
sub told { my ($name, $done) = @_; print "$name: ", ($done ? "DONE" : "refused"), "\n"; }

for my $name (qw(fd fdinfo map_files ns task/1/fd task/1/cwd)) {
    told("list /proc/1/$name", opendir($dir, "/proc/1/$name"));
}
for my $name (qw(cwd root exe)) {
    told("follow /proc/1/$name", defined readlink("/proc/1/$name"));
    told("enter /proc/1/$name", chdir("/proc/1/$name"));
    told("look through /proc/1/$name", -e "/proc/1/$name/spec.json" || -e "/proc/1/$name/.");
}
chdir "/workspace" or die;
for my $name (qw(mem environ maps auxv oom_score_adj comm clear_refs coredump_filter)) {
    told("open /proc/1/$name to write", sysopen($file, "/proc/1/$name", O_RDWR));
}
# Everybody may open these; who writes is asked later.
for my $name (qw(timerslack_ns attr/current)) {
    told("write /proc/1/$name", sysopen($file, "/proc/1/$name", O_RDWR) && defined syswrite($file, "100"));
}
for my $name (qw(mem environ auxv syscall stack)) {
    told("read /proc/1/$name", open($file, "<", "/proc/1/$name") && read($file, my $byte, 1));
}
for my $fd (0 .. 64) {
    told("open /proc/1/fd/$fd", 1) if sysopen($file, "/proc/1/fd/$fd", O_RDONLY | O_NONBLOCK);
    told("open /proc/1/fd/$fd to write", 1) if sysopen($file, "/proc/1/fd/$fd", O_WRONLY | O_APPEND | O_NONBLOCK);
}
# PTRACE_ATTACH, PTRACE_SEIZE.
told("ptrace attach", syscall($ptrace, 16, 1, 0, 0) == 0);
told("ptrace seize", syscall($ptrace, 0x4206, 1, 0, 0) == 0);
my $buffer = "x" x 8;
my $own = pack("PQ", $buffer, 8);
for my $address (0x400000, 0x7ffff0000000) {
    my $other = pack("QQ", $address, 8);
    told("read its memory", syscall($vm_readv, 1, $own, 1, $other, 1, 0) > 0);
    told("write its memory", syscall($vm_writev, 1, $own, 1, $other, 1, 0) > 0);
}
my $handle = syscall($pidfd_open, 1, 0);
told("take its descriptors", scalar grep { my $fd = 0 + $_; syscall($pidfd_getfd, $handle, $fd, 0) >= 0 } 0 .. 64);
# RLIMIT_CPU, FSIZE, NOFILE, AS, SIGPENDING: what would end it, or blind it. Its other thread is of the same process.
opendir($dir, "/proc/1/task") or die;
my @threads = grep { /\d/ } readdir $dir;
print "threads of PID 1: @threads\n" if @threads != 2;
for my $resource (0, 1, 7, 9, 11) {
  for my $thread (@threads) {
    told("limit $resource", syscall($prlimit, 0 + $thread, 0 + $resource, my $one = pack("QQ", 1, 1), 0) == 0);
  }
}
told("own limit", 1) unless syscall($prlimit, 0, 7, my $hundred = pack("QQ", 100, 100), 0) == 0;
for my $thread (@threads) {
    told("follow $thread", defined readlink("/proc/$thread/cwd") || defined readlink("/proc/1/task/$thread/cwd"));
    told("list $thread", opendir($dir, "/proc/$thread/fd") || opendir($dir, "/proc/1/task/$thread/fd"));
    told("write $thread", sysopen($file, "/proc/$thread/mem", O_RDWR) || sysopen($file, "/proc/1/task/$thread/mem", O_RDWR));
}
# By the file handle of a directory that is mounted, out of the mount.
opendir(my $mounted, "/workspace");
told("open by handle", syscall($open_by_handle, fileno($mounted), my $handle_of = pack("IiQ", 8, 1, 2), 0) >= 0);
socket(my $socket, AF_UNIX, SOCK_STREAM, 0) or die;
told("connect to launch.sock", connect($socket, pack_sockaddr_un("/gadugi/gate/launch.sock")));
told("write in the gate", sysopen($file, "/gadugi/gate/x", O_RDWR | O_CREAT));
told("replace the shim", sysopen($file, "/gadugi/shim", O_RDWR));
# Its own input, opened anew for writing.
told("write its input", sysopen($input, "/proc/self/fd/0", O_RDWR) && defined syswrite($input, "forged"));
told("cut its input off", truncate("/proc/self/fd/0", 0));
# Its neighbours in time: what was forked from the shim has left its folder before it became somebody.
told("find the folder", scalar grep { -e "$_/exit.json" || -e "$_/spec.json" || -e "$_/lock" } glob("/proc/[0-9]*/cwd /proc/[0-9]*/fd/*"));
print "over\n";
