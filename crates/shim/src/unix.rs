//! Connecting to Unix sockets, also to those whose path is longer than a socket's address can be.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect as connect_socket, socket_with,
};

/// Connects without waiting: [`Errno::AGAIN`] where the other side's queue is full. The descriptor does not block.
pub(crate) fn connect(path: &Path) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    match SocketAddrUnix::new(path) {
        Ok(address) => connect_socket(&socket, &address)?,
        Err(Errno::NAMETOOLONG) => {
            // Held open until it is connected: its number is a part of the address.
            let folder = path.parent().unwrap_or(Path::new("/"));
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let folder = rustix::fs::open(folder, flags, Mode::empty())?;
            let name = path.file_name().unwrap_or_default();
            let short = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(name);
            connect_socket(&socket, &SocketAddrUnix::new(&short)?)?;
        }
        Err(error) => return Err(error.into()),
    }
    Ok(socket)
}
