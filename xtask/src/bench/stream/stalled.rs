//! Clients that open a WebSocket of the server's and never read from it.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::net::sockopt::set_socket_recv_buffer_size;

use super::browser::Dashboard;

/// What the kernel takes for such a client until the server has to wait, bytes.
const BUFFER: usize = 4096;

/// Longer than any answer takes.
const ANSWERS_WITHIN: Duration = Duration::from_secs(20);

/// Upgrades a connection and reads its head, and no more from then on.
pub(super) fn open(dashboard: &Dashboard, path: &str) -> Result<TcpStream> {
    let address = dashboard.address()?;
    let mut stream = TcpStream::connect(address)?;
    set_socket_recv_buffer_size(&stream, BUFFER)?;
    stream.set_read_timeout(Some(ANSWERS_WITHIN))?;
    let token = dashboard.token()?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).with_context(|| format!("{path}: no answer"))?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head);
    ensure!(head.starts_with("HTTP/1.1 101"), "{path}: {head}");
    Ok(stream)
}

/// Bytes that the kernel still holds for it on the server's side; 0 where the server has closed it.
pub(super) fn held_back(stream: &TcpStream) -> Result<u64> {
    let (own, server) = (stream.local_addr()?.port(), stream.peer_addr()?.port());
    let table = fs::read_to_string("/proc/net/tcp")?;
    Ok(table.lines().find_map(|line| queue(line, server, own)).unwrap_or(0))
}

/// `sl local remote st tx:rx …`: what waits to be sent, of the connection between these ports.
fn queue(line: &str, local: u16, remote: u16) -> Option<u64> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let port = |field: &str| u16::from_str_radix(field.rsplit_once(':')?.1, 16).ok();
    let both = port(fields.get(1)?)? == local && port(fields.get(2)?)? == remote;
    let waiting = fields.get(4)?.split_once(':')?.0;
    both.then(|| u64::from_str_radix(waiting, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_does_not_read_waits_at_the_other_end() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        set_socket_recv_buffer_size(&client, BUFFER).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        assert_eq!(held_back(&client).unwrap(), 0);
        server.set_nonblocking(true).unwrap();
        while server.write(&[0; 65536]).is_ok() {}
        assert!(held_back(&client).unwrap() > 0);
    }
}
