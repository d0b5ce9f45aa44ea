# Signals to PID 1 from inside its pid namespace, by every way there is. It is still there afterwards, and stops nothing.
use strict; use warnings; use Fcntl; use POSIX ();
$| = 1;
my ($sigqueue, $pidfd_open, $pidfd_send) = map { 0 + $_ } @ARGV;
my %numbers = (HUP => 1, INT => 2, QUIT => 3, KILL => 9, USR1 => 10, USR2 => 12, PIPE => 13, TERM => 15, CHLD => 17, STOP => 19,
    TSTP => 20, XCPU => 24, IO => 29, SYS => 31);
$SIG{USR1} = "IGNORE";
my $handle = syscall($pidfd_open, 1, 0);
for my $number (values %numbers, 34 .. 64) {
    kill $number, 1;
    syscall($pidfd_send, $handle, $number, 0, 0);
    # si_signo, si_errno, si_code, padding, si_pid, si_uid: each code that is left to a sender, with a sender of 0.
    for my $code (-1, -2, -3, -4, -5, -60, 0, 1, 128) {
        my $info = pack("iiiiii", $number, 0, $code, 0, 0, 0) . "\0" x 104;
        syscall($sigqueue, 1, $number, $info);
        syscall($pidfd_send, $handle, $number, $info, 0);
    }
}
# A descriptor whose owner is PID 1 and whose signal is one that stops: F_SETOWN, F_SETSIG (10), O_ASYNC.
for my $number (2, 3, 9, 10, 15, 19) {
    pipe(my $reader, my $writer) or die;
    fcntl($reader, Fcntl::F_SETOWN(), 1) or print "no owner: $!\n";
    fcntl($reader, 10, $number) or print "no signal: $!\n";
    fcntl($reader, F_SETFL, O_NONBLOCK | 020000) or print "not asynchronous: $!\n";
    syswrite($writer, "x");
}
# As many pending signals as a user may have: those that come on top lose their sender.
my $parent = $$;
my $full = fork() // die;
if ($full == 0) {
    my $set = POSIX::SigSet->new(40);
    POSIX::sigprocmask(POSIX::SIG_BLOCK(), $set) or die;
    my $info = pack("iiiiii", 40, 0, -1, 0, $$, 0) . "\0" x 104;
    my $queued = 0;
    $queued++ while $queued < 1_000_000 && syscall($sigqueue, $$, 40, $info) == 0;
    print "queued ", ($queued > 100 ? "many" : "few"), "\n";
    for my $number (2, 3, 10, 15) {
        my $lost = pack("iiiiii", $number, 0, -1, 0, 0, 0) . "\0" x 104;
        syscall($sigqueue, 1, $number, $lost);
        kill $number, 1;
    }
    POSIX::_exit(0);
}
waitpid($full, 0);
print "over\n";
