//! Hosts that a task may reach, and those that it may not.

use std::io::{Read, Write};
use std::net::TcpListener;

use crate::scene::Scene;

/// Serves one text to whoever comes, for as long as the test program lives; its port.
fn server(text: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = [0; 4096];
            let _ = stream.read(&mut head);
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", text.len());
            let _ = stream.write_all(format!("{head}{text}").as_bytes());
        }
    });
    port
}

#[test]
fn a_task_reaches_the_hosts_that_it_names_and_no_others() {
    let (wanted, other) = (server("hello"), server("secret"));
    let scene = Scene::new("");
    // A server on this machine's own loopback, for which clients ask no proxy of themselves.
    let script = format!(
        "run curl -sS --noproxy '' http://127.0.0.1:{wanted}/ > plain.txt 2>&1
run curl -sS --noproxy '' --proxytunnel -x \"$HTTPS_PROXY\" http://127.0.0.1:{wanted}/ > tunnel.txt 2>&1
run curl -sS --noproxy '' -o /dev/null -w '%{{http_code}}' http://127.0.0.1:{other}/ > port.txt 2>&1
run curl -sS --noproxy '' -o /dev/null -w '%{{http_code}}' http://example.com/ > host.txt 2>&1
run curl -sS --noproxy '' -o /dev/null -w '%{{http_connect}}' https://example.com/ > secure.txt 2>/dev/null
run curl -sS --noproxy '' -o /dev/null -w '%{{http_code}}' http://127.0.0.1:{wanted}/ -x \"$(echo $http_proxy | sed s/gadugi:[^@]*/gadugi:wrong/)\" > token.txt 2>&1
run curl -sS --noproxy '*' --max-time 5 http://127.0.0.1:{wanted}/ > direct.txt 2>/dev/null || echo none > direct.txt"
    );
    scene.prompt("named", &format!("network: [\"127.0.0.1:{wanted}\"]"), &script);
    let nothing = format!(
        "run env | grep -i -c _proxy= > variables.txt; ls /gadugi/gate > gate.txt
run curl -sS --max-time 5 http://127.0.0.1:{wanted}/ > reached.txt 2>/dev/null || echo none > reached.txt"
    );
    scene.prompt("unnamed", "", &nothing);
    scene.commit("prompts");
    let ran = scene.run(&["--verify", ""]);
    ran.ends_with(0);
    let branch = ran.report()["branch"].as_str().unwrap().to_owned();
    let said = |file: &str| scene.blob(&branch, file);
    assert_eq!((said("plain.txt").as_str(), said("tunnel.txt").as_str()), ("hello", "hello"));
    assert_eq!((said("port.txt").as_str(), said("host.txt").as_str()), ("403", "403"));
    assert_eq!((said("secure.txt").as_str(), said("token.txt").as_str()), ("403", "407"));
    assert_eq!(said("direct.txt"), "none");
    assert_eq!((said("variables.txt").as_str(), said("reached.txt").as_str()), ("0", "none"));
    assert_eq!(said("gate.txt"), "", "no gate leads anywhere");
    scene.nothing_is_left(0);
}
