//! A model API that cannot be reached, as real Claude Code in a container meets it by way of the gateway.

use std::net::TcpListener;

use crate::scene::{KEY, Scene, says};
use crate::stage::Ran;

/// One task whose model API is there. It is tried as often as a test can wait for.
fn run_with(upstream: &str) -> (Scene, Ran) {
    let mut scene = Scene::new("[retry]\ntransient = 2\nfirst = \"100ms\"\n");
    scene
        .variables
        .extend([("ANTHROPIC_BASE_URL".into(), upstream.into()), ("ANTHROPIC_API_KEY".into(), KEY.into())]);
    scene.model_prompt("one", "", &[says("done")]);
    scene.commit("prompts");
    let ran = scene.gadugi(&["run", "--no-review", "--json", "--verify", ""]);
    (scene, ran)
}

/// It failed, and one line says why, which names the address.
#[track_caller]
fn failed(scene: &Scene, ran: &Ran, upstream: &str, words: &str) {
    ran.ends_with(1);
    let detail = scene.task("one")["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains(upstream) && detail.contains(words) && !detail.contains('\n'), "{detail}");
    scene.nothing_is_left(1);
}

#[test]
fn a_port_at_which_nobody_listens() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (scene, ran) = run_with(&format!("http://{free}"));
    failed(&scene, &ran, &free.to_string(), "refused");
}

#[test]
fn a_certificate_that_is_not_to_be_trusted() {
    let server = tls::serve();
    let (scene, ran) = run_with(&format!("https://{server}"));
    failed(&scene, &ran, &server.to_string(), "certificate");
}

/// A server with a certificate that it signed itself.
mod tls {
    use std::net::SocketAddr;
    use std::sync::Arc;

    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::pki_types::pem::PemObject;
    use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

    const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../gateway/tests/common");

    /// Lives as long as the test program.
    pub(super) fn serve() -> SocketAddr {
        let certificate = CertificateDer::from_pem_file(format!("{FOLDER}/certificate.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(format!("{FOLDER}/key.pem")).unwrap();
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key);
        let acceptor = TlsAcceptor::from(Arc::new(config.unwrap()));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                while let Ok((stream, _)) = listener.accept().await {
                    // Whoever does not trust it goes.
                    let _ = acceptor.accept(stream).await;
                }
            });
        });
        address
    }
}
