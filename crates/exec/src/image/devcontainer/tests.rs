use super::*;

const HERE: &str = PLACES[0];

fn read(text: &str) -> DevContainer {
    parse(text, HERE).unwrap()
}

fn build(text: &str) -> Recipe {
    match read(text).source {
        Some(Source::Build(recipe)) => recipe,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_usual_is_read_whole() {
    let text = r#"
        // For format details, see the documentation.
        {
            "name": "Rust", /* a comment */
            "image": "mcr.example/devcontainers/rust:1",
            "containerEnv": { "RUST_LOG": "debug", "CACHE": "${containerWorkspaceFolder}/.cache", "N": 3, "GONE": null },
            "remoteUser": "vscode",
            "customizations": { "vscode": { "extensions": ["a.b"], "settings": {"x": "// no comment"} } },
            "forwardPorts": [3000],
        }"#;
    let read = read(text);
    assert_eq!(read.source, Some(Source::Image("mcr.example/devcontainers/rust:1".into())));
    let env = [("CACHE", "/workspace/.cache"), ("N", "3"), ("RUST_LOG", "debug")];
    assert_eq!(read.env, env.map(|(name, value)| (name.into(), value.into())).into());
    assert_eq!(read.user.as_deref(), Some("vscode"));
    assert_eq!(read.unsupported, Vec::<String>::new());
}

#[test]
fn a_build_is_found_from_the_files_own_folder() {
    let recipe = build(
        r#"{"build": {"dockerfile": "Dockerfile", "context": "..", "args": {"V": "1"}, "target": "dev"}}"#,
    );
    assert_eq!(recipe.dockerfile, ".devcontainer/Dockerfile");
    assert_eq!(recipe.context, "");
    assert_eq!(recipe.arguments, BTreeMap::from([("V".into(), "1".into())]));
    assert_eq!(recipe.target.as_deref(), Some("dev"));
    let recipe = build(r#"{"build": {"dockerfile": "../docker/Dev"}}"#);
    assert_eq!((recipe.dockerfile.as_str(), recipe.context.as_str()), ("docker/Dev", ".devcontainer"));
    let recipe = build(r#"{"dockerFile": "./D", "context": "../app/"}"#);
    assert_eq!((recipe.dockerfile.as_str(), recipe.context.as_str()), (".devcontainer/D", "app"));
    let top = parse(r#"{"build": {"dockerfile": "Dockerfile"}}"#, PLACES[1]).unwrap();
    let expected = Recipe { dockerfile: "Dockerfile".into(), ..Recipe::default() };
    assert_eq!(top.source, Some(Source::Build(expected)));
}

#[test]
fn what_is_not_done_is_named_one_line_each() {
    for (text, expected) in [
        (r#"{"image": "a", "features": {"ghcr.io/x/y:1": {}}}"#, Some("features is not supported: put")),
        (r#"{"image": "a", "features": {}}"#, None),
        (r#"{"image": "a", "mounts": ["source=/,target=/host,type=bind"]}"#, Some("mounts is not")),
        (r#"{"image": "a", "mounts": []}"#, None),
        (r#"{"image": "a", "runArgs": ["--privileged"]}"#, Some("runArgs is not")),
        (r#"{"image": "a", "privileged": true}"#, Some("privileged is not")),
        (r#"{"image": "a", "privileged": false}"#, None),
        (
            r#"{"image": "a", "postCreateCommand": "npm ci"}"#,
            Some("postCreateCommand is not supported: [workspace]"),
        ),
        (r#"{"image": "a", "onCreateCommand": {"a": "b"}}"#, Some("onCreateCommand is not")),
        (r#"{"image": "a", "initializeCommand": "rm -rf ~"}"#, Some("initializeCommand is not")),
        (r#"{"image": "a", "workspaceFolder": "/workspaces/x"}"#, Some("workspaceFolder is not")),
        (r#"{"image": "a", "workspaceFolder": "/workspace"}"#, None),
        (r#"{"image": "a", "frobnicate": 1}"#, Some("frobnicate is not known")),
        (r#"{"image": "a", "remoteUser": "root"}"#, Some("the user root is not")),
        (r#"{"image": "a", "containerUser": "0:0"}"#, Some("the user root is not")),
        (r#"{"image": "a", "remoteEnv": {"A": "b"}}"#, Some("remoteEnv is not")),
        (
            r#"{"image": "a", "containerEnv": {"T": "${localEnv:T}"}}"#,
            Some("containerEnv.T is left out: ${localEnv:T}"),
        ),
        (r#"{"build": {"dockerfile": "D", "cacheFrom": "x"}}"#, Some("build.cacheFrom is not")),
    ] {
        let read = read(text);
        match expected {
            None => assert_eq!(read.unsupported, Vec::<String>::new(), "{text}"),
            Some(line) => {
                assert_eq!(read.unsupported.len(), 1, "{text}: {:?}", read.unsupported);
                assert!(read.unsupported[0].starts_with(line), "{text}: {:?}", read.unsupported);
            }
        }
        assert!(read.source.is_some() && read.user.is_none(), "{text}");
    }
}

#[test]
fn a_file_that_names_no_image_says_so() {
    let compose = read(r#"{"dockerComposeFile": "docker-compose.yml", "service": "app"}"#);
    assert_eq!(compose.source, None);
    assert_eq!(compose.unsupported.len(), 2);
    assert_eq!(read("{}"), DevContainer::default());
    assert_eq!(read(r#"{"image": ""}"#).source, None);
}

#[test]
fn what_cannot_be_understood_is_an_error_with_its_place() {
    for (text, words) in [
        ("", "an object"),
        ("[]", "an object"),
        ("{\"image\": }", "devcontainer.json: "),
        ("{\"image\": \"a\"", "devcontainer.json: "),
        (r#"{"image": 1}"#, "image: expected a text"),
        (r#"{"build": "Dockerfile"}"#, "build: expected an object"),
        (r#"{"build": {"context": "."}}"#, "build.dockerfile: expected"),
        (r#"{"image": "a", "containerEnv": []}"#, "containerEnv: expected"),
        (r#"{"image": "a", "containerEnv": {"A": {}}}"#, "containerEnv.A: expected"),
        (r#"{"image": "a", "containerEnv": {"A=B": "c"}}"#, "containerEnv.A=B: expected"),
        (r#"{"build": {"dockerfile": "/etc/passwd"}}"#, "/etc/passwd is not in the repository"),
        (r#"{"build": {"dockerfile": "../../x"}}"#, "../../x is not in the repository"),
        (r#"{"build": {"dockerfile": "D", "context": "../.."}}"#, "../.. is not in the repository"),
    ] {
        let error = parse(text, HERE).expect_err(text).to_string();
        assert!(error.contains(words) && error.contains(HERE), "{text}: {error}");
    }
    let long = " ".repeat(LONGEST + 1);
    assert!(matches!(parse(&long, HERE), Err(DevContainerError::TooLong { .. })));
}

#[test]
fn what_goes_into_an_image_decides_its_tag() {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(1);
    header.set_mode(0o644);
    archive.append_data(&mut header, "file", [7_u8].as_slice()).unwrap();
    let archive = archive.into_inner().unwrap();
    let recipe = Recipe { target: Some("dev".into()), ..Recipe::default() };
    let order = recipe.order(archive.as_slice(), "FROM a").unwrap();
    assert_eq!(order.dockerfile, Context::DOCKERFILE);
    assert!(order.tag.starts_with("gadugi/devcontainer:") && order.tag.len() == 36, "{}", order.tag);
    assert_eq!(recipe.order(archive.as_slice(), "FROM a").unwrap().tag, order.tag);
    assert_ne!(recipe.order(archive.as_slice(), "FROM b").unwrap().tag, order.tag);
    assert_ne!(Recipe::default().order(archive.as_slice(), "FROM a").unwrap().tag, order.tag);
}
